import type { Cursor, FileTake, Fingerprint } from '../capture/take.ts'
import type { Codec } from '../compress/codec.ts'
import type { Journal } from '../journal/journal.ts'
import type { Lineages } from '../journal/lineages.ts'
import type { Spool, SpoolFile } from '../journal/spool.ts'
import type { Emit } from '../observe/events.ts'
import type { ChunkerState } from './chunker.ts'
import type { AgeWriter, Sealer } from './encryption.ts'
import { fingerprintBytes } from '../capture/fingerprint.ts'
import { SluiceError } from '../observe/error.ts'
import { PackBuilder } from './builder.ts'
import { chunkSizes, chunkerStart } from './chunker.ts'
import { FileCuts } from './cuts.ts'
import { epochBytes } from './manifest.ts'
import { ReferencePolicy } from './reference-policy.ts'
import { chunkNameOf, sha256, toHex } from './sha256.ts'

export interface PackerOptions {
  readonly journal: Journal
  readonly spool: Spool
  readonly lineages: Lineages
  readonly zstd: Codec
  /** Encrypts every pack. */
  readonly sealer?: Sealer
  /** zstd level. */
  readonly level: number
  /** A pack is sealed once its stored bytes reach this. */
  readonly sealBytes: number
  /** A queue begins a new epoch when its last one is this old. */
  readonly epochMs: number
  readonly now: () => number
  readonly randomBytes: (count: number) => Uint8Array
  readonly emit: Emit
}

export interface PackCallbacks {
  /** A `whole` file changed while it was read: nothing of it counts, it must be taken again. */
  readonly onTorn: (take: FileTake) => void
  /** It was read to its end, but its pack could not be sealed: it must be taken again. */
  readonly onUnsealed?: (take: Pick<FileTake, 'stream' | 'path'>) => void
  /** Bytes read from capture files since the last call. */
  readonly onRead?: (bytes: number) => void
  /** Awaited between buffers of at most a MiB: whoever wants it to go slowly waits here. */
  readonly rest?: () => Promise<void>
  /** Asked before a pack counts: no, when what was read for it may have been written in a pause that drops it. */
  readonly maySeal?: () => boolean
  /** A pack was sealed; sending may go on while packing does. Packing waits for the promise: that bounds the spool. */
  readonly onSealed?: () => Promise<void>
  readonly signal?: AbortSignal
}

/** The pack being built, with what becomes true when it is sealed. */
interface Draft {
  readonly epoch: Uint8Array
  readonly sealNumber: number
  readonly chunkKey: Uint8Array | undefined
  readonly builder: PackBuilder
  readonly file: SpoolFile
  /** Stands before the file where packs are encrypted. */
  readonly age: AgeWriter | undefined
  readonly cursors: Cursor[]
  readonly knownFiles: { readonly size: number; readonly chunkSizes: Uint32Array }[]
}

/** Turns capture files into sealed packs in the spool, one queue at a time. */
export class Packer {
  readonly #options: PackerOptions
  readonly #references = new ReferencePolicy()

  constructor(options: PackerOptions) {
    this.#options = options
  }

  /**
   * Packs everything that `takes` hands out and seals it. When it throws, what was sealed stays sealed and the rest is
   * as if it had not been read. Errors: `spool-full`, `state-full`, `aborted`, …
   */
  async pack(queue: string, takes: AsyncIterable<FileTake>, callbacks: PackCallbacks): Promise<void> {
    const run = new PackRun(this.#options, this.#references, queue, callbacks)
    try {
      for await (const take of takes) {
        await using open = take
        await run.file(open)
      }
      await run.seal()
    } catch (error) {
      run.giveBack()
      throw error
    } finally {
      await run.end()
    }
  }
}

class PackRun {
  readonly #options: PackerOptions
  readonly #references: ReferencePolicy
  readonly #queue: string
  readonly #callbacks: PackCallbacks
  readonly #carry = Buffer.allocUnsafe(chunkSizes.most)
  #draft: Draft | undefined
  /** Capture has let go of them, and no sealed pack holds all of them yet. */
  #unsealed: Pick<FileTake, 'stream' | 'path'>[] = []

