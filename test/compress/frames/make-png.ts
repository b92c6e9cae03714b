import type { FrameShape } from '../../../src/compress/frames/frame.ts'
import type { Random } from '../../pack/mutate.ts'
import { crc32, deflateSync } from 'node:zlib'
import { bytesPerPixel, rowBytes } from '../../../src/compress/frames/frame.ts'

/** Every form that PNG knows. */
export const forms = ([[0, [1, 2, 4, 8, 16]], [2, [8, 16]], [3, [1, 2, 4, 8]], [4, [8, 16]], [6, [8, 16]]] as const)
  .flatMap(([colorType, depths]) => depths.map((bitDepth) => ({ colorType, bitDepth })))

export const signature = Buffer.from('89504e470d0a1a0a', 'hex')

export function chunkOf(type: string, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  check.writeUInt32BE(crc32(named))
  return Buffer.concat([length, named, check])
}

export function headerOf({ width, height, bitDepth, colorType }: FrameShape, interlace = 0): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([bitDepth, colorType, 0, 0, interlace], 8)
  return chunkOf('IHDR', header)
}

/** A palette of as many colours as the bit depth has. */
function paletteOf(bitDepth: number): Buffer {
  return chunkOf('PLTE', Buffer.from(Array.from({ length: 3 << bitDepth }, (_, at) => (at * 37) & 0xff)))
}

/** A PNG with each row filtered as `filterOf` says: written from the specification, for readers to be tried on. */
export function makePng(shape: FrameShape, pixels: Uint8Array, filterOf: (row: number) => number, before: readonly Uint8Array[] = [], after: readonly Uint8Array[] = []): Buffer {
  const filtered = filter(shape, pixels, filterOf)
  const compressed = deflateSync(filtered, { level: 1 })
  const middle = compressed.length >> 1
  const palette = shape.colorType === 3 ? [paletteOf(shape.bitDepth)] : []
  return Buffer.concat([
    signature, headerOf(shape), ...palette, ...before,
    chunkOf('IDAT', compressed.subarray(0, middle)), chunkOf('IDAT', compressed.subarray(middle)), ...after, chunkOf('IEND'),
  ])
}

function filter(shape: FrameShape, pixels: Uint8Array, filterOf: (row: number) => number): Buffer {
  const [length, distance] = [rowBytes(shape), bytesPerPixel(shape)]
  const result = Buffer.alloc((length + 1) * shape.height)
  for (let row = 0; row < shape.height; row++) {
    const type = filterOf(row)
    result[row * (length + 1)] = type
    for (let x = 0; x < length; x++) {
      const at = row * length + x
      const a = x >= distance ? pixels[at - distance]! : 0
      const b = row > 0 ? pixels[at - length]! : 0
      const c = x >= distance && row > 0 ? pixels[at - length - distance]! : 0
      const p = a + b - c
      const nearest = [a, b, c].reduce((best, each) => (Math.abs(p - each) < Math.abs(p - best) ? each : best))
      result[row * (length + 1) + 1 + x] = pixels[at]! - [0, a, b, (a + b) >> 1, nearest][type]!
    }
  }
  return result
}

/** Samples of a picture with what screens have: areas, lines, text-like specks, shades, and places of noise. */
export function drawPixels(random: Random, shape: FrameShape): Uint8Array {
  const [length, step] = [rowBytes(shape), bytesPerPixel(shape)]
  const pixels = new Uint8Array(length * shape.height).fill(random.below(256))
  for (let count = random.below(8); count > 0; count--) {
    const [left, top] = [random.below(length), random.below(shape.height)]
    const [right, bottom] = [left + 1 + random.below(length - left), top + 1 + random.below(shape.height - top)]
    const kind = random.below(4)
    const color = random.bytes(step)
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const place = color[x % step]!
        const value = kind === 0 ? place : kind === 1 ? place + y + x : kind === 2 ? ((x * 7 + y * 3) % 11 < 3 ? place : 255) : random.below(256)
        pixels[y * length + x] = value
      }
    }
  }
  return pixels
}

/** The next screenshot: some of the last one moved, some drawn anew. */
export function changePixels(random: Random, shape: FrameShape, last: Uint8Array): Uint8Array {
  const [length, step] = [rowBytes(shape), bytesPerPixel(shape)]
  const pixels = Uint8Array.from(last)
  const scroll = random.below(4) === 0 ? random.below(shape.height) : 0
  if (scroll > 0) pixels.copyWithin(0, scroll * length)
  for (let count = random.below(4); count > 0; count--) {
    const [left, top] = [random.below(length), random.below(shape.height)]
    const [width, height] = [1 + random.below(Math.min(90, length - left)), 1 + random.below(Math.min(20, shape.height - top))]
    const color = random.bytes(step)
    const isNoise = random.below(4) === 0
    for (let y = top; y < top + height; y++) {
      for (let x = left; x < left + width; x++) pixels[y * length + x] = isNoise ? random.below(256) : color[x % step]!
    }
  }
  return pixels
}
