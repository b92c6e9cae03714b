import type { Cursor, FileTake, Fingerprint } from '../capture/take.ts'
import type { Codec } from '../compress/codec.ts'
import type { Journal } from '../journal/journal.ts'
import type { Lineages } from '../journal/lineages.ts'
import type { Spool, SpoolFile, TemporaryName } from '../journal/spool.ts'
import type { Emit } from '../observe/events.ts'
import type { Workers } from '../workers/workers.ts'
import type { ChunkerState } from './chunker.ts'
import type { AgeWriter, Sealer } from './encryption.ts'
import { fingerprintBytes } from '../capture/fingerprint.ts'
import { frameEffort } from '../compress/frames/proven.ts'
import { inline } from '../workers/workers.ts'
import { SluiceError } from '../observe/error.ts'
import { BlockCoder } from './block-coder.ts'
import { PackBuilder } from './builder.ts'
import { chunkerStart } from './chunker.ts'
import { FramePacker } from './frame-packer.ts'
import { epochBytes } from './manifest.ts'
import { Parts, type Part } from './parts.ts'
import { FileCutter, type Piece } from './pieces.ts'
import { chunkNameOf, sha256, toHex } from './sha256.ts'

export interface PackerOptions {
  readonly journal: Journal
  readonly spool: Spool
  readonly lineages: Lineages
  readonly zstd: Codec
  /** Encrypts every pack. */
  readonly sealer?: Sealer
  /** Who cuts and compresses; this thread where it is not told. */
  readonly workers?: Workers
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

/** How hard to try. */
export interface PackEffort {
  /** zstd's, and with it the effort for pictures. */
  readonly level: number
  /** Blocks are compressed each by itself, as they are: quick, for much at a time. Packs are larger then. */
  readonly isBulk: boolean
}

/** Of a pack: all of them are noted in one transaction, which holds the main thread. */
const maxFiles = 1000
/** Of a pack of much at a time, in normal ones: sealing costs some 20 ms, in which half the machine waits. */
const bulkPackFactor = 4

export interface PackCallbacks {
  /** For what is packed now, in place of the usual level; `takenBytes`: of all files that were begun, as large as they were. */
  readonly effort?: (takenBytes: number) => PackEffort | undefined
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
  readonly temporaryName: TemporaryName
  /** Stands before the file where packs are encrypted. */
  readonly age: AgeWriter | undefined
  /** The one before, until that is sealed. */
  readonly behind: { draft: Draft | undefined }
  /** The journal has it. */
  isSealed: boolean
  readonly cursors: Cursor[]
  /** Capture has let go of them, and until this is sealed no pack holds all of them. */
  readonly files: Pick<FileTake, 'stream' | 'path'>[]
}

/** Turns capture files into sealed packs in the spool, one queue at a time. */
export class Packer {
  readonly #options: PackerOptions
  readonly #coders: Coders

  constructor(options: PackerOptions) {
    this.#options = options
    const { zstd, level, workers = inline } = options
    this.#coders = { blocks: new BlockCoder(zstd, level, workers), frames: new FramePacker(frameEffort(level), workers), cutter: new FileCutter(workers) }
  }

  /**
   * Packs everything that `takes` hands out and seals it. When it throws, what was sealed stays sealed and the rest is
   * as if it had not been read. Errors: `spool-full`, `state-full`, `aborted`, …
   */
  async pack(queue: string, takes: AsyncIterable<FileTake>, callbacks: PackCallbacks): Promise<void> {
    const run = new PackRun(this.#options, this.#coders, queue, callbacks)
    try {
      for await (const part of run.parts.of(takes)) await run.add(part)
      await run.seal()
      await run.sealed()
    } catch (error) {
      await run.end()
      run.giveBack()
      throw error
    }
    await run.end()
  }
}

/** What the streams' blocks and pictures are coded with; it learns what pays. */
interface Coders {
  readonly blocks: BlockCoder
  readonly frames: FramePacker
  readonly cutter: FileCutter
}

/** How far a file is packed. */
interface PackedFile {
  readonly take: FileTake
  offset: number
  state: ChunkerState
}

class PackRun {
  readonly #options: PackerOptions
  readonly #coders: Coders
  readonly #queue: string
  readonly #callbacks: PackCallbacks
  #sealBytes: number
  #takenBytes = 0
  #draft: Draft | undefined
  readonly parts: Parts
  /** What chunks were named with in the draft that was begun last. */
  #chunkKey: Uint8Array | undefined
  /** The first draft is: whoever names chunks before that would name them wrong. */
  #firstOpened: Promise<void> | undefined
  /** The one that parts come of. */
  #file: PackedFile | undefined
  /** The pack before, which is made durable while this one is built. */
  #sealing: { readonly draft: Draft; readonly done: Promise<void> } | undefined
  /** Files of drafts that came to nothing. */
  readonly #unsealed: Pick<FileTake, 'stream' | 'path'>[] = []

