import { longestName, maxNameBytes, maxNames } from './limits.ts'

const smallestTable = 256

/**
 * Byte strings that were seen, numbered 0, 1, 2 … within each tag. They are not copied: an entry is a range of one
 * pool of bytes, which must not change.
 */
export class Names {
  readonly pool: Uint8Array
  /** Ranges of the entries, in the order in which they came. */
  readonly starts: number[] = []
  readonly ends: number[] = []
  readonly #tags: number[] = []
  readonly #numbers: number[] = []
  readonly #hashes: number[] = []
  /** Entry + 1, by hash; a power of two, at most half full. */
  #table = new Int32Array(smallestTable)
  readonly #byTag: number[][] = []
  #bytes = 0

  constructor(pool: Uint8Array) {
    this.pool = pool
  }

  /** Entries so far; `forget` goes back to it. */
  get count(): number {
    return this.starts.length
  }

  /** The entries of a tag, by number. */
  of(tag: number): readonly number[] {
    return this.#byTag[tag] ?? []
  }

  /** The number of `pool[start, end)` under `tag`, or -1. */
  find(tag: number, start: number, end: number): number {
    const entry = this.#table[this.#place(tag, start, end, this.#hash(tag, start, end))] ?? 0
    return entry === 0 ? -1 : this.#numbers[entry - 1] ?? -1
  }

  /** As `find`, but learns what is new; -1 when it is too long or there is no room. */
  learn(tag: number, start: number, end: number): number {
    if (end - start > longestName) return -1
    const hash = this.#hash(tag, start, end)
    const place = this.#place(tag, start, end, hash)
    const known = this.#table[place] ?? 0
    if (known > 0) return this.#numbers[known - 1] ?? -1
    if (this.count === maxNames || this.#bytes + end - start > maxNameBytes) return -1
    const list = (this.#byTag[tag] ??= [])
    this.starts.push(start)
    this.ends.push(end)
    this.#tags.push(tag)
    this.#hashes.push(hash)
    this.#bytes += end - start
    this.#table[place] = this.#numbers.push(list.length)
    if (this.count * 2 > this.#table.length) this.#grow()
    return list.push(this.count - 1) - 1
  }

  /** Takes back what was learned last, until `count` entries are left. */
  forget(count: number): void {
    while (this.count > count) {
      const entry = this.count - 1
      const [start, end, tag] = [this.starts[entry] ?? 0, this.ends[entry] ?? 0, this.#tags[entry] ?? 0]
      // The latest entry of its chain of probes: nothing was put behind it.
      this.#table[this.#place(tag, start, end, this.#hashes[entry] ?? 0)] = 0
      this.#byTag[tag]?.pop()
      for (const list of [this.#numbers, this.#hashes, this.#tags, this.starts, this.ends]) list.pop()
      this.#bytes -= end - start
    }
  }

  #grow(): void {
    this.#table = new Int32Array(this.#table.length * 4)
    const mask = this.#table.length - 1
    for (const [entry, hash] of this.#hashes.entries()) {
      let place = hash & mask
      while (this.#table[place] !== 0) place = (place + 1) & mask
      this.#table[place] = entry + 1
    }
  }

  #hash(tag: number, start: number, end: number): number {
    let hash = Math.imul(tag + 1, 0x9e3779b1)
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ (this.pool[at] ?? 0), 0x01000193)
    return hash ^ (hash >>> 15)
  }

  /** Where in the table the name is, or would be put. */
  #place(tag: number, start: number, end: number, hash: number): number {
    const { pool, starts, ends } = this
    const mask = this.#table.length - 1
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const entry = (this.#table[place] ?? 0) - 1
      if (entry < 0) return place
      const from = starts[entry] ?? 0
      if (this.#hashes[entry] !== hash || this.#tags[entry] !== tag) continue
      if ((ends[entry] ?? 0) - from !== end - start) continue
      let same = 0
      while (start + same < end && pool[from + same] === pool[start + same]) same++
      if (start + same === end) return place
    }
  }
}
