import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeFrame, encodeFrame, indexed, type FrameEffort, type IndexedPicture } from '../../../src/compress/frames/codec.ts'
import type { Frame, FrameShape } from '../../../src/compress/frames/frame.ts'
import { frameBytes } from '../../../src/compress/frames/canonical.ts'
import { provenFrame } from '../../../src/compress/frames/proven.ts'
import { frameOf, pictureOf, samePicture } from '../../../src/compress/frames/picture.ts'
import { plain } from '../../plain.ts'
import { Random } from '../../pack/mutate.ts'
import { changePixels, chunkOf, drawPixels, forms } from './make-png.ts'

const efforts: readonly FrameEffort[] = ['quick', 'normal', 'thorough']
const failed = expect.objectContaining({ code: 'codec-failed' }) as unknown
const screen: FrameShape = { width: 300, height: 200, colorType: 2, bitDepth: 8 }
const nothing = new Uint8Array()

function frame(shape: FrameShape, pixels: Uint8Array, head: Uint8Array = nothing, tail: Uint8Array = nothing): Frame {
  return { ...shape, pixels, head, tail }
}

function ready(of: Frame): IndexedPicture {
  return indexed(pictureOf(of))
}

/** Encodes, decodes with what was used alone, and expects the same picture. */
function roundTrip(current: IndexedPicture, references: readonly IndexedPicture[], effort: FrameEffort): { readonly bytes: number; readonly used: readonly number[] } {
  const { bytes, used } = encodeFrame(current, references, effort)
  const back = decodeFrame(bytes, used.map((index) => references[index]!.picture))
  expect(samePicture(back, current.picture)).toBe(true)
  return { bytes: bytes.length, used }
}

/** Text-like specks: black on white, in rows, not repeating. */
function page(seed: number, shape: FrameShape): Uint8Array {
  const random = new Random(seed)
  const pixels = new Uint8Array(shape.width * shape.height * 3).fill(255)
  for (let y = 0; y < shape.height; y++) {
    if (y % 12 > 7) continue
    for (let x = 8; x < shape.width - 8; x++) if (random.below(3) === 0) pixels.fill(random.pick([0, 90]), (y * shape.width + x) * 3, (y * shape.width + x) * 3 + 3)
  }
  return pixels
}

describe.each(forms)('colour type $colorType with $bitDepth bits', (form) => {
  test('any pictures, one after another, come back at every effort', () => {
    fc.assert(fc.property(fc.nat(2 ** 31), fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 80 }), (seed, width, height) => {
      const random = new Random(seed)
      const shape = { ...form, width, height }
      const past: IndexedPicture[] = []
      let pixels = drawPixels(random, shape)
      for (let count = 0; count < 4; count++) {
        const metadata = random.below(3) === 0 ? chunkOf('tEXt', random.bytes(20)) : nothing
        const current = ready(frame(shape, pixels, metadata, random.below(3) === 0 ? metadata : nothing))
        roundTrip(current, past, random.pick(efforts))
        past.push(current)
        pixels = random.below(5) === 0 ? drawPixels(random, shape) : changePixels(random, shape, pixels)
      }
    }), { numRuns: 40 })
  })

  test('a picture is a frame in another form', () => {
    const shape = { ...form, width: 37, height: 5 }
    for (const offset of [0, 1]) { // pixels need not be aligned
      const pixels = new Uint8Array([...nothing, ...new Array<number>(offset).fill(0), ...drawPixels(new Random(3), shape)]).subarray(offset)
      const original = frame(shape, pixels, chunkOf('PLTE'), chunkOf('tEXt'))
      expect(plain(frameOf(pictureOf(original)))).toEqual(plain({ ...original }))
    }
  })
})

