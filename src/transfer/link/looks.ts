/** Runs one look at a time; callers that ask while one runs share the next. */
export class Looks {
  readonly #look: () => Promise<void>
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(look: () => Promise<void>) {
    this.#look = look
  }

  /** Resolves after a look that began after this call. */
  async fresh(): Promise<void> {
    if (!this.#running) return this.begin()
    this.#next ??= this.#running.then(() => {
      this.#next = undefined
      return this.begin()
    })
    return this.#next
  }

  /** Begins a look unless one is under way; resolves after it. */
  begin(): Promise<void> {
    this.#running ??= this.#look().finally(() => { this.#running = undefined })
    return this.#running
  }
}
