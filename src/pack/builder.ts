import type { Stream } from '../capture/stream.ts'
import type { PackedBlock } from '../compress/choose.ts'
import type { Codec } from '../compress/codec.ts'
import type { BlockCoder } from './block-coder.ts'
import type { FramePlace, KeptFrame } from './frame-run.ts'
import type { Lease } from '../workers/shared-memory.ts'
import type { Lineage } from './lineage.ts'
import type { ChunkName, ChunkRun, Manifest, ManifestBlock, ManifestEntry, ManifestStream } from './manifest.ts'
import { createHash } from 'node:crypto'
import type { IndexedPicture } from '../compress/frames/codec.ts'
import { codecIds, maxBlockBytes } from '../compress/codec.ts'
import { encodeTail } from './body.ts'
import { keepFrame, placeOf } from './frame-run.ts'
import { extend } from './lineage.ts'
import { fileIdBytes, maxManifestBytes } from './manifest.ts'
import { keyOf } from './sha256.ts'

/** What a builder needs to know of the packs before it. */
export interface BuilderPast {
  readonly epoch: Uint8Array
  /** What the epoch's chunks are named with, as `chunkNameOf` does; without one by their SHA-256. */
  readonly chunkKey?: Uint8Array
  readonly sealNumber: number
  hasChunk(hash: Uint8Array): boolean
  nextOrdinal(stream: string): number
  lineage(stream: string): Lineage | undefined
  frames(stream: string): Promise<readonly KeptFrame[]>
}

export interface BuilderOptions {
  readonly past: BuilderPast
  readonly zstd: Codec
  readonly blocks: BlockCoder
  /** Appends to the body. */
  readonly write: (bytes: Uint8Array) => Promise<void>
}

/** What a finished body leaves for the journal and the next pack. */
export interface BuiltBody {
  readonly bodyHash: Uint8Array
  readonly bodyBytes: number
  readonly rawBytes: number
  readonly newBytes: number
  /** Names of the streams of which it holds something. */
  readonly streams: readonly string[]
  readonly chunks: Iterable<Uint8Array>
  readonly ordinals: ReadonlyMap<string, number>
  readonly lineages: ReadonlyMap<string, Lineage>
  readonly frames: ReadonlyMap<string, readonly KeptFrame[]>
}

/** A frame as it goes into a block. */
export interface CodedFrame {
  readonly name: ChunkName
  readonly bytes: Uint8Array
  /** Those that it was made from, in the order in which its code names them. */
  readonly references: readonly FramePlace[]
  readonly indexed: IndexedPicture
}

interface OpenBlock {
  readonly stream: Stream
  /** Memory for a whole block, or where its first chunk stands and the next ones may follow. */
  raw: Uint8Array
  /** On memory that is not the slabs'. */
  lease: Lease | undefined
  bytes: number
  readonly chunks: ChunkName[]
}

/** A block that stands in the memory of what was read and cannot go on there is ended once it has so much; a smaller one is copied. */
const leastInPlaceBytes = maxBlockBytes / 4

/** Whether `bytes` stand where the block goes on. */
function continues({ raw, bytes: length }: OpenBlock, bytes: Uint8Array): boolean {
  return bytes.buffer === raw.buffer && bytes.byteOffset === raw.byteOffset + length
}

type DraftEntry = Omit<ManifestEntry, 'runs'> & { readonly runs: ChunkRun[] }

/**
 * Builds one pack body: chunks go in, blocks of one stream come out compressed as they fill, the manifest follows at
 * the end. Files are added one after another: `beginEntry`, `addChunk`…, `endEntry` or `dropEntry`.
 */
