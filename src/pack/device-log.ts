import type { FileKind } from '../capture/stream.ts'
import type { Codec } from '../compress/codec.ts'
import type { ByteSource, PackName } from '../transfer/destination.ts'
import type { Unlock } from './identities.ts'
import type { ChunkName, Manifest, ManifestBlock, ManifestEntry } from './manifest.ts'
import type { CheckedPack, ReadPack } from './read-pack.ts'
import { codecIds } from '../compress/codec.ts'
import { SluiceError } from '../observe/error.ts'
import { packFileName } from '../transfer/destination.ts'
import { contentBytesOf } from '../compress/zstd-frame.ts'
import { decodeFrame } from '../compress/frames/codec.ts'
import { frameBytes, frameSize, readFrame } from '../compress/frames/canonical.ts'
import type { Frame } from '../compress/frames/frame.ts'
import { frameOf, type Picture } from '../compress/frames/picture.ts'
import { writePng } from '../compress/frames/png.ts'
import { decodeLines } from '../compress/json-lines/decode.ts'
import { decrypted } from './age-payload.ts'
import { ByteCache } from './byte-cache.ts'
import { FormatError } from './bytes.ts'
import { mayReferTo, placeOf, type FramePlace } from './frame-run.ts'
import { noPrevious } from './header.ts'
import { extend, mayContinue } from './lineage.ts'
import { checkPack, located, openPack, packError } from './read-pack.ts'
import { chunkNameOf, keyOf, toHex } from './sha256.ts'

/** Decoded blocks and lineages kept while reading: files of one stream follow each other, so a few suffice. */
const cacheBytes = 48 << 20
/** Pictures kept likewise. */
const pictureCacheBytes = 64 << 20

export type PackOpener = (name: PackName) => Promise<ByteSource & AsyncDisposable>

type IndexedPack = Pick<ReadPack, 'name' | 'manifest' | 'blockOffsets' | 'payload'>

/** A block that was taken in, with all that decoding it needs. */
interface KnownBlock {
  readonly pack: IndexedPack
  readonly offset: number
  readonly block: ManifestBlock
  readonly rawBytes: number
  readonly reference: KnownBlock | undefined
  readonly depth: number
  /** Raw bytes of the chain with this block. */
  readonly chainBytes: number
  /** What its frame is made from. */
  readonly frames: readonly KnownBlock[]
  readonly place: FramePlace
}

/** What is needed to decode a block that continues another. */
interface Before {
  readonly content: Uint8Array
  readonly model?: Uint8Array
}

/** A block's raw bytes; of JSON lines also what went into zstd, and the model that they leave. */
interface Unpacked {
  readonly raw: Uint8Array
  readonly content?: Uint8Array
  readonly model?: Uint8Array
}

interface KnownChunk {
  readonly block: KnownBlock
  readonly offset: number
  readonly bytes: number
}

/** One segment of a capture file. Its chunks are named by `segmentChunks`; a hostile entry may name very many. */
export interface Segment {
  readonly stream: string
  /** What its chunks are looked up in: see `scopeOf`. */
  readonly scope: string
  readonly chunkKey: Uint8Array | undefined
  readonly entry: ManifestEntry
  readonly files: FileKind
  /** Every chunk that the pack names; `entry.runs` point into it. */
  readonly names: readonly ChunkName[]
  readonly bytes: number
}

/** A pack that was taken in, as far as it could be read. */
export interface Taken extends CheckedPack {
  /** Undefined where it is encrypted and nothing opens it. */
  readonly pack: ReadPack | undefined
  /** Why not: `identity-missing`. */
  readonly closed?: SluiceError
  readonly segments: readonly Segment[]
  readonly problems: readonly SluiceError[]
}

/** References stay inside an epoch, and where chunks are named with a key inside those that share it. */
function scopeOf({ epoch, chunkKey }: Pick<Manifest, 'epoch' | 'chunkKey'>): string {
  return chunkKey ? `${toHex(epoch)}:${toHex(chunkKey)}` : toHex(epoch)
}

export function* segmentChunks(segment: Segment): Iterable<ChunkName> {
  for (const run of segment.entry.runs) {
    for (let index = run.first; index < run.first + run.count; index++) yield segment.names[index] as ChunkName
  }
}

/**
 * Reads a device log in order of seq and trusts nothing: each pack must continue its predecessor, and each reference
 * must lead to an earlier block or chunk of the same epoch. Content is decoded on demand and checked chunk by chunk.
 */
