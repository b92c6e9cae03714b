import type { Stream } from '../capture/stream.ts'
import type { Codec } from '../compress/codec.ts'
import type { Lineage } from './lineage.ts'
import type { ReferencePolicy } from './reference-policy.ts'
import type { ChunkName, ChunkRun, Manifest, ManifestBlock, ManifestEntry, ManifestStream } from './manifest.ts'
import { createHash } from 'node:crypto'
import { compressBlock, type PackedBlock } from '../compress/choose.ts'
import { maxBlockBytes } from '../compress/codec.ts'
import { encodeTail } from './body.ts'
import { extend, maxLineageDepth } from './lineage.ts'
import { fileIdBytes, maxManifestBytes } from './manifest.ts'
import { keyOf } from './sha256.ts'

/** Blocks being compressed at once; each holds up to 1 MiB raw and its reference. */
const maxInFlight = 2

/** What a builder needs to know of the packs before it. */
export interface BuilderPast {
  readonly epoch: Uint8Array
  /** What the epoch's chunks are named with, as `chunkNameOf` does; without one by their SHA-256. */
  readonly chunkKey?: Uint8Array
  readonly sealNumber: number
  hasChunk(hash: Uint8Array): boolean
  nextOrdinal(stream: string): number
  lineage(stream: string): Lineage | undefined
}

export interface BuilderOptions {
  readonly past: BuilderPast
  readonly zstd: Codec
  readonly level: number
  readonly references: ReferencePolicy
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
}

interface OpenBlock {
  readonly stream: Stream
  readonly raw: Buffer
  bytes: number
  readonly chunks: ChunkName[]
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

  /** The manifest is near its limit: seal now. */
  get manifestFull(): boolean {
    return this.#manifestBytes > maxManifestBytes * 0.75
  }

  beginEntry(stream: Stream, entry: Omit<ManifestEntry, 'stream' | 'runs' | 'complete'>): void {
    this.#entry = { ...entry, complete: false, stream: this.#streamIndex(stream), runs: [] }
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

  /** Adds a chunk to the open entry. `bytes` may be reused by the caller afterwards. */
  async addChunk(stream: Stream, bytes: Uint8Array, hash: Uint8Array): Promise<void> {
    this.#rawBytes += bytes.length
    const key = keyOf(hash)
    const stored = this.#stored.get(key)
    if (stored !== undefined) return this.#reference(stored)
    if (this.#external.has(key) || this.#options.past.hasChunk(hash)) return this.#reference(this.#externalIndex(key, hash, bytes.length))
    if (this.#block && (this.#block.stream !== stream || this.#block.bytes + bytes.length > maxBlockBytes)) await this.#closeBlock()
    this.#block ??= { stream, raw: Buffer.allocUnsafe(maxBlockBytes), bytes: 0, chunks: [] }
    this.#block.raw.set(bytes, this.#block.bytes)
    this.#block.bytes += bytes.length
    this.#block.chunks.push({ hash, bytes: bytes.length })
    this.#newBytes += bytes.length
    const index = this.#storedHashes.push(hash) - 1
    this.#stored.set(key, index)
    this.#manifestBytes += hash.length + 3
    this.#reference(index)
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

  async #closeBlock(): Promise<void> {
    const block = this.#block
    if (!block) return
    this.#block = undefined
    const name = block.stream.name
    const raw = block.raw.subarray(0, block.bytes)
    const ordinal = this.#ordinals.get(name) ?? this.#options.past.nextOrdinal(name)
    this.#ordinals.set(name, ordinal + 1)
    if (this.#inFlight.length >= maxInFlight) await this.#inFlight.shift()
    const { lineage, packed } = await this.#compress(name, raw)
    this.#lineages.set(name, { ordinal, depth: lineage ? lineage.depth + 1 : 0, content: extend(lineage?.content, raw) })
    const index = this.#blocks.length
    const referenceDistance = lineage ? ordinal - lineage.ordinal : 0
    const shape = { stream: this.#streamIndex(block.stream), ordinal, referenceDistance, chunks: block.chunks }
    this.#blocks.push({ ...shape, codec: 0, storedBytes: raw.length })
    this.#blockBytes += raw.length
    this.#manifestBytes += 12
    // Several blocks may be under way; they are written in the order in which they were closed.
    this.#writing = Promise.all([this.#writing, packed]).then(async ([, { codec, bytes }]) => {
      this.#blocks[index] = { ...shape, codec, storedBytes: bytes.length }
      this.#blockBytes += bytes.length - raw.length
      this.#hash.update(bytes)
      await this.#options.write(bytes)
    })
    this.#writing.catch(() => undefined) // thrown where it is awaited
    this.#inFlight.push(this.#writing)
  }

  /** Starts compressing a block, against the stream's lineage where there is one and it pays. */
  async #compress(stream: string, raw: Uint8Array): Promise<{ readonly lineage?: Lineage; readonly packed: Promise<PackedBlock> }> {
    const { zstd, level, past, references } = this.#options
    const known = this.#lineages.get(stream) ?? past.lineage(stream)
    const lineage = known && known.depth < maxLineageDepth ? known : undefined
    const alone = (): Promise<PackedBlock> => compressBlock(zstd, raw, { level })
    if (!lineage) return { packed: alone() }
    const against = (): Promise<PackedBlock> => compressBlock(zstd, raw, { level, reference: lineage.content })
    const phase = raw.length < maxBlockBytes / 2 ? 'use' : references.next(stream)
    if (phase === 'use') return { lineage, packed: against() }
    if (phase === 'skip') return { packed: alone() }
    const [without, withIt] = await Promise.all([alone(), against()])
    references.record(stream, without.bytes.length, withIt.bytes.length)
    return { lineage, packed: Promise.resolve(withIt) }
  }

  /** Resolves when nothing is being compressed or written any more, whether that went well or not. */
  async settled(): Promise<void> {
    await this.#writing.catch(() => undefined)
  }

  /** Closes the body: everything is written when this resolves. The builder is used up. */
  async finish(sealedAt: number): Promise<BuiltBody> {
    await this.#closeBlock()
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
    }
  }
}