export class PackBuilder {
  readonly #options: BuilderOptions
  readonly #hash = createHash('sha256')
  readonly #streams = new Map<string, { readonly index: number; readonly stream: ManifestStream }>()
  readonly #blocks: ManifestBlock[] = []
  readonly #entries: DraftEntry[] = []
  readonly #stored = new Map<string, number>()
  readonly #storedHashes: Uint8Array[] = []
  readonly #external = new Map<string, { readonly index: number; readonly name: ChunkName }>()
  readonly #lineages = new Map<string, Lineage>()
  readonly #frames = new Map<string, readonly KeptFrame[]>()
  readonly #ordinals = new Map<string, number>()
  #entry: DraftEntry | undefined
  #block: OpenBlock | undefined
  #writing: Promise<void> = Promise.resolve()
  #inFlight: Promise<unknown>[] = []
  #blockBytes = 0
  #manifestBytes = 0
  #rawBytes = 0
  #newBytes = 0

  constructor(options: BuilderOptions) {
    this.#options = options
  }

  get empty(): boolean {
    return this.#entries.length === 0 && this.#blocks.length === 0 && !this.#block
  }

  /** Stored bytes so far; blocks that are not compressed yet count as they are. */
  get bytes(): number {
    return this.#blockBytes + (this.#block?.bytes ?? 0) + this.#manifestBytes
  }

  /** What the epoch's chunks are named with. */
  get chunkKey(): Uint8Array | undefined {
    return this.#options.past.chunkKey
  }

  /** The manifest is near its limit: seal now. */
  get manifestFull(): boolean {
    return this.#manifestBytes > maxManifestBytes * 0.75
  }

  beginEntry(stream: Stream, entry: Omit<ManifestEntry, 'stream' | 'runs' | 'complete' | 'isFrame'>): void {
    this.#entry = { ...entry, complete: false, isFrame: false, stream: this.#streamIndex(stream), runs: [] }
    this.#manifestBytes += entry.path.length + fileIdBytes + 24
  }

  endEntry(complete: boolean): void {
    if (this.#entry) this.#entries.push({ ...this.#entry, complete })
    this.#entry = undefined
  }

  /** Forgets the open entry; its chunks stay and serve whoever has the same content. */
  dropEntry(): void {
    this.#entry = undefined
  }

  #streamIndex(stream: Stream): number {
    const known = this.#streams.get(stream.name)
    if (known) return known.index
    const { name, purpose, files, fidelity } = stream
    const index = this.#streams.size
    this.#streams.set(name, { index, stream: { name, purpose, files, fidelity } })
    this.#manifestBytes += Buffer.byteLength(name) + Buffer.byteLength(purpose) + 6
    return index
  }

  /** Whether the content is already in this pack or an earlier one of the epoch. */
  knows(hash: Uint8Array): boolean {
    const key = keyOf(hash)
    return this.#stored.has(key) || this.#external.has(key) || this.#options.past.hasChunk(hash)
  }

