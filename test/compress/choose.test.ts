import { describe, expect, test } from 'vitest'
import { compressBlock } from '../../src/compress/choose.ts'
import { codecIds, type Codec } from '../../src/compress/codec.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { sample } from '../suites/codec.ts'

const raw = sample('random', 1000)
const giving = (compress: Codec['compress']): Codec => ({ ...zstdNative, compress })

describe('a block is stored', () => {
  test('compressed where that saves something', async () => {
    const { codec, bytes } = await compressBlock(zstdNative, sample('text', 5000), { level: 3 })
    expect(codec).toBe(codecIds.zstd)
    expect(bytes.length).toBeLessThan(2500)
  })

  test('compressed where only the reference makes it small', async () => {
    expect(await compressBlock(zstdNative, raw, { level: 3, reference: raw })).toMatchObject({ codec: codecIds.zstd })
  })

  test('raw where it does not compress', async () => {
    expect(await compressBlock(zstdNative, raw, { level: 3 })).toEqual({ codec: codecIds.raw, bytes: raw })
    const nothing = new Uint8Array()
    expect(await compressBlock(zstdNative, nothing, { level: 3 })).toEqual({ codec: codecIds.raw, bytes: nothing })
  })

  test('compressed from a saving of 1 % on', async () => {
    const saving = (bytes: number) => giving(async () => raw.subarray(bytes))
    expect(await compressBlock(saving(10), raw, { level: 3 })).toMatchObject({ codec: codecIds.zstd })
    expect(await compressBlock(saving(9), raw, { level: 3 })).toMatchObject({ codec: codecIds.raw })
  })

  test('raw where the codec fails, but other errors are not swallowed', async () => {
    const failing = giving(() => Promise.reject(new SluiceError('codec-failed', 'no')))
    expect(await compressBlock(failing, raw, { level: 3 })).toEqual({ codec: codecIds.raw, bytes: raw })
    const broken = giving(() => Promise.reject(new TypeError('a defect')))
    await expect(compressBlock(broken, raw, { level: 3 })).rejects.toThrow('a defect')
  })
})
