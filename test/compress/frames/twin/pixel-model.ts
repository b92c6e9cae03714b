import { ColorModel } from './color-model.ts'
import { Memory } from './memory.ts'
import { Probabilities, type BitCoder } from '../../../../src/compress/frames/bit-coder.ts'

/** Trust above this makes no difference to the probability that a guess is right. */
const mostTrust = 31
/** A flat run longer than this is as sure to go on as it will ever be. */
const longestRun = 31

/**
 * Codes pixels one by one, each given those left of it and above. Screens are text and lines, so most pixels are what
 * followed the same neighbours before: that is asked first, for six neighbours, then four, then two; then whether the
 * pixel is one of its neighbours. What is left is a colour that is new at this place. The same calls with a decoder
 * give the pixels back.
 */
export class PixelModel {
  readonly #coder: BitCoder
  readonly #six: Memory
  readonly #four: Memory
  readonly #two: Memory
  readonly #flat = new Probabilities(2 * (longestRun + 1))
  readonly #bySix = new Probabilities(8 * (mostTrust + 1))
  readonly #byFour = new Probabilities(8 * (mostTrust + 1))
  readonly #byTwo = new Probabilities(8 * (mostTrust + 1))
  readonly #byNeighbour = new Probabilities(32)
  readonly #color: ColorModel
  #flatRun = 0
  /** What the pixel at hand was asked to be and is not. */
  readonly #refused = new Uint32Array(8)
  #refusals = 0

  /** `memoryBits`: log2 of the contexts that each memory holds. */
  constructor(coder: BitCoder, bytesPerColumn: number, memoryBits: number) {
    this.#coder = coder
    this.#six = new Memory(memoryBits)
    this.#four = new Memory(memoryBits)
    this.#two = new Memory(memoryBits)
    this.#color = new ColorModel(coder, bytesPerColumn)
  }

  /** Codes `pixels` from index `from` to `to`, within one row of a plane of `columns`; a decoder writes them. */
  span(pixels: Uint32Array, columns: number, from: number, to: number): void {
    const column = from % columns
    const isFirstRow = from < columns
    const rowEnd = from - column + columns
    let west = column > 0 ? pixels[from - 1]! : 0
    let westWest = column > 1 ? pixels[from - 2]! : west
    let north = isFirstRow ? 0 : pixels[from - columns]!
    let northWest = isFirstRow || column === 0 ? north : pixels[from - columns - 1]!
    for (let at = from; at < to; at++) {
      const northEast = isFirstRow || at + 1 === rowEnd ? north : pixels[at + 1 - columns]!
      const northNorth = at < 2 * columns ? north : pixels[at - 2 * columns]!
      const pixel = this.#pixel(pixels[at]!, west, north, northWest, northEast, westWest, northNorth)
      pixels[at] = pixel
      westWest = west
      west = pixel
      northWest = north
      north = northEast
    }
  }

  /**
   * Shows the memories a run of a picture that both sides have. What is beside a row's ends does not matter here: both
   * sides see the same.
   */
  learn(pixels: Uint32Array, columns: number, from: number, to: number): void {
    for (let at = Math.max(from, 2 * columns + 2); at < to; at++) {
      const pixel = pixels[at]!
      const west = pixels[at - 1]!
      const north = pixels[at - columns]!
      const northWest = pixels[at - columns - 1]!
      const northEast = pixels[at - columns + 1]!
      if (west === pixel && north === pixel && northWest === pixel && northEast === pixel) continue
      const two = sumOfTwo(west, north)
      const four = two + sumOfNextTwo(northWest, northEast)
      const six = four + sumOfLastTwo(pixels[at - 2]!, pixels[at - 2 * columns]!)
      this.#learn(hashOf(six), hashOf(four), hashOf(two), pixel)
    }
  }

  #pixel(
    pixel: number, west: number, north: number, northWest: number, northEast: number, westWest: number, northNorth: number,
  ): number {
    this.#refusals = 0
    if (west === north && north === northWest && north === northEast && west === westWest) {
      if (this.#flatRun < longestRun) this.#flatRun++
      if (this.#is(this.#flat, this.#flatRun * 2 + (northNorth === north ? 1 : 0), west, pixel)) return west
    }
    this.#flatRun = 0
    const sumTwo = sumOfTwo(west, north)
    const sumFour = sumTwo + sumOfNextTwo(northWest, northEast)
    const six = hashOf(sumFour + sumOfLastTwo(westWest, northNorth))
    if (this.#remembers(this.#six, this.#bySix, six, west, north, pixel)) {
      const guess = this.#six.guess(six)
      this.#six.learn(six, guess)
      return guess
    }
    const four = hashOf(sumFour)
    if (this.#remembers(this.#four, this.#byFour, four, west, north, pixel)) {
      const guess = this.#four.guess(four)
      this.#six.learn(six, guess)
      this.#four.learn(four, guess)
      return guess
    }
    const two = hashOf(sumTwo)
    let result = -1
    if (this.#remembers(this.#two, this.#byTwo, two, west, north, pixel)) result = this.#two.guess(two)
    else if (this.#is(this.#byNeighbour, this.#refusals, north, pixel)) result = north
    else if (this.#is(this.#byNeighbour, 8 + this.#refusals, west, pixel)) result = west
    else if (this.#is(this.#byNeighbour, 16 + this.#refusals, northEast, pixel)) result = northEast
    else if (this.#is(this.#byNeighbour, 24 + this.#refusals, northWest, pixel)) result = northWest
    else result = this.#color.code(pixel, west, north, northWest)
    this.#learn(six, four, two, result)
    return result
  }

  /** Only as far down as it is news: what six neighbours foretell is not asked of four. */
  #learn(six: number, four: number, two: number, pixel: number): void {
    if (this.#six.learn(six, pixel)) return
    if (this.#four.learn(four, pixel)) return
    this.#two.learn(two, pixel)
  }

  /** Whether the memory has a guess for this context that was not refused, and the pixel is it. */
  #remembers(memory: Memory, table: Probabilities, hash: number, west: number, north: number, pixel: number): boolean {
    const trust = memory.trust(hash)
    if (trust === 0) return false
    const guess = memory.guess(hash)
    const like = (guess === west ? 2 : 0) + (guess === north ? 1 : 0)
    const context = Math.min(trust, mostTrust) * 8 + (this.#refusals > 0 ? 4 : 0) + like
    return this.#is(table, context, guess, pixel)
  }

  /** Codes whether the pixel is `guess`, unless that was refused already. */
  #is(table: Probabilities, context: number, guess: number, pixel: number): boolean {
    for (let index = 0; index < this.#refusals; index++) if (this.#refused[index] === guess) return false
    if (this.#coder.bit(table, context, pixel === guess ? 1 : 0) === 1) return true
    this.#refused[this.#refusals++] = guess
    return false
  }
}

/** Sums modulo 2^32: each neighbour times an odd number of its own. Shared, so that six cost hardly more than two. */
function sumOfTwo(west: number, north: number): number {
  return Math.imul(west, 0x9e3779b1) + Math.imul(north, 0x85ebca6b)
}

function sumOfNextTwo(northWest: number, northEast: number): number {
  return Math.imul(northWest, 0xc2b2ae35) + Math.imul(northEast, 0x27d4eb2f)
}

function sumOfLastTwo(westWest: number, northNorth: number): number {
  return Math.imul(westWest, 0x165667b1) + Math.imul(northNorth, 0x2c1b3c6d)
}

/** A sum so mixed that its high bits tell contexts apart. */
function hashOf(sum: number): number {
  const hash = Math.imul(sum ^ (sum >>> 15), 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}
