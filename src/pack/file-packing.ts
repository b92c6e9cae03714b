import type { FileTake } from '../capture/take.ts'
import type { ChunkerState } from './chunker.ts'
import { FileCuts } from './cuts.ts'

/** Cuts one file's bytes into chunks, whatever buffers they come in. */
export class FilePacking {
  offset: number
  readonly chunkSizes: number[] = []
  readonly #cuts: FileCuts
  /** Bytes since the last boundary that came in earlier buffers. */
  readonly #carry: Buffer
  #carried = 0

  constructor(take: FileTake, known: Uint32Array | undefined, carry: Buffer) {
    this.#carry = carry
    this.offset = take.startOffset
    this.#cuts = new FileCuts(take.chunker, known)
  }

  get state(): ChunkerState {
    return this.#cuts.state
  }

  /** Yields the chunks that end in `buffer`; each is valid until the next one. */
  *feed(buffer: Uint8Array, test: (bytes: Uint8Array) => Uint8Array | undefined): Iterable<{ readonly bytes: Uint8Array; readonly hash?: Uint8Array }> {
    for (let at = 0; at < buffer.length; ) {
      const cut = this.#cuts.next(buffer.subarray(at), test)
      const piece = buffer.subarray(at, at + cut.length)
      at += cut.length
      if (!cut.found || this.#carried > 0) {
        this.#carry.set(piece, this.#carried)
        this.#carried += piece.length
      }
      if (!cut.found) return
      const bytes = this.#carried > 0 ? this.#carry.subarray(0, this.#carried) : piece
      this.#carried = 0
      this.chunkSizes.push(bytes.length)
      yield cut.hash ? { bytes, hash: cut.hash } : { bytes }
    }
  }

  /** What is left behind the last boundary at the end of the file. */
  rest(): Uint8Array {
    if (this.#carried > 0) this.chunkSizes.push(this.#carried)
    return this.#carry.subarray(0, this.#carried)
  }
}
