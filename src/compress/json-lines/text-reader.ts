import { FormatError } from '../../pack/bytes.ts'
import { newline } from './model.ts'

/** Reads texts that each end with a newline, as ranges of a pool of bytes. */
export class TextReader {
  readonly #pool: Uint8Array
  readonly #end: number
  /** Where the next text begins. */
  at: number

  constructor(pool: Uint8Array, start: number, end: number) {
    this.#pool = pool
    this.at = start
    this.#end = end
  }

  get remaining(): number {
    return this.#end - this.at
  }

  /** Goes behind the next text and returns its end. Throws `FormatError`. */
  next(): number {
    const end = this.#pool.indexOf(newline, this.at)
    if (end < 0 || end >= this.#end) throw new FormatError('a text without an end', this.at)
    this.at = end + 1
    return end
  }
}
