/** A repeatable stream of numbers in [0, 1): the same seed gives the same numbers on every machine. */
export type Random = () => number

/** xorshift (Marsaglia 2003) on 32 bits; ample for a simulated hand, not for secrets. */
export function createRandom(seed: number): Random {
  // Zero is the one state xorshift never leaves; the multiplication keeps neighbouring seeds apart.
  let state = Math.imul(seed ^ 0x2545f491, 0x9e3779b1) || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

/** A number between `low` and `high`. */
export function between(random: Random, low: number, high: number): number {
  return low + random() * (high - low)
}
