import { Probabilities, type BitCoder } from '../../../../src/compress/frames/bit-coder.ts'
import { gradient, shiftsOf } from '../../../../src/compress/frames/color-bytes.ts'
import { Mixer } from './bit-coder.ts'

/** Codes a colour that nothing at its place foretold. */
export class ColorModel {
  readonly #coder: BitCoder
  readonly #lead: number
  readonly #others: readonly number[]
  readonly #mixer = new Mixer(256)
  readonly #byEdge = new Probabilities(1 << 16)
  readonly #byPrediction = new Probabilities(1 << 16)
  readonly #byFrequency = new Probabilities(1 << 8)
  /** The last colour with this lead byte: to the right of that lead byte, and anywhere. */
  readonly #pairs = new Recent(1 << 16)
  readonly #leads = new Recent(1 << 8)
  readonly #known = new Probabilities(64)
  readonly #residuals = new Probabilities(3 * 2 * 256)

  constructor(coder: BitCoder, bytesPerColumn: number) {
    this.#coder = coder
    const [lead = 0, ...others] = shiftsOf[bytesPerColumn] ?? []
    this.#lead = lead
    this.#others = others
  }

  /** The lead byte with the opinions of three tables, mixed; the others as they were with it last, or by difference. */
  code(pixel: number, west: number, north: number, northWest: number): number {
    const shift = this.#lead
    const w = (west >>> shift) & 0xff
    const lead = this.#leadByte((pixel >>> shift) & 0xff, w, (north >>> shift) & 0xff, (northWest >>> shift) & 0xff)
    if (this.#others.length === 0) return lead
    const pair = (w << 8) | lead
    let result = -1
    if (this.#isRecent(this.#pairs, pair, 0, pixel)) result = this.#pairs.pixels[pair]!
    else if (this.#isRecent(this.#leads, lead, 32, pixel)) result = this.#leads.pixels[lead]!
    else result = this.#otherBytes(pixel, west, lead, (lead - w) & 0xff)
    this.#pairs.learn(pair, result)
    this.#leads.learn(lead, result)
    return result
  }

  #leadByte(wanted: number, w: number, n: number, nw: number): number {
    const edge = ((w >> 4) * 16 + (n >> 4)) * 256
    const prediction = gradient(w, n, nw) * 256
    let node = 1
    for (let bit = 7; bit >= 0; bit--) {
      const value = (wanted >> bit) & 1
      node = node * 2 + this.#mixer.bit(
        this.#coder, node, this.#byEdge, edge + node, this.#byPrediction, prediction + node, this.#byFrequency, node, value,
      )
    }
    return node & 0xff
  }

  #isRecent(recent: Recent, at: number, base: number, pixel: number): boolean {
    const trust = recent.trust[at]!
    if (trust === 0) return false
    return this.#coder.bit(this.#known, base + Math.min(trust, 31), pixel === recent.pixels[at] ? 1 : 0) === 1
  }

  /** Greys and their like: what the lead byte changed by, the others mostly do, too. */
  #otherBytes(pixel: number, west: number, lead: number, change: number): number {
    let result = lead << this.#lead
    let isLike = 0
    for (const [index, shift] of this.#others.entries()) {
      const expected = (((west >>> shift) & 0xff) + change) & 0xff
      const wanted = (((pixel >>> shift) & 0xff) - expected) & 0xff
      const base = (index * 2 + isLike) * 256
      let node = 1
      for (let bit = 7; bit >= 0; bit--) node = node * 2 + this.#coder.bit(this.#residuals, base + node, (wanted >> bit) & 1)
      isLike = node === 256 ? 1 : 0
      result |= ((node + expected) & 0xff) << shift
    }
    return result >>> 0
  }
}

/** The last pixel seen in each of some contexts, and how often in a row. */
class Recent {
  readonly pixels: Uint32Array
  readonly trust: Uint8Array

  constructor(size: number) {
    this.pixels = new Uint32Array(size)
    this.trust = new Uint8Array(size)
  }

  learn(at: number, pixel: number): void {
    const trust = this.trust[at]!
    if (trust > 0 && this.pixels[at] === pixel) {
      if (trust < 255) this.trust[at] = trust + 1
    } else if (trust > 1) {
      this.trust[at] = trust >> 1
    } else {
      this.pixels[at] = pixel
      this.trust[at] = 1
    }
  }
}
