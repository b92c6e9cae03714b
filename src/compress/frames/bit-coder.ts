/**
 * Binary arithmetic coding with adaptive probabilities: the coder of a decision takes the probability that it is 1, in
 * 65536ths. Integers only, so that every machine computes the same.
 */
export interface BitCoder {
  /** Codes one decision with a probability that nobody adapts. The encoder takes `bit`, the decoder ignores it; both return it. */
  fixed(probability: number, bit: number): number
  /** Codes one decision with probability `at` of a table and adapts that. */
  bit(table: Probabilities, at: number, bit: number): number
}

/** No decision is ever sure: what was thought impossible costs 11 bits. */
const leastProbability = 32
const mostProbability = 65536 - leastProbability

/** After so many decisions a probability follows new ones no more slowly: screens change as one scans them. */
const slowest = 60
/** Share of the way, in 32768ths, that a probability goes towards the decision seen, after 0, 1, 2 … of them. */
const steps = Int32Array.from({ length: slowest + 1 }, (_, seen) => Math.floor(327_680 / (10 * seen + 16)))

/** A table of adaptive probabilities, all of them even to begin with. */
export class Probabilities {
  readonly values: Uint16Array
  readonly #seen: Uint8Array

  constructor(size: number) {
    this.values = new Uint16Array(size).fill(32768)
    this.#seen = new Uint8Array(size)
  }

  adapt(at: number, bit: number): void {
    const old = this.values[at]!
    const seen = this.#seen[at]!
    const step = steps[seen]!
    const next = bit === 1 ? old + (((65535 - old) * step) >> 15) : old - ((old * step) >> 15)
    this.values[at] = next < leastProbability ? leastProbability : next > mostProbability ? mostProbability : next
    if (seen < slowest) this.#seen[at] = seen + 1
  }
}
