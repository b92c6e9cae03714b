/** The kernels in WebAssembly do what their twins in plain TypeScript do, to the bit. */
import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { compiled, kernels } from '../../../kernels/build.ts'
import { leastMemoryBits } from '../../../src/compress/frames/code-head.ts'
import { bytesPerPixel, rowBytes } from '../../../src/compress/frames/frame.ts'
import { pictureOf } from '../../../src/compress/frames/picture.ts'
import { PixelCoder } from '../../../src/compress/frames/pixel-kernel.ts'
import { readRows } from '../../../src/compress/frames/png-rows.ts'
import { fingerprint } from '../../../src/compress/frames/search.ts'
import { Random } from '../../pack/mutate.ts'
import { forms } from './make-png.ts'
import { BitDecoder, BitEncoder } from './twin/bit-coder.ts'
import { PixelModel } from './twin/pixel-model.ts'
import { unfilter } from './twin/png-filter.ts'

describe('what is compiled', () => {
  test.each(kernels)('$target is what $source compiles to', (kernel) => {
    expect(readFileSync(join(import.meta.dirname, '../../..', kernel.target), 'utf8')).toBe(compiled(kernel))
  })
})

/** A plane in which some things repeat, as on a screen, and some do not. */
function planeOf(random: Random, columns: number, rows: number, bytesPerColumn: number): Uint32Array {
  const most = 2 ** (8 * bytesPerColumn) - 1
  const palette = Array.from({ length: 1 + random.below(6) }, () => random.below(most))
  const noise = random.below(4) === 0 ? 2 : 40
  const pixels = new Uint32Array(columns * rows)
  for (let at = 0; at < pixels.length; at++) {
    const chance = random.below(noise)
    pixels[at] = chance === 0 ? random.below(most) : chance < 8 ? random.pick(palette) : pixels[at - (chance < 20 ? 1 : columns)] ?? 0
  }
  return pixels
}

interface Case {
  readonly pixels: Uint32Array
  readonly learned: Uint32Array
  readonly columns: number
  readonly bytesPerColumn: number
  readonly memoryBits: number
  /** Spans, each within a row, with a decision before each. */
  readonly spans: readonly { readonly from: number; readonly to: number; readonly probability: number; readonly bit: number }[]
}

function caseOf(seed: number): Case {
  const random = new Random(seed)
  const [columns, rows, bytesPerColumn] = [1 + random.below(90), 1 + random.below(30), 1 + random.below(4)]
  const spans = Array.from({ length: rows }, (_, row) => {
    const [a, b] = [random.below(columns + 1), random.below(columns + 1)].sort((x, y) => x - y)
    return { from: row * columns + a!, to: row * columns + b!, probability: 32 + random.below(65_440), bit: random.below(2) }
  })
  return {
    pixels: planeOf(random, columns, rows, bytesPerColumn), learned: planeOf(random, columns, rows, bytesPerColumn), columns, bytesPerColumn,
    memoryBits: leastMemoryBits + random.below(4), spans,
  }
}