export class DeviceLog {
  readonly #open: PackOpener
  readonly #zstd: Codec
  readonly #unlock: Unlock | undefined
  readonly #chunks = new Map<string, Map<string, KnownChunk>>()
  readonly #blocks = new Map<string, KnownBlock>()
  readonly #unpacked = new ByteCache<KnownBlock, Unpacked>(cacheBytes, sizeOfUnpacked)
  readonly #lineages = new ByteCache<KnownBlock, Before>(cacheBytes, ({ content, model }) => content.length + (model?.length ?? 0))
  readonly #pictures = new ByteCache<KnownBlock, Picture>(pictureCacheBytes, ({ pixels }) => pixels.byteLength)
  #last: PackName | undefined

  /** Without `unlock` encrypted packs stay closed. */
  constructor(open: PackOpener, zstd: Codec, unlock?: Unlock) {
    this.#open = open
    this.#zstd = zstd
    this.#unlock = unlock
  }

  /**
   * Takes in the next pack: `list()` order. Returns what it holds and every problem with its place in the log; a pack
   * that is itself damaged throws `pack-invalid` and is skipped.
   */
  async add(name: PackName): Promise<Taken> {
    const before = this.#last
    this.#last = name
    await using source = await this.#open(name)
    const { header, body } = await checkPack(source, name)
    const problems = chainProblem(before, header)
    try {
      const pack = await openPack({ name, header }, body, this.#zstd, this.#unlock)
      return { name, header, pack, segments: segmentsOf(pack.manifest), problems: [...problems, ...this.index(pack)] }
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'identity-missing') throw error
      return { name, header, pack: undefined, closed: error, segments: [], problems }
    }
  }

  /** Whether everything that a segment needs was taken in, so that its content can be had. */
  holds(segment: Segment): boolean {
    const chunks = this.#chunks.get(segment.scope)
    for (const chunk of segmentChunks(segment)) {
      if (chunks?.get(keyOf(chunk.hash))?.bytes !== chunk.bytes) return false
    }
    return true
  }

  /** Takes in what a pack holds, also of one that has no place in the log yet. Returns the references that lead nowhere. */
  index(pack: IndexedPack): SluiceError[] {
    const { manifest, name } = pack
    const scope = scopeOf(manifest)
    const chunks = this.#chunks.get(scope) ?? new Map<string, KnownChunk>()
    this.#chunks.set(scope, chunks)
    const problems: SluiceError[] = []
    const problem = (offset: number, what: string): void => void problems.push(packError(packFileName(name), offset, what))
    for (const chunk of manifest.external) {
      const known = chunks.get(keyOf(chunk.hash))
      if (known?.bytes !== chunk.bytes) problem(0, 'refers to a chunk that no earlier pack of its epoch holds')
    }
    manifest.blocks.forEach((block, index) => {
      const offset = pack.blockOffsets[index] ?? 0
      const found = this.#place(pack, block, offset)
      if (typeof found === 'string') return problem(offset, found)
      this.#blocks.set(blockKey(manifest, block, block.ordinal), found)
      let at = 0
      for (const chunk of block.chunks) {
        const key = keyOf(chunk.hash)
        if (!chunks.has(key)) chunks.set(key, { block: found, offset: at, bytes: chunk.bytes })
        at += chunk.bytes
      }
    })
    return problems
  }

  /** A block with all that it refers to, or what is wrong with that. */
  #place(pack: IndexedPack, block: ManifestBlock, offset: number): KnownBlock | string {
    const rawBytes = block.chunks.reduce((sum, chunk) => sum + chunk.bytes, 0)
    const blockBefore = (distance: number): KnownBlock | undefined => this.#blocks.get(blockKey(pack.manifest, block, block.ordinal - distance))
    const reference = block.referenceDistance > 0 ? blockBefore(block.referenceDistance) : undefined
    if (block.referenceDistance > 0 && !reference) return 'continues a block that no earlier pack of its epoch holds'
    if (reference?.block.codec === codecIds.frame) return 'continues a frame'
    if (reference && !mayContinue(reference, rawBytes)) return 'continues a chain that is too long'
    const { frameDistances = [] } = block
    const frames = frameDistances.map(blockBefore).filter((each) => each?.block.codec === codecIds.frame) as KnownBlock[]
    if (frames.length < frameDistances.length) return 'is made from a frame that no earlier pack of its epoch holds'
    if (!frames.every(({ place }) => mayReferTo(place, block.ordinal, rawBytes))) return 'is made from a frame too far back'
    if (this.#blocks.has(blockKey(pack.manifest, block, block.ordinal))) return 'claims the number of an earlier block'
    const [depth, chainBytes] = reference ? [reference.depth + 1, reference.chainBytes + rawBytes] : [0, rawBytes]
    return { pack, offset, block, rawBytes, reference, depth, chainBytes, frames, place: placeOf(block.ordinal, frames.map(({ place }) => place)) }
  }

