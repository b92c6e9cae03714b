import type { ChunkerState } from './chunker.ts'
import type { CutOutput } from './cut.ts'
import { cut } from './cut.ts'
import { Slabs } from '../workers/shared-memory.ts'
import type { Workers } from '../workers/workers.ts'
import { chunkSizes } from './chunker.ts'
import { chunkNameOf, hashBytes } from './sha256.ts'

/** Read at a time: large enough that a big file costs few calls, small enough that memory does not notice. */
const readBytes = 4 << 20
/** In front of what is read there is room for the chunk that began before it. */
const carryBytes = chunkSizes.most
/** Less than this is cut sooner than it is handed to a thread. */
const leastHandedBytes = 64 << 10
/** Read, about to be cut, being cut, and packed. */
const slabsInUse = 4

/** A stretch of a file that ends with a chunk. */
export interface Piece {
  readonly chunks: readonly PieceChunk[]
  /** The chunker's state behind all that was read so far. */
  readonly state: ChunkerState
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
  readonly #rooms = new Map<ArrayBufferLike, Uint8Array>()

  constructor(workers: Workers) {
    this.#workers = workers
  }

  /** Memory to read the next buffer to, which need not be used. */
  readonly room = (): Uint8Array => {
    const slab = this.#slabs.take()
    this.#rooms.set(slab.buffer, slab)
    return slab.subarray(carryBytes)
  }

  /** The pieces of a file whose chunker stood at `state`; each is valid until the next is asked for. */
  async *pieces(buffers: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, state: ChunkerState, chunkKey: Uint8Array | undefined): AsyncGenerator<Piece> {
    let before: Stretch | undefined
    for await (const { slab, length } of ahead(this.#filled(buffers))) {
      const done = await before?.cut
      const rest = before && done ? restOf(before, done) : new Uint8Array()
      const next = this.#stretch(slab, length, rest, done?.state ?? state, chunkKey)
      if (before && done) yield this.#piece(before, done)
      if (before) this.#slabs.give(before.slab)
      before = next
    }
    this.#rooms.clear()
    if (!before) return
    const done = await before.cut
    yield this.#piece(before, done)
    const rest = restOf(before, done)
    if (rest.length > 0) yield { chunks: [{ bytes: rest, name: chunkNameOf(rest, chunkKey) }], state: done.state }
    this.#slabs.give(before.slab)
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

  #piece({ bytes }: Stretch, { lengths, names, state }: CutOutput): Piece {
    let at = 0
    const chunks = lengths.map((length, index) => {
      const chunk = { bytes: bytes.subarray(at, at + length), name: names.subarray(index * hashBytes, (index + 1) * hashBytes) }
      at += length
      return chunk
    })
    return { chunks, state }
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

/** Asks for the next one as soon as one is there. */
async function* ahead<Item>(items: AsyncGenerator<Item>): AsyncGenerator<Item> {
  let next = items.next()
  try {
    for (;;) {
      const result = await next
      if (result.done) return
      next = items.next()
      next.catch(() => undefined) // thrown where it is awaited
      yield result.value
    }
  } finally {
    await items.return(undefined)
  }
}
