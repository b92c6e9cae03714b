/** Memory that every thread sees without a copy. Holds zeros. */
export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length))
}

/** A copy that every thread sees. */
export function sharedCopy(bytes: Uint8Array): Uint8Array {
  const copy = sharedBytes(bytes.length)
  copy.set(bytes)
  return copy
}

/** Memory that several use; once all have let go, `onFree` is called. Whoever makes it is the first. */
export class Lease {
  #users = 1
  readonly #onFree: () => void

  constructor(onFree: () => void) {
    this.#onFree = onFree
  }

  hold(): void {
    this.#users++
  }

  release(): void {
    if (--this.#users === 0) this.#onFree()
  }
}

/** Pieces of shared memory of one size, used again and again: a new one costs as much as compressing a tenth of it. */
export class Slabs {
  readonly #sizeBytes: number
  readonly #most: number
  readonly #free: Uint8Array[] = []

  /** `most`: how many that nobody uses are kept. */
  constructor(sizeBytes: number, most: number) {
    this.#sizeBytes = sizeBytes
    this.#most = most
  }

  take(): Uint8Array {
    return this.#free.pop() ?? sharedBytes(this.#sizeBytes)
  }

  /** Whoever took it uses it no more. */
  give(slab: Uint8Array): void {
    if (this.#free.length < this.#most) this.#free.push(slab)
  }
}