  /** The block that the stream's next frame would stand in, and the frames that it may be made from. */
  async nextFrame(stream: Stream): Promise<{ readonly ordinal: number; readonly kept: readonly KeptFrame[] }> {
    await this.close()
    if (this.#inFlight.length >= this.#options.blocks.width) await this.#inFlight.shift()
    return { ordinal: this.nextOrdinal(stream.name), kept: await this.frames(stream.name) }
  }

  /** Stores a frame, in the block that `nextFrame` told. */
  addFrame(stream: Stream, { name, bytes, references, indexed }: CodedFrame, kept: readonly KeptFrame[]): void {
    const ordinal = this.#takeOrdinal(stream.name)
    const frameDistances = references.map((reference) => ordinal - reference.ordinal)
    const shape = { stream: this.#streamIndex(stream), ordinal, referenceDistance: 0, chunks: [name], frameDistances }
    this.#write(shape, bytes.length, Promise.resolve({ codec: codecIds.frame, bytes }))
    this.#frames.set(stream.name, keepFrame(kept, { ...placeOf(ordinal, references), indexed }))
    this.#stored.set(keyOf(name.hash), this.#storedHashes.push(name.hash) - 1)
    this.#manifestBytes += name.hash.length + 6
  }

  /** The open entry's file of `fileBytes` is the picture that a frame already stored here or earlier is. */
  useFrame({ hash, bytes }: ChunkName, fileBytes: number, isNew: boolean): void {
    if (!this.#entry) throw new Error('a frame without an entry')
    this.#entry = { ...this.#entry, isFrame: true }
    this.#rawBytes += fileBytes
    if (isNew) this.#newBytes += fileBytes
    const key = keyOf(hash)
    this.#reference(this.#stored.get(key) ?? this.#externalIndex(key, hash, bytes))
  }

  /** Adds a chunk to the open entry. `bytes` may be reused by the caller afterwards; or, where there is a lease on them, once that is released. */
  async addChunk(stream: Stream, bytes: Uint8Array, hash: Uint8Array, lease?: Lease): Promise<void> {
    this.#rawBytes += bytes.length
    const key = keyOf(hash)
    const stored = this.#stored.get(key)
    if (stored !== undefined) return this.#reference(stored)
    if (this.#external.has(key) || this.#options.past.hasChunk(hash)) return this.#reference(this.#externalIndex(key, hash, bytes.length))
    if (this.#block && !this.#hasRoom(this.#block, stream, bytes)) await this.close()
    const block = (this.#block ??= this.#newBlock(stream, bytes, lease))
    if (!continues(block, bytes)) {
      if (block.lease) this.#moveToSlab(block)
      block.raw.set(bytes, block.bytes)
    }
    block.bytes += bytes.length
    block.chunks.push({ hash, bytes: bytes.length })
    this.#newBytes += bytes.length
    const index = this.#storedHashes.push(hash) - 1
    this.#stored.set(key, index)
    this.#manifestBytes += hash.length + 3
    this.#reference(index)
  }

  #hasRoom(block: OpenBlock, stream: Stream, bytes: Uint8Array): boolean {
    if (block.stream !== stream || block.bytes + bytes.length > maxBlockBytes) return false
    return !block.lease || block.bytes < leastInPlaceBytes || continues(block, bytes)
  }

  #newBlock(stream: Stream, bytes: Uint8Array, lease: Lease | undefined): OpenBlock {
    lease?.hold()
    const raw = lease ? new Uint8Array(bytes.buffer, bytes.byteOffset) : this.#options.blocks.slabs.take()
    return { stream, raw, lease, bytes: 0, chunks: [] }
  }

  #moveToSlab(block: OpenBlock): void {
    const slab = this.#options.blocks.slabs.take()
    slab.set(block.raw.subarray(0, block.bytes))
    block.raw = slab
    block.lease?.release()
    block.lease = undefined
  }

  /** Chunks of earlier packs are numbered -1, -2 … until the number of stored ones is known. */
  #externalIndex(key: string, hash: Uint8Array, bytes: number): number {
    let known = this.#external.get(key)
    if (!known) {
      known = { index: -1 - this.#external.size, name: { hash, bytes } }
      this.#external.set(key, known)
      this.#manifestBytes += hash.length + 3
    }
    return known.index
  }

  #reference(index: number): void {
    const runs = this.#entry?.runs
    if (!runs) throw new Error('a chunk without an entry')
    const last = runs.at(-1)
    const continues = last && (index >= 0 ? last.first >= 0 && last.first + last.count === index : last.first < 0 && last.first - last.count === index)
    if (continues) {
      runs[runs.length - 1] = { first: last.first, count: last.count + 1 }
    } else {
      runs.push({ first: index, count: 1 })
      this.#manifestBytes += 4
    }
  }

  /** Of the stream's next block; like what follows, good for a pack behind this one once this one is closed. */
  nextOrdinal(stream: string): number {
    return this.#ordinals.get(stream) ?? this.#options.past.nextOrdinal(stream)
  }

  lineage(stream: string): Lineage | undefined {
    return this.#lineages.get(stream) ?? this.#options.past.lineage(stream)
  }

  async frames(stream: string): Promise<readonly KeptFrame[]> {
    return this.#frames.get(stream) ?? (await this.#options.past.frames(stream))
  }

  #takeOrdinal(stream: string): number {
    const ordinal = this.nextOrdinal(stream)
    this.#ordinals.set(stream, ordinal + 1)
    return ordinal
  }

  /** Ends the open block: what follows goes into another. */
  async close(): Promise<void> {
    const block = this.#block
    if (!block) return
    this.#block = undefined
    const name = block.stream.name
    const raw = block.raw.subarray(0, block.bytes)
    const ordinal = this.#takeOrdinal(name)
    if (this.#inFlight.length >= this.#options.blocks.width) await this.#inFlight.shift()
    const { blocks } = this.#options
    const { lineage, content, model, packed, room } = await blocks.code(name, raw, this.lineage(name))
    if (content) {
      this.#lineages.set(name, {
        ordinal, depth: lineage ? lineage.depth + 1 : 0, chainBytes: (lineage?.chainBytes ?? 0) + raw.length,
        content: extend(lineage?.content, content), ...(model && { model }),
      })
    }
    const referenceDistance = lineage ? ordinal - lineage.ordinal : 0
    this.#write({ stream: this.#streamIndex(block.stream), ordinal, referenceDistance, chunks: block.chunks }, raw.length, packed, () => {
      if (block.lease) block.lease.release()
      else blocks.slabs.give(block.raw)
      if (room) blocks.slabs.give(room)
    })
  }

  /** Several blocks may be under way; they are written in the order in which they came here. Until then they count as `bytes`. */
  #write(shape: Omit<ManifestBlock, 'codec' | 'storedBytes'>, bytes: number, packed: Promise<PackedBlock>, onWritten?: () => void): void {
    const index = this.#blocks.length
    this.#blocks.push({ ...shape, codec: codecIds.raw, storedBytes: bytes })
    this.#blockBytes += bytes
    this.#manifestBytes += 12
    this.#writing = Promise.all([this.#writing, packed]).then(async ([, { codec, bytes: stored }]) => {
      this.#blocks[index] = { ...shape, codec, storedBytes: stored.length }
      this.#blockBytes += stored.length - bytes
      this.#hash.update(stored)
      await this.#options.write(stored)
      onWritten?.()
    })
    this.#writing.catch(() => undefined) // thrown where it is awaited
    this.#inFlight.push(this.#writing)
  }

  /** Resolves when nothing is being compressed or written any more, whether that went well or not. */
  async settled(): Promise<void> {
    await this.#writing.catch(() => undefined)
  }

  /** Closes the body: everything is written when this resolves. The builder is used up. */
  async finish(sealedAt: number): Promise<BuiltBody> {
    await this.close()
    await this.#writing
    const { past, zstd } = this.#options
    const first = (run: ChunkRun): number => (run.first >= 0 ? run.first : this.#storedHashes.length - 1 - run.first)
    const manifest: Manifest = {
      epoch: past.epoch,
      ...(past.chunkKey && { chunkKey: past.chunkKey }),
      sealNumber: past.sealNumber,
      sealedAt,
      streams: [...this.#streams.values()].map(({ stream }) => stream),
      blocks: this.#blocks,
      external: [...this.#external.values()].map(({ name }) => name),
      entries: this.#entries.map((entry) => ({ ...entry, runs: entry.runs.map((run) => ({ first: first(run), count: run.count })) })),
    }
    const tail = await encodeTail(manifest, zstd)
    this.#hash.update(tail)
    await this.#options.write(tail)
    return {
      bodyHash: this.#hash.digest(),
      bodyBytes: this.#blockBytes + tail.length,
      rawBytes: this.#rawBytes,
      newBytes: this.#newBytes,
      streams: [...this.#streams.keys()],
      chunks: this.#storedHashes,
      ordinals: this.#ordinals,
      lineages: this.#lineages,
      frames: this.#frames,
    }
  }
}
