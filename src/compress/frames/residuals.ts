import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { gradient, shiftsOf } from './color-bytes.ts'
import { frameFailed } from './frame.ts'

/** What repeats in differences is near; a larger window costs every reader memory. */
const windowLog = 20

/**
 * Pixels as differences from what their neighbours predict, one byte plane after another, in a zstd frame. For
 * pictures of the real world: nothing in them repeats exactly, and this is many times quicker than modelling them.
 */
class Residuals {
  readonly bytes: Uint8Array
  readonly #pixels: Uint32Array
  readonly #count: number
  readonly #shifts: readonly number[]
  protected next = 0

  constructor(pixels: Uint32Array, bytes: Uint8Array, count: number, planes: number) {
    this.#pixels = pixels
    this.bytes = bytes
    this.#count = count
    this.#shifts = shiftsOf[planes] ?? []
  }

  /** Takes the next pixels, `from` to `to` of one row, from the plane or writes them there. */
  protected run(columns: number, from: number, to: number, isWriting: boolean): void {
    const pixels = this.#pixels
    for (let at = from; at < to; at++, this.next++) {
      const [west, north, northWest] = neighbours(pixels, columns, at)
      let pixel = 0
      let change = 0
      for (let plane = 0, place = this.next; plane < this.#shifts.length; plane++, place += this.#count) {
        const shift = this.#shifts[plane]!
        const predicted = gradient((west >>> shift) & 0xff, (north >>> shift) & 0xff, (northWest >>> shift) & 0xff)
        const expected = predicted + change
        if (!isWriting) this.bytes[place] = ((pixels[at]! >>> shift) & 0xff) - expected
        const value = (this.bytes[place]! + expected) & 0xff
        pixel |= value << shift
        // By what green differs from its prediction, red and blue mostly do, too.
        if (plane === 0 && this.#shifts.length > 2) change = value - predicted
      }
      pixels[at] = pixel
    }
  }
}

export class ResidualWriter extends Residuals {
  /** `count`: pixels there will be. */
  constructor(pixels: Uint32Array, count: number, planes: number) {
    super(pixels, new Uint8Array(count * planes), count, planes)
  }

  span(columns: number, from: number, to: number): void {
    this.run(columns, from, to, false)
  }

  finish(level: number): Uint8Array {
    const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_windowLog]: windowLog, [constants.ZSTD_c_checksumFlag]: 0 }
    return zstdCompressSync(this.bytes, { params })
  }
}

export class ResidualReader extends Residuals {
  readonly #end: number

  /** Throws `codec-failed` unless `packed` holds exactly `count` pixels. */
  constructor(pixels: Uint32Array, packed: Uint8Array, count: number, planes: number) {
    super(pixels, unpack(packed, count * planes), count, planes)
    this.#end = count
  }

  span(columns: number, from: number, to: number): void {
    if (this.next + to - from > this.#end) throw frameFailed('there are too few differences')
    this.run(columns, from, to, true)
  }

  /** Throws `codec-failed` unless all were used. */
  end(): void {
    if (this.next < this.#end) throw frameFailed('there are too many differences')
  }
}

function unpack(packed: Uint8Array, expected: number): Uint8Array {
  let bytes: Uint8Array
  try {
    const params = { [constants.ZSTD_d_windowLogMax]: windowLog }
    bytes = zstdDecompressSync(packed, { params, maxOutputLength: Math.max(1, expected) })
  } catch (cause) {
    throw frameFailed('the differences are damaged', cause)
  }
  if (bytes.length !== expected) throw frameFailed(`${bytes.length} bytes of differences instead of ${expected}`)
  return bytes
}

/** West, north and north-west; outside the picture the nearest of them, at its corner 0. */
function neighbours(pixels: Uint32Array, columns: number, at: number): readonly [number, number, number] {
  const hasWest = at % columns > 0
  if (at < columns) {
    const west = hasWest ? pixels[at - 1]! : 0
    return [west, west, west]
  }
  const north = pixels[at - columns]!
  return hasWest ? [pixels[at - 1]!, north, pixels[at - columns - 1]!] : [north, north, north]
}
