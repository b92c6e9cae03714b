import { expect, test } from 'vitest'
import { maxBlockBytes, maxReferenceBytes } from '../../src/compress/codec.ts'
import { rawCodec } from '../../src/compress/raw.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { zstdPortable } from '../../src/compress/zstd-portable.ts'
import { describeCodec, sample } from '../suites/codec.ts'

const portable = zstdPortable()

describeCodec(zstdNative, [portable])
describeCodec(portable, [zstdNative])
describeCodec(rawCodec, [])

test('native zstd: a stored block does not keep a buffer of its raw size alive', async () => {
  const stored = await zstdNative.compress(sample('text', 1 << 20), { level: 3 })
  expect(stored.buffer.byteLength).toBe(stored.length)
})

test('native zstd: fast levels use the largest reference from its first byte', async () => {
  const reference = sample('random', maxReferenceBytes)
  for (const level of [1, 2, 3]) {
    const stored = await zstdNative.compress(reference.subarray(0, 200_000), { level, reference })
    expect(stored.length).toBeLessThan(20_000)
  }
})

test('portable zstd: an instance that ran out of memory is replaced', async () => {
  const codec = zstdPortable()
  const [raw, reference] = [sample('text', maxBlockBytes), sample('text', maxReferenceBytes, 1)]
  let looks = 0 // small while the limits are checked, too large for the heap when it is compressed against
  const growing = Object.defineProperty(reference.slice(), 'length', { get: () => looks++ < 2 ? 1000 : 7 << 20 })
  await expect(codec.compress(raw, { level: 3, reference: growing })).rejects.toMatchObject({ code: 'codec-failed' })
  expect((await codec.compress(raw, { level: 3, reference })).length).toBeLessThan(maxBlockBytes / 2)
})
