/** More unreadable paths than this are not told apart; by then the log has said enough. */
const toldLimit = 1_000

/** Tells each trouble once, until it ends or becomes another. */
export class Trouble {
  readonly #told = new Map<string, string>()

  /** Whether this is news. */
  begins(key: string, errno: string): boolean {
    if (this.#told.get(key) === errno || (this.#told.size >= toldLimit && !this.#told.has(key))) return false
    this.#told.set(key, errno)
    return true
  }

  ends(key: string): void {
    this.#told.delete(key)
  }
}
