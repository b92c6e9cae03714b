/** Keeps the most recently used byte arrays up to a total size. */
export class ByteCache<Key> {
  readonly #entries = new Map<Key, Uint8Array>()
  readonly #limitBytes: number
  #bytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get(key: Key): Uint8Array | undefined {
    const bytes = this.#entries.get(key)
    if (!bytes) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, bytes)
    return bytes
  }

  set(key: Key, bytes: Uint8Array): void {
    this.#bytes += bytes.length - (this.#entries.get(key)?.length ?? 0)
    this.#entries.delete(key)
    this.#entries.set(key, bytes)
    for (const [oldest, old] of this.#entries) {
      if (this.#bytes <= this.#limitBytes) break
      this.#entries.delete(oldest)
      this.#bytes -= old.length
    }
  }
}
