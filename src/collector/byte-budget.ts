/** Lets work that needs memory begin while there is some, in the order in which it asks. */
export class ByteBudget {
  #free: number
  readonly #most: number
  readonly #waiting: { readonly bytes: number; readonly start: () => void }[] = []

  constructor(bytes: number) {
    this.#free = this.#most = bytes
  }

  /** Runs `work` once so many bytes are free. What needs more than there ever is runs alone. */
  async hold<T>(wantedBytes: number, work: () => Promise<T>): Promise<T> {
    const bytes = Math.min(wantedBytes, this.#most)
    await new Promise<void>((start) => {
      this.#waiting.push({ bytes, start })
      this.#begin()
    })
    try {
      return await work()
    } finally {
      this.#free += bytes
      this.#begin()
    }
  }

  #begin(): void {
    for (let next = this.#waiting[0]; next && next.bytes <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#free -= next.bytes
      next.start()
    }
  }
}
