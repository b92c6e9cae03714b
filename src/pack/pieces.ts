import type { ChunkerState } from './chunker.ts'
import type { CutOutput } from './cut.ts'
import { ahead } from './ahead.ts'
import { cut } from './cut.ts'
import { Lease, Slabs } from '../workers/shared-memory.ts'
import type { Workers } from '../workers/workers.ts'
import { chunkSizes } from './chunker.ts'
import { chunkNameOf, hashBytes } from './sha256.ts'

/** Read at a time: large enough that a big file costs few calls, small enough that memory does not notice. */
const readBytes = 2 << 20
/** In front of what is read there is room for the chunk that began before it. */
const carryBytes = chunkSizes.most
/** Less than this is cut sooner than it is handed to a thread. */
const leastHandedBytes = 64 << 10
/** Read, about to be cut, being cut, and packed; and of the files behind. */
const slabsInUse = 8

/** A stretch of a file that ends with a chunk. */
export interface Piece {
  readonly chunks: readonly PieceChunk[]
  /** The chunker's state behind all that was read so far. */
  readonly state: ChunkerState
  /** On the memory in which the chunks stand, held for whoever gets the piece. */
  readonly lease: Lease
}

interface PieceChunk {
  readonly bytes: Uint8Array
  readonly name: Uint8Array
}

/** Cuts files into chunks, whatever buffers they come in: while one stretch is packed the next is cut and a third is read. */
export class FileCutter {
  readonly #workers: Workers
  readonly #slabs = new Slabs(carryBytes + readBytes, slabsInUse)
  /** Memory handed out for reading, by its buffer. */
  readonly #rooms = new WeakMap<ArrayBufferLike, Uint8Array>()

  constructor(workers: Workers) {
    this.#workers = workers
  }

  /** Memory to read the next buffer to, which need not be used. */
  readonly room = (): Uint8Array => {
    const slab = this.#slabs.take()
    this.#rooms.set(slab.buffer, slab)
    return slab.subarray(carryBytes)
  }

  /** The pieces of a file whose chunker stood at `state`, or would, once they are cut: its last buffer is read before that. */
  async *pieces(
    buffers: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, state: ChunkerState, chunkKey: Uint8Array | undefined,
  ): AsyncGenerator<{ readonly piece: Promise<Piece> }> {
    let before: Stretch | undefined
    for await (const { slab, length } of ahead(this.#filled(buffers), 1)) {
      const done = await before?.cut
      const rest = before && done ? restOf(before, done) : new Uint8Array()
      const next = this.#stretch(slab, length, rest, done?.state ?? state, chunkKey)
      if (before && done) yield { piece: Promise.resolve(this.#piece(before, done)) }
      before = next
    }
    if (!before) return
    const piece = this.#last(before, chunkKey)
    piece.catch(() => undefined) // thrown where it is awaited
    yield { piece }
  }

  async #last(stretch: Stretch, chunkKey: Uint8Array | undefined): Promise<Piece> {
    const done = await stretch.cut
    const piece = this.#piece(stretch, done)
    const rest = restOf(stretch, done)
    return rest.length === 0 ? piece : { ...piece, chunks: [...piece.chunks, { bytes: rest, name: chunkNameOf(rest, chunkKey) }] }
  }

  /** Slabs that hold the buffers, behind the room for what came before. */
  async *#filled(buffers: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Filled> {
    for await (const buffer of buffers) {
      const own = this.#rooms.get(buffer.buffer)
      this.#rooms.delete(buffer.buffer)
      if (own) {
        yield { slab: own, length: buffer.length }
        continue
      }
      for (let at = 0; at < buffer.length; at += readBytes) {
        const part = buffer.subarray(at, at + readBytes)
        const slab = this.#slabs.take()
        slab.set(part, carryBytes)
        yield { slab, length: part.length }
      }
    }
  }

  #piece({ slab, bytes }: Stretch, { lengths, names, state }: CutOutput): Piece {
    let at = 0
    const chunks = lengths.map((length, index) => {
      const chunk = { bytes: bytes.subarray(at, at + length), name: names.subarray(index * hashBytes, (index + 1) * hashBytes) }
      at += length
      return chunk
    })
    return { chunks, state, lease: new Lease(() => this.#slabs.give(slab)) }
  }

  #stretch(slab: Uint8Array, length: number, rest: Uint8Array, state: ChunkerState, chunkKey: Uint8Array | undefined): Stretch {
    const bytes = slab.subarray(carryBytes - rest.length, carryBytes + length)
    bytes.set(rest)
    const input = { bytes, seen: rest.length, state, chunkKey }
    const found = length < leastHandedBytes ? Promise.resolve(cut(input)) : this.#workers.run('cut', input)
    found.catch(() => undefined) // thrown where it is awaited
    return { slab, bytes, cut: found }
  }
}

interface Filled {
  readonly slab: Uint8Array
  readonly length: number
}

/** Part of a file on its way through the cutter; `bytes` begin with a chunk. */
interface Stretch {
  readonly slab: Uint8Array
  readonly bytes: Uint8Array
  readonly cut: Promise<CutOutput>
}

function restOf({ bytes }: Stretch, { lengths }: CutOutput): Uint8Array {
  return bytes.subarray(lengths.reduce((sum, length) => sum + length, 0))
}
