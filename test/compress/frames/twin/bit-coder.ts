import type { BitCoder, Probabilities } from '../../../../src/compress/frames/bit-coder.ts'
import { frameFailed } from '../../../../src/compress/frames/frame.ts'

/** Where `probability` divides what lies between `low` and `high`, both included. */
function divide(low: number, high: number, probability: number): number {
  const range = high - low
  return low + (range >>> 16) * probability + (((range & 0xffff) * probability) >>> 16)
}

export class BitEncoder implements BitCoder {
  #low = 0
  #high = 0xffffffff
  #bytes = new Uint8Array(4096)
  #length = 0

  /** Bytes written so far. */
  get length(): number {
    return this.#length
  }

  fixed(probability: number, bit: number): number {
    const middle = divide(this.#low, this.#high, probability)
    if (bit === 1) this.#high = middle
    else this.#low = middle + 1
    while (((this.#low ^ this.#high) & 0xff000000) === 0) {
      this.#write(this.#high >>> 24)
      this.#low = (this.#low << 8) >>> 0
      this.#high = ((this.#high << 8) | 0xff) >>> 0
    }
    return bit
  }

  bit(table: Probabilities, at: number, bit: number): number {
    this.fixed(table.values[at]!, bit)
    table.adapt(at, bit)
    return bit
  }

  #write(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(this.#length * 2)
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    this.#bytes[this.#length++] = byte
  }

  /** All bytes. The decoder takes what is missing at the end for zeros: as few as tell `low` from `high` are enough. */
  finish(): Uint8Array {
    if (this.#low > 0) this.#write((this.#low >>> 24) + 1)
    return this.#bytes.subarray(0, this.#length)
  }
}

/** How far the decoder reads ahead of what it has decoded. */
const lookAheadBytes = 4

export class BitDecoder implements BitCoder {
  #low = 0
  #high = 0xffffffff
  #value = 0
  readonly #bytes: Uint8Array
  #next = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    for (let count = 0; count < 4; count++) this.#value = ((this.#value << 8) | this.#read()) >>> 0
  }

  fixed(probability: number): number {
    const middle = divide(this.#low, this.#high, probability)
    const bit = this.#value <= middle ? 1 : 0
    if (bit === 1) this.#high = middle
    else this.#low = middle + 1
    while (((this.#low ^ this.#high) & 0xff000000) === 0) {
      this.#low = (this.#low << 8) >>> 0
      this.#high = ((this.#high << 8) | 0xff) >>> 0
      this.#value = ((this.#value << 8) | this.#read()) >>> 0
    }
    return bit
  }

  bit(table: Probabilities, at: number): number {
    const bit = this.fixed(table.values[at]!)
    table.adapt(at, bit)
    return bit
  }

  /** Throws `codec-failed` when the code ended long ago: then it is no whole code, and work on it would be for nothing. */
  #read(): number {
    if (this.#next < this.#bytes.length) return this.#bytes[this.#next++]!
    if (this.#next++ >= this.#bytes.length + lookAheadBytes) throw frameFailed('the code is cut short')
    return 0
  }

  /** Throws `codec-failed` unless every byte was needed. */
  end(): void {
    if (this.#next < this.#bytes.length + lookAheadBytes - 1) throw frameFailed('something follows the code')
  }
}

/** 4096 / (1 + e^(−x / 256)) for x from −2048 in steps of 128: what a sum of opinions means as a probability. */
const squashPoints = [
  1, 2, 4, 6, 10, 17, 27, 45, 74, 120, 194, 311, 488, 747, 1102, 1546, 2048, 2550, 2994, 3349, 3608, 3785, 3902, 3976, 4022, 4051, 4069,
  4079, 4086, 4090, 4092, 4094, 4095,
]
const squashes = Uint16Array.from({ length: 4096 }, (_, index) => {
  const [at, part] = [index >> 7, index & 127]
  return (squashPoints[at]! * (128 - part) + squashPoints[at + 1]! * part + 64) >> 7
})
/** The inverse: for each probability in 4096ths the least x that means at least it. */
const stretches = new Int16Array(4096).fill(2047)
// From above: what is written last is the least.
for (let index = squashes.length - 1; index >= 0; index--) stretches.fill(index - 2048, 0, squashes[index]! + 1)

/** Mixes the probabilities of three tables into one, and learns in each set of weights which of them to believe. */
export class Mixer {
  readonly #weights: Int32Array

  constructor(sets: number) {
    this.#weights = new Int32Array(sets * 3).fill(26_214) // 0.4 each
  }

  bit(coder: BitCoder, set: number, a: Probabilities, atA: number, b: Probabilities, atB: number, c: Probabilities, atC: number, wanted: number): number {
    const weights = this.#weights
    const first = set * 3
    const ofA = stretches[a.values[atA]! >> 4]!
    const ofB = stretches[b.values[atB]! >> 4]!
    const ofC = stretches[c.values[atC]! >> 4]!
    const sum = (weights[first]! * ofA + weights[first + 1]! * ofB + weights[first + 2]! * ofC) / 65536 | 0
    const probability = squashes[(sum < -2048 ? -2048 : sum > 2047 ? 2047 : sum) + 2048]!
    const bit = coder.fixed(probability << 4, wanted)
    const error = ((bit << 12) - probability) * 6
    weights[first] = weights[first]! + ((ofA * error + 0x8000) >> 16)
    weights[first + 1] = weights[first + 1]! + ((ofB * error + 0x8000) >> 16)
    weights[first + 2] = weights[first + 2]! + ((ofC * error + 0x8000) >> 16)
    a.adapt(atA, bit)
    b.adapt(atB, bit)
    c.adapt(atC, bit)
    return bit
  }
}