  constructor(options: PackerOptions, coders: Coders, queue: string, callbacks: PackCallbacks) {
    this.#options = options
    this.#coders = coders
    this.#queue = queue
    this.#callbacks = callbacks
    this.#sealBytes = options.sealBytes
    this.parts = new Parts({
      cutter: coders.cutter,
      chunkKey: async (take) => {
        await (this.#firstOpened ??= this.#open(take))
        return this.#chunkKey
      },
      ...callbacks,
    })
  }

  /** Tries as hard as what is packed now is worth. */
  #try(take: FileTake): void {
    const { level, sealBytes } = this.#options
    this.#takenBytes += Math.max(0, take.facts.sizeBytes - take.base - take.startOffset)
    const effort = this.#callbacks.effort?.(this.#takenBytes) ?? { level, isBulk: false }
    Object.assign(this.#coders.blocks, effort)
    this.#coders.frames.effort = frameEffort(effort.level)
    this.#sealBytes = effort.isBulk ? sealBytes * bulkPackFactor : sealBytes
  }

  /** After `end`. */
  giveBack(): void {
    for (const take of [...this.#unsealed, ...this.parts.open]) this.#callbacks.onUnsealed?.(take)
  }

  async end(): Promise<void> {
    const drafts = [this.#sealing?.draft, this.#draft]
    this.#draft = undefined
    await this.sealed().catch(() => undefined)
    for (const draft of drafts) {
      if (!draft || draft.isSealed) continue
      this.#unsealed.push(...draft.files)
      await draft.builder.settled()
      await draft.file.discard()
    }
  }

  async #epoch(): Promise<Uint8Array> {
    const { journal, now, epochMs, randomBytes } = this.#options
    const current = journal.epoch(this.#queue)
    if (current && Math.abs(now() - current.startedAt) < epochMs) return current.id
    await this.sealed()
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
    const { journal, spool, lineages, zstd, sealer } = this.#options
    const epoch = await this.#epoch()
    const last = this.#sealing?.draft
    const sealNumber = last ? last.sealNumber + 1 : journal.nextSealNumber()
    const chunkKey = sealer?.chunkKey(epoch)
    const temporaryName = last?.temporaryName === 'sealing.tmp' ? 'sealing-too.tmp' : 'sealing.tmp'
    const file = await spool.create(temporaryName)
    const age = await sealer?.begin((bytes) => file.write(bytes)).catch(async (error: unknown) => {
      await file.discard()
      throw error
    })
    const behind = { draft: last }
    const before = (): PackBuilder | undefined => (behind.draft?.isSealed === false ? behind.draft.builder : undefined)
    const builder = new PackBuilder({
      zstd,
      blocks: this.#coders.blocks,
      write: (bytes) => (age ?? file).write(bytes),
      past: {
        epoch,
        ...(chunkKey && { chunkKey }),
        sealNumber,
        // What the journal does not know yet is asked of the pack that is being sealed.
        hasChunk: (hash) => before()?.knows(hash) ?? journal.hasChunk(epoch, hash),
        nextOrdinal: (stream) => before()?.nextOrdinal(stream) ?? journal.nextOrdinal(epoch, stream),
        lineage: (stream) => (before() ? before()?.lineage(stream) : lineages.get(epoch, stream)),
        frames: (stream) => before()?.frames(stream) ?? lineages.frames(epoch, stream, journal.nextOrdinal(epoch, stream)),
      },
    })
    this.#chunkKey = chunkKey
    return { epoch, sealNumber, chunkKey, builder, file, temporaryName, age, cursors: [], files: [], behind, isSealed: false }
  }

  /** Packs what comes next. */
  async add({ take, chunkKey, picture, piece, end }: Part): Promise<void> {
    if (this.#callbacks.signal?.aborted) throw new SluiceError('aborted', 'packing was stopped')
    const file = this.#file?.take === take ? this.#file : await this.#beginFile(take)
    if (picture) await this.#packPicture(file, picture, chunkKey, end)
    else if (piece) await this.#packPiece(file, await piece, chunkKey)
    if (end) this.#endFile(file, end)
    if (end && this.#full()) await this.seal()
  }

  async #beginFile(take: FileTake): Promise<PackedFile> {
    this.#try(take)
    await this.#open(take)
    this.#begin(take, take.startOffset)
    return this.#file = { take, offset: take.startOffset, state: take.chunker }
  }

  #endFile({ take, offset, state }: PackedFile, end: NonNullable<Part['end']>): void {
    const complete = take.stream.files === 'whole'
    if (end === 'read') {
      this.#draft?.builder.endEntry(complete)
      this.#draft?.cursors.push(cursorOf(take, offset, complete, take.fingerprint(), state))
    } else {
      this.#draft?.builder.dropEntry()
      if (end === 'torn') this.#callbacks.onTorn(take)
    }
    this.parts.open.delete(take)
    this.#file = undefined
  }

  async #packPicture(file: PackedFile, picture: Buffer, chunkKey: Uint8Array | undefined, end: Part['end']): Promise<void> {
    if (end !== 'read' || !this.#draft) return
    if (await this.#coders.frames.pack(this.#draft.builder, file.take.stream, picture)) {
      Object.assign(file, { offset: picture.length, state: chunkerStart })
      return
    }
    for await (const { piece } of this.#coders.cutter.pieces([picture], file.state, chunkKey)) await this.#packPiece(file, await piece, chunkKey)
  }

  async #packPiece(file: PackedFile, piece: Piece, chunkKey: Uint8Array | undefined): Promise<void> {
    for (const { bytes, name } of piece.chunks) {
      const { stream } = file.take
      // The epoch is another one since, perhaps.
      const hash = this.#draft?.chunkKey === chunkKey ? name : chunkNameOf(bytes, this.#draft?.chunkKey)
      await this.#draft?.builder.addChunk(stream, bytes, hash, this.#coders.blocks.isBulk ? piece.lease : undefined)
      file.offset += bytes.length
      if (this.#full() && bytes.length >= fingerprintBytes) await this.#sealInside(file.take, file.offset, bytes)
    }
    file.state = piece.state
    piece.lease.release()
  }

  #full(): boolean {
    if (!this.#draft) return false
    const { builder, cursors } = this.#draft
    return builder.bytes >= this.#sealBytes || builder.manifestFull || cursors.length >= maxFiles
  }

  #begin(take: FileTake, offset: number): void {
    const { stream, path } = take
    this.#draft?.files.push({ stream, path })
    const { mode, modifiedUs } = take.facts
    this.#draft?.builder.beginEntry(take.stream, { path: take.path, fileId: take.fileId, mode, modifiedUs, offset })
  }

  /** Seals in the middle of a file, at the boundary behind `chunk`, and goes on with the file in the next pack. */
  async #sealInside(take: FileTake, offset: number, chunk: Uint8Array): Promise<void> {
    const fingerprint = { head: take.fingerprint().head, tail: sha256(chunk.subarray(-fingerprintBytes)) }
    this.#draft?.builder.endEntry(false)
    this.#draft?.cursors.push(cursorOf(take, offset, false, fingerprint, chunkerStart))
    await this.seal()
    await this.#open(take)
    this.#begin(take, offset)
  }

  /**
   * Seals the draft: spool file durable and named, then one transaction. Until that transaction nothing has happened. What
   * takes time goes on behind the next draft; `sealed` waits for it.
   */
  async seal(): Promise<void> {
    await this.sealed()
    const draft = this.#draft
    if (!draft) return
    draft.behind.draft = undefined
    if (draft.builder.empty) return this.end()
    // What the next draft builds on is settled with this.
    await draft.builder.close()
    this.#draft = undefined
    const done = this.#finish(draft)
    done.catch(() => undefined) // thrown where it is awaited
    this.#sealing = { draft, done }
  }

  /** Until what was to be sealed is. Throws why it is not. */
  async sealed(): Promise<void> {
    await this.#sealing?.done
    this.#sealing = undefined
  }

  async #finish(draft: Draft): Promise<void> {
    const { journal, spool, lineages, now, emit } = this.#options
    const sealedAt = now()
    const body = await draft.builder.finish(sealedAt)
    const { bodyHash, bodyBytes } = (await draft.age?.finish()) ?? body
    await draft.file.commit(bodyHash)
    const { rawBytes, newBytes, streams, chunks, ordinals } = body
    try {
      if (this.#callbacks.maySeal?.() === false) throw new SluiceError('aborted', 'a pause that drops captures began')
      journal.commitSeal({
        pack: { id: draft.sealNumber, queue: this.#queue, streams, bodyHash, bodyBytes, encrypted: draft.age !== undefined, rawBytes, newBytes, sealedAt },
        epoch: draft.epoch, chunks, ordinals, cursors: draft.cursors,
      })
    } catch (error) {
      // Its files are packed again. Left here, a rebuild of the journal would take it in, and they would be sent twice.
      await spool.remove(bodyHash)
      throw error
    }
    for (const [stream, lineage] of body.lineages) lineages.set(draft.epoch, stream, lineage)
    for (const [stream, frames] of body.frames) lineages.setFrames(draft.epoch, stream, frames)
    draft.isSealed = true
    emit({ event: 'pack.sealed', pack: toHex(bodyHash).slice(0, 12), rawBytes, newBytes, packBytes: bodyBytes })
    await this.#callbacks.onSealed?.()
  }
}

function cursorOf(take: FileTake, offset: number, complete: boolean, fingerprint: Fingerprint, chunker: ChunkerState): Cursor {
  const { stream, path, fileId, base, facts } = take
  return { stream: stream.name, path, fileId, ...(base > 0 && { base }), offset, complete, fingerprint, chunker, facts }
}