  constructor(options: PackerOptions, references: ReferencePolicy, queue: string, callbacks: PackCallbacks) {
    this.#options = options
    this.#references = references
    this.#queue = queue
    this.#callbacks = callbacks
  }

  giveBack(): void {
    for (const take of this.#unsealed) this.#callbacks.onUnsealed?.(take)
  }

  async end(): Promise<void> {
    const draft = this.#draft
    this.#draft = undefined
    await draft?.builder.settled()
    await draft?.file.discard()
  }

  #epoch(): Uint8Array {
    const { journal, now, epochMs, randomBytes } = this.#options
    const current = journal.epoch(this.#queue)
    if (current && Math.abs(now() - current.startedAt) < epochMs) return current.id
    const id = randomBytes(epochBytes)
    journal.beginEpoch(this.#queue, id, now())
    return id
  }

  /** Makes sure that there is a draft, and that the stream's lineage is at hand. */
  async #open(take: FileTake): Promise<void> {
    const { epoch } = (this.#draft ??= await this.#newDraft())
    const { journal, lineages } = this.#options
    await lineages.load(epoch, [take.stream.name], (name) => journal.nextOrdinal(epoch, name))
  }

  async #newDraft(): Promise<Draft> {
    const { journal, spool, lineages, zstd, level, sealer } = this.#options
    const epoch = this.#epoch()
    const sealNumber = journal.nextSealNumber()
    const chunkKey = sealer?.chunkKey(epoch)
    const file = await spool.create()
    const age = await sealer?.begin((bytes) => file.write(bytes)).catch(async (error: unknown) => {
      await file.discard()
      throw error
    })
    const builder = new PackBuilder({
      zstd,
      level,
      references: this.#references,
      write: (bytes) => (age ?? file).write(bytes),
      past: {
        epoch,
        ...(chunkKey && { chunkKey }),
        sealNumber,
        hasChunk: (hash) => journal.hasChunk(epoch, hash),
        nextOrdinal: (stream) => journal.nextOrdinal(epoch, stream),
        lineage: (stream) => lineages.get(epoch, stream),
      },
    })
    return { epoch, sealNumber, chunkKey, builder, file, age, cursors: [], knownFiles: [] }
  }

  async file(take: FileTake): Promise<void> {
    try {
      await this.#packFile(take)
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'capture-unreadable') {
        // Read further than packed, perhaps, and the pack with its beginning may be sealed already.
        this.#unsealed.push({ stream: take.stream, path: take.path })
        throw error
      }
      // Capture has noted it and comes back to it; what was read so far does not count.
      this.#draft?.builder.dropEntry()
    }
    if (this.#full()) await this.seal()
  }

  async #packFile(take: FileTake): Promise<void> {
    await this.#open(take)
    const packing = new FilePacking(take, this.#knownCuts(take), this.#carry)
    this.#begin(take, packing.offset)
    for await (const buffer of take.read()) {
      if (this.#callbacks.signal?.aborted) throw new SluiceError('aborted', 'packing was stopped')
      this.#callbacks.onRead?.(buffer.length)
      await this.#callbacks.rest?.()
      for (const chunk of packing.feed(buffer, (bytes) => this.#knownHash(bytes))) {
        await this.#add(take, chunk.bytes, chunk.hash)
        packing.offset += chunk.bytes.length
        if (this.#full() && chunk.bytes.length >= fingerprintBytes) {
          await this.#sealInside(take, packing, chunk.bytes)
        }
      }
    }
    const rest = packing.rest()
    if (rest.length > 0) await this.#add(take, rest, undefined)
    packing.offset += rest.length
    await this.#finish(take, packing)
  }

  #full(): boolean {
    const builder = this.#draft?.builder
    return builder !== undefined && (builder.bytes >= this.#options.sealBytes || builder.manifestFull)
  }

  #knownCuts(take: FileTake): Uint32Array | undefined {
    const { sizeBytes } = take.facts
    const worthwhile = take.stream.files === 'whole' && take.startOffset === 0 && sizeBytes > chunkSizes.least
    return worthwhile && this.#draft ? this.#options.journal.knownFile(this.#draft.epoch, sizeBytes) : undefined
  }

  #knownHash(bytes: Uint8Array): Uint8Array | undefined {
    const hash = chunkNameOf(bytes, this.#draft?.chunkKey)
    return this.#draft?.builder.knows(hash) ? hash : undefined
  }

  #begin(take: FileTake, offset: number): void {
    const { stream, path } = take
    this.#unsealed.push({ stream, path })
    const { mode, modifiedUs } = take.facts
    this.#draft?.builder.beginEntry(take.stream, { path: take.path, fileId: take.fileId, mode, modifiedUs, offset })
  }

  async #add(take: FileTake, bytes: Uint8Array, hash: Uint8Array | undefined): Promise<void> {
    await this.#draft?.builder.addChunk(take.stream, bytes, hash ?? chunkNameOf(bytes, this.#draft.chunkKey))
  }

