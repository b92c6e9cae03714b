/** Keeps the most recently used things up to a total size. */
export class ByteCache<Key, Value = Uint8Array> {
  readonly #entries = new Map<Key, Value>()
  readonly #limitBytes: number
  readonly #sizeOf: (value: Value) => number
  #bytes = 0

  constructor(limitBytes: number, sizeOf: (value: Value) => number) {
    this.#limitBytes = limitBytes
    this.#sizeOf = sizeOf
  }

  get(key: Key): Value | undefined {
    const value = this.#entries.get(key)
    if (value === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, value)
    return value
  }

  set(key: Key, value: Value): void {
    const before = this.#entries.get(key)
    this.#bytes += this.#sizeOf(value) - (before === undefined ? 0 : this.#sizeOf(before))
    this.#entries.delete(key)
    this.#entries.set(key, value)
    for (const [oldest, old] of this.#entries) {
      if (this.#bytes <= this.#limitBytes) break
      this.#entries.delete(oldest)
      this.#bytes -= this.#sizeOf(old)
    }
  }
}