  /** Decodes every block of a pack and checks every chunk of it. Throws `pack-invalid` at the first that is wrong. */
  async verifyContent(pack: ReadPack): Promise<void> {
    for (const block of pack.manifest.blocks) {
      const known = this.#blocks.get(blockKey(pack.manifest, block, block.ordinal))
      if (known?.pack === pack) await this.#decode(known)
    }
    for (const segment of segmentsOf(pack.manifest)) if (segment.entry.isFrame) await this.#checkFrame(segment)
  }

  /** What a block of a frame holds is one; any other chunk may be, and must be looked at. */
  async #checkFrame(segment: Segment): Promise<void> {
    for (const chunk of segmentChunks(segment)) {
      const known = this.#chunks.get(segment.scope)?.get(keyOf(chunk.hash))
      if (known && known.block.block.codec !== codecIds.frame) frameIn(await this.#chunk(segment.scope, chunk))
    }
  }

  /** The bytes of a segment, chunk by chunk, each checked against its name; of a frame the PNG that is made of it. */
  async *content(segment: Segment): AsyncIterable<Uint8Array> {
    for (const chunk of segmentChunks(segment)) {
      const bytes = await this.#chunk(segment.scope, chunk)
      yield segment.entry.isFrame ? writePng(frameIn(bytes)) : bytes
    }
  }

  async #chunk(scope: string, name: ChunkName): Promise<Uint8Array> {
    const known = this.#chunks.get(scope)?.get(keyOf(name.hash))
    if (known?.bytes !== name.bytes) throw new SluiceError('log-gap', 'content is missing: the pack that held it is damaged or gone')
    const raw = await this.#decode(known.block)
    return raw.subarray(known.offset, known.offset + known.bytes)
  }

  async #decode(known: KnownBlock): Promise<Uint8Array> {
    return (await this.#unpack(known)).raw
  }

  async #unpack(known: KnownBlock): Promise<Unpacked> {
    const cached = this.#unpacked.get(known)
    if (cached) return cached
    const isFrame = known.block.codec === codecIds.frame
    const unpacked = isFrame ? { raw: frameBytes(frameOf(await this.#picture(known))) } : await this.#decompress(known)
    this.#check(known, unpacked.raw)
    this.#unpacked.set(known, unpacked)
    return unpacked
  }

  async #stored({ block, pack, offset }: KnownBlock): Promise<Uint8Array> {
    await using source = await this.#open(pack.name)
    const where = packFileName(pack.name)
    const content = pack.payload ? decrypted(source, pack.payload) : source
    if (offset + block.storedBytes > content.sizeBytes) throw packError(where, offset, 'the pack became shorter')
    return await located(where, 0, () => content.read(offset, block.storedBytes))
  }

  /** Checks each chunk against its name. */
  #check({ block, pack, offset, rawBytes }: KnownBlock, raw: Uint8Array): void {
    const where = packFileName(pack.name)
    if (raw.length !== rawBytes) throw packError(where, offset, `the block has ${raw.length} bytes instead of ${rawBytes}`)
    let at = 0
    for (const chunk of block.chunks) {
      const hash = chunkNameOf(raw.subarray(at, at + chunk.bytes), pack.manifest.chunkKey)
      if (Buffer.compare(hash, chunk.hash) !== 0) throw packError(where, offset, `the chunk at ${at} of its block does not match its hash`)
      at += chunk.bytes
    }
  }

  async #decompress(known: KnownBlock): Promise<Unpacked> {
    const { rawBytes, reference, block: { codec } } = known
    const stored = await this.#stored(known)
    const before = reference && codec !== codecIds.raw ? await this.#lineage(reference) : undefined
    return decoding(known, async () => {
      if (codec === codecIds.raw) return { raw: stored }
      const options = before ? { reference: before.content } : {}
      const isLines = codec === codecIds.lines
      const content = await this.#zstd.decompress(stored, { rawBytes: isLines ? contentBytesOf(stored) : rawBytes, ...options })
      if (!isLines) return { raw: content }
      const { raw, model } = decodeLines(content, before?.model)
      return { raw, content, model }
    })
  }

  /** What a block that continues `known` is compressed against. Works from the far end, so depth costs no stack. */
  async #lineage(known: KnownBlock): Promise<Before> {
    const path: KnownBlock[] = []
    let before: Before | undefined
    for (let at: KnownBlock | undefined = known; at && !(before = this.#lineages.get(at)); at = at.reference) path.push(at)
    for (const block of path.reverse()) {
      if (block.reference && before) this.#lineages.set(block.reference, before)
      const { raw, content = raw, model = block.reference && before?.model } = await this.#unpack(block)
      before = { content: extend(block.reference && before?.content, content), ...(model && { model }) }
    }
    before ??= { content: new Uint8Array(0) }
    this.#lineages.set(known, before)
    return before
  }

  /** The picture of a frame's block. What it is made from is decoded once each, from the first of the run on. */
  async #picture(known: KnownBlock): Promise<Picture> {
    const held = new Map<KnownBlock, Picture>()
    const needed = this.#neededFor(known, held)
    for (const [index, each] of needed.entries()) {
      const stored = await this.#stored(each)
      const picture = await decoding(each, async () => decodeFrame(stored, each.frames.map((frame) => held.get(frame)!)))
      // At once: what it said decided how many are held.
      if (frameSize(picture) !== each.rawBytes) throw packError(packFileName(each.pack.name), each.offset, 'the frame has another size')
      held.set(each, picture)
      const rest = new Set(needed.slice(index + 1).flatMap(({ frames }) => frames))
      for (const block of held.keys()) if (block !== known && !rest.has(block)) held.delete(block)
    }
    const picture = held.get(known)!
    this.#pictures.set(known, picture)
    return picture
  }

  /** The blocks to decode for `known`, itself the last; pictures that are at hand are put into `held`. */
  #neededFor(known: KnownBlock, held: Map<KnownBlock, Picture>): KnownBlock[] {
    const needed = new Set([known])
    for (const block of needed) {
      for (const frame of block.frames) {
        const picture = held.get(frame) ?? this.#pictures.get(frame)
        if (picture) held.set(frame, picture)
        else needed.add(frame)
      }
    }
    return [...needed].sort((a, b) => a.block.ordinal - b.block.ordinal)
  }
}

