import sharp from 'sharp'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rowBytes, type Frame, type FrameShape } from '../../../src/compress/frames/frame.ts'
import { readPng, writePng } from '../../../src/compress/frames/png.ts'
import { plain } from '../../plain.ts'
import { Random } from '../../pack/mutate.ts'
import { chunkOf, drawPixels, forms, headerOf, makePng, signature } from './make-png.ts'

const seeds = fc.nat(2 ** 31)
const sides = fc.integer({ min: 1, max: 70 })
const small: FrameShape = { width: 5, height: 4, colorType: 2, bitDepth: 8 }
const smallPixels = drawPixels(new Random(1), small)
const none = () => 0

/** What libspng, by way of sharp, makes of a file. */
async function independently(bytes: Uint8Array): Promise<unknown> {
  const { data, info } = await sharp(bytes).raw({ depth: 'ushort' }).toBuffer({ resolveWithObject: true })
  return { data: data.toString('base64'), width: info.width, height: info.height, channels: info.channels }
}

function text(value: string): Buffer {
  return chunkOf('tEXt', Buffer.from(`Comment\0${value}`, 'latin1'))
}

describe.each(forms)('colour type $colorType with $bitDepth bits', (form) => {
  test('every pixel and chunk survives any filter, and an independent reader sees the same', async () => {
    await fc.assert(fc.asyncProperty(seeds, sides, sides, async (seed, width, height) => {
      const random = new Random(seed)
      const shape = { ...form, width, height }
      const pixels = drawPixels(random, shape)
      const transparent = form.colorType === 3 ? [chunkOf('tRNS', random.bytes(1 + random.below(2)))] : []
      const file = makePng(shape, pixels, () => random.below(5), [...transparent, chunkOf('pHYs', Buffer.alloc(9, 1))], [text('später')])
      const frame = readPng(file)!
      expect(Buffer.compare(frame.pixels, pixels)).toBe(0)
      const restored = writePng(frame)
      expect(plain(readPng(restored))).toEqual(plain(frame))
      expect(Buffer.from(restored).includes(text('später'))).toBe(true)
      expect(await independently(restored)).toEqual(await independently(file))
    }), { numRuns: 25 })
  })
})

test('chunks keep their bytes, their order, and their side of the pixels', () => {
  const before = [chunkOf('gAMA', Buffer.of(0, 0, 177, 143)), chunkOf('iCCP', Buffer.from('any profile')), text('one'), text('two')]
  const after = [chunkOf('tIME', Buffer.of(7, 234, 11, 23, 12, 0, 0)), chunkOf('zzZz', Buffer.alloc(300, 5))]
  const frame = readPng(makePng(small, smallPixels, none, before, after))!
  expect(Buffer.compare(frame.head, Buffer.concat(before))).toBe(0)
  expect(Buffer.compare(frame.tail, Buffer.concat(after))).toBe(0)
  expect(plain(readPng(writePng(frame)))).toEqual(plain(frame))
})

describe('is left to be stored as bytes:', () => {
  const good = makePng(small, smallPixels, none)
  const idat = (bytes: Uint8Array) => chunkOf('IDAT', bytes)
  const raw = Buffer.alloc((rowBytes(small) + 1) * small.height)
  const packed = deflateSync(raw)
  const file = (...chunks: Uint8Array[]) => Buffer.concat([signature, ...chunks])
  const damaged = (at: number) => Buffer.from(good.map((byte, index) => (index === at ? byte ^ 1 : byte)))
  const wrongFilter = Buffer.from(raw)
  wrongFilter[0] = 5
  const end = chunkOf('IEND')
  const header = headerOf(small)

  test('(and the file these are made from is not)', () => {
    expect(readPng(good)).toBeDefined()
    expect(readPng(file(header, idat(packed), end))).toBeDefined()
  })

  test.each<[string, Uint8Array]>([
    ['nothing', Buffer.alloc(0)],
    ['a JPEG', Buffer.from('ffd8ffe000104a46', 'hex')],
    ['a signature alone', signature],
    ['no header', file(idat(packed), end)],
    ['no pixels', file(header, end)],
    ['no end', file(header, idat(packed))],
    ['two headers', file(header, header, idat(packed), end)],
    ['an end that holds something', file(header, idat(packed), chunkOf('IEND', Buffer.of(0)))],
    ['something behind the end', Buffer.concat([good, Buffer.of(0)])],
    ['another picture behind the end', Buffer.concat([good, good])],
    ['a wrong CRC in the header', damaged(signature.length + 10)],
    ['a wrong CRC in the end', damaged(good.length - 1)],
    ['pixels in two places', file(header, idat(packed.subarray(0, 5)), text('x'), idat(packed.subarray(5)), end)],
    ['a critical chunk that is unknown', file(header, chunkOf('CgBI', Buffer.alloc(4)), idat(packed), end)],
    ['an animation', file(header, chunkOf('acTL', Buffer.alloc(8)), idat(packed), end)],
    ['interlacing', file(headerOf(small, 1), idat(packed), end)],
    ['a colour type that does not exist', file(headerOf({ ...small, colorType: 5 as 2 }), idat(packed), end)],
    ['a bit depth that the colour type has not', file(headerOf({ ...small, bitDepth: 4 }), idat(packed), end)],
    ['no width', file(headerOf({ ...small, width: 0 }), idat(packed), end)],
    ['too few rows', file(header, idat(deflateSync(raw.subarray(1))), end)],
    ['too many rows', file(header, idat(deflateSync(Buffer.concat([raw, raw]))), end)],
    ['a stream that is cut', file(header, idat(packed.subarray(0, -1)), end)],
    ['something behind the stream', file(header, idat(Buffer.concat([packed, Buffer.of(1)])), end)],
    ['a wrong checksum in the stream', file(header, idat(Buffer.from(packed.map((byte, at) => (at === packed.length - 1 ? byte ^ 1 : byte)))), end)],
    ['a filter that does not exist', file(header, idat(deflateSync(wrongFilter)), end)],
    ['more metadata than anybody needs', file(header, chunkOf('tEXt', Buffer.alloc(1 << 20)), idat(packed), end)],
    ['a name of a chunk that is no name', file(header, chunkOf('te\0t'), idat(packed), end)],
    ['a length that leads outside', file(header, Buffer.concat([Buffer.of(255, 255, 255, 255), Buffer.from('tEXt')]), idat(packed), end)],
  ])('%s', (_, bytes) => {
    expect(readPng(bytes)).toBeUndefined()
  })

  test('a picture above the limits, without inflating anything', () => {
    const before = process.memoryUsage().arrayBuffers
    for (const [width, height] of [[1 << 17, 1], [1, 1 << 17], [5000, 5000], [65_536, 65_536], [2 ** 31 - 1, 2 ** 31 - 1]] as const) {
      expect(readPng(file(headerOf({ ...small, width, height }), idat(packed), end))).toBeUndefined()
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
  })

  test('a bomb, which inflates to no more than its header says', () => {
    const bomb = deflateSync(Buffer.alloc(256 << 20))
    const before = process.memoryUsage().arrayBuffers
    expect(readPng(file(header, idat(bomb), end))).toBeUndefined()
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20)
  })
})

test('every cut of a file is left to be stored as bytes', () => {
  const good = makePng(small, smallPixels, (row) => row + 1, [text('before')], [text('after')])
  for (let length = 0; length < good.length; length++) expect(readPng(good.subarray(0, length))).toBeUndefined()
  expect(readPng(good)).toMatchObject({ width: 5, height: 4 } satisfies Partial<Frame>)
})
