/**
 * What came next the last time: for each context (a hash) the pixel that followed it, and how far that is to be
 * trusted. A slot is two numbers, pixel and 24 bits of the hash ‖ trust, so that one cache line answers; contexts that
 * share a slot take it from each other once its trust is used up.
 */
export class Memory {
  readonly #slots: Uint32Array
  readonly #shift: number

  constructor(bits: number) {
    this.#slots = new Uint32Array(2 << bits)
    this.#shift = 32 - bits
  }

  /** 1 to 255; 0 when there is no guess for this context. */
  trust(hash: number): number {
    const entry = this.#slots[(hash >>> this.#shift) * 2 + 1]!
    return ((entry ^ (hash << 8)) & 0xffffff00) === 0 ? entry & 0xff : 0
  }

  guess(hash: number): number {
    return this.#slots[(hash >>> this.#shift) * 2]!
  }

  /** Whether that was the guess already. */
  learn(hash: number, pixel: number): boolean {
    const slots = this.#slots
    const slot = (hash >>> this.#shift) * 2
    const entry = slots[slot + 1]!
    const trust = entry & 0xff
    const isKnown = ((entry ^ (hash << 8)) & 0xffffff00) === 0 && slots[slot] === pixel
    if (isKnown && trust > 0) {
      if (trust < 255) slots[slot + 1] = entry + 1
      return true
    }
    if (trust > 1) {
      slots[slot + 1] = entry - trust + (trust >> 1)
    } else {
      slots[slot] = pixel
      slots[slot + 1] = (hash << 8) | 1
    }
    return false
  }
}