function sizeOfUnpacked({ raw, content, model }: Unpacked): number {
  return raw.length + (content?.length ?? 0) + (model?.length ?? 0)
}

function blockKey(manifest: Manifest, { stream }: ManifestBlock, ordinal: number): string {
  return `${scopeOf(manifest)}/${manifest.streams[stream]?.name}/${ordinal}`
}

/** Runs a decoder; what it finds wrong is reported with the place of the block. */
async function decoding<T>({ pack, offset }: KnownBlock, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'codec-failed') throw error
    throw packError(packFileName(pack.name), offset, error.message, error)
  }
}

function frameIn(bytes: Uint8Array): Frame {
  try {
    return readFrame(bytes)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    throw new SluiceError('pack-invalid', `a file is said to be a frame, and is none: ${error.message}`, { cause: error })
  }
}

/** What the names of two packs that follow each other in a listing say is wrong: a gap, or one place claimed twice. */
export function placeProblem(before: PackName | undefined, { seq }: Pick<PackName, 'seq'>): SluiceError | undefined {
  const last = before?.seq ?? 0
  if (seq === last) return new SluiceError('log-forked', `two packs claim place ${seq} of the device log`)
  if (seq === last + 1) return undefined
  const gap = last + 1 === seq - 1 ? `pack ${seq - 1} is` : `packs ${last + 1} to ${seq - 1} are`
  return new SluiceError('log-gap', `${gap} missing from the device log`, { data: { first: last + 1, last: seq - 1 } })
}

function chainProblem(before: PackName | undefined, header: ReadPack['header']): SluiceError[] {
  const misplaced = placeProblem(before, header)
  if (misplaced) return [misplaced]
  const expected = before ? Buffer.from(before.hash, 'hex') : noPrevious
  if (Buffer.compare(header.previous, expected) === 0) return []
  return [new SluiceError('log-forked', `pack ${header.seq} does not continue pack ${before?.seq ?? 0} of the device log`)]
}

/** The segments that a manifest holds, in order. */
export function segmentsOf(manifest: Manifest): Segment[] {
  const { chunkKey } = manifest
  const scope = scopeOf(manifest)
  const names = [...manifest.blocks.flatMap((block) => block.chunks), ...manifest.external]
  const ends = [0]
  for (const name of names) ends.push((ends.at(-1) ?? 0) + name.bytes)
  return manifest.entries.map((entry) => {
    const bytes = entry.runs.reduce((sum, { first, count }) => sum + (ends[first + count] ?? 0) - (ends[first] ?? 0), 0)
    const { name: stream = '', files = 'append' } = manifest.streams[entry.stream] ?? {}
    return { stream, scope, chunkKey, entry, files, names, bytes }
  })
}
