import type { ChunkerState } from './chunker.ts'
import { chunkerStart, nextCut } from './chunker.ts'

/** Does a chunk with this content exist already? Returns its hash when it does. */
export type KnownTest = (bytes: Uint8Array) => Uint8Array | undefined

export interface CutResult {
  readonly found: boolean
  readonly length: number
  /** The chunk's hash where finding the cut needed it. */
  readonly hash?: Uint8Array
}

/**
 * Finds the chunks of one file. Where a file of the same size is known, its cuts are tried first: a repeat of it is
 * recognised chunk by chunk without searching boundaries. The first difference ends the shortcut for good; both ways
 * give the same boundaries, because a cut depends on nothing before the last one.
 */
export class FileCuts {
  #state: ChunkerState
  #known: Uint32Array | undefined
  #next = 0

  constructor(state: ChunkerState, known: Uint32Array | undefined) {
    this.#state = state
    this.#known = known
  }

  get state(): ChunkerState {
    return this.#state
  }

  next(bytes: Uint8Array, test: KnownTest): CutResult {
    const size = this.#known?.[this.#next]
    if (size !== undefined && this.#state.sinceBoundary === 0 && bytes.length >= size) {
      const hash = test(bytes.subarray(0, size))
      if (hash) {
        this.#next++
        return { found: true, length: size, hash }
      }
      this.#known = undefined
    }
    const { sinceBoundary } = this.#state
    const cut = nextCut(bytes, this.#state)
    this.#state = cut.found ? chunkerStart : cut.state
    if (cut.found && sinceBoundary + cut.length === size) this.#next++
    else if (cut.found) this.#known = undefined
    return { found: cut.found, length: cut.length }
  }
}