describe('the model of pixels', () => {
  test('writes the same code as its twin, and each reads what the other wrote', () => {
    fc.assert(fc.property(fc.nat(2 ** 31), fc.boolean(), (seed, learns) => {
      const { pixels, learned, columns, bytesPerColumn, memoryBits, spans } = caseOf(seed)
      const size = { pixels: pixels.length, bytesPerColumn, memoryBits }

      const twinCoder = new BitEncoder()
      const twin = new PixelModel(twinCoder, bytesPerColumn, memoryBits)
      if (learns) twin.learn(learned, columns, 0, learned.length)
      const twinPixels = Uint32Array.from(pixels)
      const kernel = new PixelCoder(size)
      if (learns) {
        kernel.pixels.set(learned)
        kernel.learn(columns, 0, learned.length)
      }
      kernel.pixels.set(pixels)
      for (const { from, to, probability, bit } of spans) {
        twinCoder.fixed(probability, bit)
        twin.span(twinPixels, columns, from, to)
        kernel.fixed(probability, bit)
        kernel.span(columns, from, to)
      }
      const code = Uint8Array.from(twinCoder.finish())
      expect(Buffer.compare(kernel.finish(), code)).toBe(0)

      const reader = new PixelCoder(size, code)
      if (learns) {
        reader.pixels.set(learned)
        reader.learn(columns, 0, learned.length)
      }
      const twinDecoder = new BitDecoder(code)
      const twinReader = new PixelModel(twinDecoder, bytesPerColumn, memoryBits)
      if (learns) twinReader.learn(learned, columns, 0, learned.length)
      // What is no part of a span is copied from elsewhere by whoever uses the model.
      const decoded = Uint32Array.from(pixels)
      reader.pixels.set(pixels)
      for (const { from, to, probability, bit } of spans) {
        decoded.fill(0, from, to)
        reader.pixels.fill(0, from, to)
        expect(reader.fixed(probability, 0)).toBe(bit)
        expect(twinDecoder.fixed(probability)).toBe(bit)
        reader.span(columns, from, to)
        twinReader.span(decoded, columns, from, to)
      }
      reader.end()
      twinDecoder.end()
      expect(Buffer.compare(Buffer.from(reader.pixels.slice().buffer), Buffer.from(pixels.buffer))).toBe(0)
      expect(Buffer.compare(Buffer.from(decoded.buffer), Buffer.from(pixels.buffer))).toBe(0)
    }), { numRuns: 300 })
  })

  test('finds a code that is cut short, and one that something follows', () => {
    const { pixels, columns, bytesPerColumn, memoryBits } = caseOf(7)
    const size = { pixels: pixels.length, bytesPerColumn, memoryBits }
    const rows = pixels.length / columns
    const kernel = new PixelCoder(size)
    kernel.pixels.set(pixels)
    for (let row = 0; row < rows; row++) kernel.span(columns, row * columns, (row + 1) * columns)
    const code = kernel.finish()
    const decode = (bytes: Uint8Array): void => {
      const reader = new PixelCoder(size, bytes)
      for (let row = 0; row < rows; row++) reader.span(columns, row * columns, (row + 1) * columns)
      reader.end()
    }
    decode(code)
    expect(() => { decode(code.subarray(0, code.length >> 1)) }).toThrow('the code is cut short')
    expect(() => { decode(Buffer.concat([code, Buffer.alloc(9, 1)])) }).toThrow('something follows the code')
    decode(code)
  })
})

test('rows of a PNG lose their filters and become pixels and hashes as by their twins', () => {
  const sides = { width: fc.integer({ min: 1, max: 700 }), height: fc.integer({ min: 1, max: 12 }) }
  fc.assert(fc.property(fc.nat(2 ** 31), fc.constantFrom(...forms), fc.record(sides), (seed, form, size) => {
    const random = new Random(seed)
    const shape = { ...form, ...size }
    const length = rowBytes(shape)
    const filtered = random.bytes((length + 1) * shape.height)
    for (let row = 0; row < shape.height; row++) filtered[row * (length + 1)] = random.below(40) === 0 ? 5 + random.below(251) : random.below(5)
    const expected = unfilter(filtered, length, shape.height, bytesPerPixel(shape))
    const found = readRows(filtered, shape, true)
    expect(found === undefined).toBe(expected === undefined)
    if (!found || !expected) return
    expect(Buffer.compare(found.bytes, expected)).toBe(0)
    const picture = pictureOf({ ...shape, pixels: expected, head: new Uint8Array(), tail: new Uint8Array() })
    expect(found.pixels).toEqual(picture.pixels)
    expect(found.hashes).toEqual(fingerprint(picture))
    expect(readRows(filtered, shape, false)).toEqual({ bytes: expected, pixels: new Uint32Array(), hashes: new Uint32Array() })
  }), { numRuns: 500 })
})