describe.each(efforts)('at %s effort', (effort) => {
  const first = ready(frame(screen, page(1, screen)))

  test('a repeated picture costs next to nothing', () => {
    expect(roundTrip(ready(frame(screen, page(1, screen))), [first], effort).bytes).toBeLessThan(40)
  })

  test('what moved up, and what an older picture has, is not coded again', () => {
    const scrolled = page(1, screen)
    scrolled.copyWithin(20 * 900, 60 * 900, 160 * 900) // a part of the page, by 40 rows
    const alone = roundTrip(ready(frame(screen, scrolled)), [], effort)
    const others = [2, 3, 4].map((seed) => ready(frame(screen, page(seed, screen))))
    const withIt = roundTrip(ready(frame(screen, scrolled)), [...others, first, ...others], effort)
    expect(withIt.used).toEqual([3])
    expect(withIt.bytes).toBeLessThan(alone.bytes / 20)
  })

  test('no more pictures are used than said', () => {
    const mixed = page(9, screen)
    const sources = [1, 2, 3, 4].map((seed) => page(seed, screen))
    sources.forEach((source, index) => mixed.set(source.subarray(index * 45_000, (index + 1) * 45_000), index * 45_000))
    const { used } = roundTrip(ready(frame(screen, mixed)), sources.map((pixels) => ready(frame(screen, pixels))), effort)
    expect(used).toHaveLength(effort === 'quick' ? 1 : 2)
  })

  test('a picture of another shape is no reference', () => {
    const other = ready(frame({ ...screen, width: 200, height: 300 }, page(1, screen)))
    expect(roundTrip(first, [other], effort).used).toEqual([])
    expect(roundTrip(first, [other, first], effort).used).toEqual([1])
  })

  test('noise costs little more than itself', () => {
    const pixels = new Random(5).bytes(300 * 200 * 3)
    expect(roundTrip(ready(frame(screen, pixels)), [first], effort).bytes).toBeLessThan(pixels.length * 1.01)
  })
})

test('units that only seem alike do not come back: the proof of the round trip sees it', async () => {
  const [one, two] = [ready(frame(screen, page(1, screen))), ready(frame(screen, page(2, screen)))]
  const collided = { picture: two.picture, hashes: one.hashes }
  const { bytes, used } = encodeFrame(collided, [one], 'normal')
  expect(samePicture(decodeFrame(bytes, used.map(() => one.picture)), two.picture)).toBe(false)
  expect(provenFrame(collided, [one], 'normal')).toBeUndefined()
  expect(provenFrame(two, [one], 'normal')).toBeDefined()
})

test('a name stands for size, form, metadata and pixels', () => {
  const pixels = page(1, screen)
  const names = [
    frame(screen, pixels), frame({ ...screen, width: 200, height: 300 }, pixels), frame({ ...screen, width: 150, bitDepth: 16 }, pixels),
    frame(screen, page(2, screen)), frame(screen, pixels, chunkOf('tEXt')), frame(screen, pixels, nothing, chunkOf('tEXt')),
  ].map((each) => Buffer.from(frameBytes(each)).toString('latin1'))
  expect(new Set(names).size).toBe(names.length)
  expect(Buffer.from(frameBytes(frame(screen, page(1, screen)))).toString('latin1')).toBe(names[0])
})

describe('a decoder refuses', () => {
  const first = ready(frame(screen, page(1, screen)))
  const second = ready(frame(screen, changePixels(new Random(4), screen, page(1, screen))))
  const { bytes } = encodeFrame(second, [first], 'normal')
  const still = encodeFrame(first, [], 'normal').bytes
  const noise = encodeFrame(ready(frame(screen, new Random(5).bytes(300 * 200 * 3))), [], 'normal').bytes

  test('a code without its reference, or with one of another shape', () => {
    expect(() => decodeFrame(bytes, [])).toThrow(failed)
    const other = pictureOf(frame({ ...screen, width: 200, height: 300 }, page(1, screen)))
    expect(() => decodeFrame(bytes, [other])).toThrow(failed)
    const renamed = { ...second, picture: { ...second.picture, head: chunkOf('tEXt') } } // it says its shape itself
    expect(() => decodeFrame(encodeFrame(renamed, [first], 'normal').bytes, [other])).toThrow('another shape')
  })

  test.each([['modelled', still], ['as differences', noise]])('every cut of a code, and what is longer: %s', (_, code) => {
    for (let length = 0; length < code.length - 1; length += 1 + (length >> 4)) expect(() => decodeFrame(code.subarray(0, length), [])).toThrow(failed)
    expect(() => decodeFrame(Buffer.concat([code, Buffer.alloc(8)]), [])).toThrow(failed)
  })

  test('a size above the limits before it takes memory for it', () => {
    const before = process.memoryUsage().arrayBuffers
    // flags, memory bits, 2^20 × 2^20 as varints, 8 bits RGB, no metadata, no sources
    expect(() => decodeFrame(Buffer.of(0, 16, 0x80, 0x80, 0x40, 0x80, 0x80, 0x40, 8, 2, 0, 0, 0), [])).toThrow(failed)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
  })
})
