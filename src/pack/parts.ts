import type { FileTake } from '../capture/take.ts'
import { SluiceError } from '../observe/error.ts'
import { ahead } from './ahead.ts'
import { maxPictureFileBytes } from './frame-chunk.ts'
import type { FileCutter, Piece } from './pieces.ts'

/**
 * A part of a file on its way into a pack. `end`: what became of the file, which is closed then; with a picture, or with
 * its last part.
 */
export interface Part {
  readonly take: FileTake
  /** The whole of it, where that may be a picture. */
  readonly picture?: Buffer
  readonly piece?: Promise<Piece>
  /** What its chunks are named with. */
  readonly chunkKey?: Uint8Array | undefined
  readonly end?: 'read' | 'torn' | 'unreadable'
}

/** Files that are read and cut while the one before them is packed: the way to another thread and back takes longer than a small one. */
const filesAhead = 3

export interface PartsOptions {
  readonly cutter: FileCutter
  /** What chunks are named with from now on: where that turns out wrong, they are named again. */
  readonly chunkKey: (take: FileTake) => Promise<Uint8Array | undefined>
  readonly onRead?: ((bytes: number) => void) | undefined
  readonly rest?: (() => Promise<void>) | undefined
  readonly signal?: AbortSignal | undefined
}

interface BegunFile {
  readonly parts: AsyncGenerator<Part>
  readonly first: Promise<IteratorResult<Part>>
}

/** Reads files and cuts them while those before them are packed. */
export class Parts {
  readonly #options: PartsOptions
  /** Files that capture handed out and whose end nobody has noted. */
  readonly open = new Set<FileTake>()

  constructor(options: PartsOptions) {
    this.#options = options
  }

  /** Ends with the error of whoever reads, after what came before it, and with `aborted`. */
  async *of(takes: AsyncIterable<FileTake>): AsyncGenerator<Part> {
    const begun = new Set<BegunFile>()
    try {
      for await (const file of ahead(this.#begun(takes, begun), filesAhead)) {
        try {
          for (let part = await file.first; !part.done; part = await file.parts.next()) yield part.value
        } finally {
          await file.parts.return(undefined)
        }
        begun.delete(file)
      }
    } finally {
      for (const { parts } of begun) await parts.return(undefined)
    }
  }

  /** Each with its first part under way. */
  async *#begun(takes: AsyncIterable<FileTake>, begun: Set<BegunFile>): AsyncGenerator<BegunFile> {
    for await (const take of takes) {
      this.open.add(take)
      const { promise: closed, resolve } = Promise.withResolvers<void>()
      const parts = this.#partsOf(take, resolve)
      const file = { parts, first: parts.next() }
      file.first.catch(() => undefined) // thrown where it is awaited
      begun.add(file)
      const isKept = take.keep()
      yield file
      if (!isKept) await closed
    }
  }

  async *#partsOf(take: FileTake, onClosed: () => void): AsyncGenerator<Part> {
    try {
      yield* this.#read(take)
    } finally {
      await take[Symbol.asyncDispose]()
      onClosed()
    }
  }

  async *#read(take: FileTake): AsyncGenerator<Part> {
    const { cutter } = this.#options
    try {
      const chunkKey = await this.#options.chunkKey(take)
      if (mayBeFrame(take)) {
        const picture = await whole(this.#buffers(take))
        yield { take, chunkKey, picture, end: await fateOf(take) }
        return
      }
      for await (const { piece } of cutter.pieces(this.#buffers(take, cutter.room), take.chunker, chunkKey)) yield { take, chunkKey, piece }
      yield { take, end: await fateOf(take) }
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'capture-unreadable') throw error
      // Capture has noted it and comes back to it; what was read so far does not count.
      yield { take, end: 'unreadable' }
    }
  }

  async *#buffers(take: FileTake, room?: () => Uint8Array): AsyncIterable<Uint8Array> {
    const { signal, onRead, rest } = this.#options
    for await (const buffer of take.read(room)) {
      if (signal?.aborted) throw new SluiceError('aborted', 'packing was stopped')
      onRead?.(buffer.length)
      await rest?.()
      yield buffer
    }
  }
}

function mayBeFrame({ stream, startOffset, facts: { sizeBytes } }: FileTake): boolean {
  const isPicture = stream.fidelity === 'pixels' && stream.files === 'whole' && startOffset === 0
  return isPicture && sizeBytes > 0 && sizeBytes <= maxPictureFileBytes
}

/** Asked after the last byte. */
async function fateOf(take: FileTake): Promise<'read' | 'torn'> {
  return (await take.unchanged()) ? 'read' : 'torn'
}

async function whole(buffers: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const buffer of buffers) parts.push(Buffer.from(buffer))
  return Buffer.concat(parts)
}