  /** Seals in the middle of a file, at the boundary behind `chunk`, and goes on with the file in the next pack. */
  async #sealInside(take: FileTake, packing: FilePacking, chunk: Uint8Array): Promise<void> {
    const fingerprint = { head: take.fingerprint().head, tail: sha256(chunk.subarray(-fingerprintBytes)) }
    this.#draft?.builder.endEntry(false)
    this.#draft?.cursors.push(cursorOf(take, packing.offset, false, fingerprint, chunkerStart))
    await this.seal()
    await this.#open(take)
    this.#begin(take, packing.offset)
  }

  async #finish(take: FileTake, packing: FilePacking): Promise<void> {
    if (!(await take.unchanged())) {
      this.#draft?.builder.dropEntry()
      this.#callbacks.onTorn(take)
      return
    }
    const complete = take.stream.files === 'whole'
    this.#draft?.builder.endEntry(complete)
    this.#draft?.cursors.push(cursorOf(take, packing.offset, complete, take.fingerprint(), packing.state))
    if (complete && take.startOffset === 0 && packing.chunkSizes.length > 1) {
      this.#draft?.knownFiles.push({ size: packing.offset, chunkSizes: Uint32Array.from(packing.chunkSizes) })
    }
  }

  /** Seals the draft: spool file durable and named, then one transaction. Until that transaction nothing has happened. */
  async seal(): Promise<void> {
    const draft = this.#draft
    if (!draft) return
    if (draft.builder.empty) return this.end()
    const { journal, spool, lineages, now, emit } = this.#options
    const sealedAt = now()
    const body = await draft.builder.finish(sealedAt)
    const { bodyHash, bodyBytes } = (await draft.age?.finish()) ?? body
    await draft.file.commit(bodyHash)
    this.#draft = undefined
    const { rawBytes, newBytes, streams, chunks, ordinals } = body
    try {
      if (this.#callbacks.maySeal?.() === false) throw new SluiceError('aborted', 'a pause that drops captures began')
      journal.commitSeal({
        pack: { id: draft.sealNumber, queue: this.#queue, streams, bodyHash, bodyBytes, encrypted: draft.age !== undefined, rawBytes, newBytes, sealedAt },
        epoch: draft.epoch, chunks, ordinals, cursors: draft.cursors, knownFiles: draft.knownFiles,
      })
    } catch (error) {
      // Its files are packed again. Left here, a rebuild of the journal would take it in, and they would be sent twice.
      await spool.remove(bodyHash)
      throw error
    }
    this.#unsealed = []
    for (const [stream, lineage] of body.lineages) lineages.set(draft.epoch, stream, lineage)
    emit({ event: 'pack.sealed', pack: toHex(bodyHash).slice(0, 12), rawBytes, newBytes, packBytes: bodyBytes })
    await this.#callbacks.onSealed?.()
  }
}

/** Cuts one file's bytes into chunks, whatever buffers they come in. */
class FilePacking {
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

function cursorOf(take: FileTake, offset: number, complete: boolean, fingerprint: Fingerprint, chunker: ChunkerState): Cursor {
  const { stream, path, fileId, base, facts } = take
  return { stream: stream.name, path, fileId, ...(base > 0 && { base }), offset, complete, fingerprint, chunker, facts }
}
