import type { FileKind } from '../capture/stream.ts'
import type { Codec } from '../compress/codec.ts'
import type { ByteSource, PackName } from '../transfer/destination.ts'
import type { Unlock } from './identities.ts'
import type { ChunkName, Manifest, ManifestBlock, ManifestEntry } from './manifest.ts'
import type { CheckedPack, ReadPack } from './read-pack.ts'
import { codecIds } from '../compress/codec.ts'
import { SluiceError } from '../observe/error.ts'
import { packFileName } from '../transfer/destination.ts'
import { decrypted } from './age-payload.ts'
import { ByteCache } from './byte-cache.ts'
import { noPrevious } from './header.ts'
import { extend, maxLineageDepth } from './lineage.ts'
import { checkPack, located, openPack, packError } from './read-pack.ts'
import { chunkNameOf, keyOf, toHex } from './sha256.ts'

/** Decoded blocks and lineages kept while reading: files of one stream follow each other, so a few suffice. */
const cacheBytes = 48 << 20

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
  readonly #raw = new ByteCache<KnownBlock>(cacheBytes)
  readonly #lineages = new ByteCache<KnownBlock>(cacheBytes)
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
      const lineage = `${scope}/${manifest.streams[block.stream]?.name}/`
      const reference = block.referenceDistance > 0 ? this.#blocks.get(`${lineage}${block.ordinal - block.referenceDistance}`) : undefined
      if (block.referenceDistance > 0 && !reference) return problem(offset, 'continues a block that no earlier pack of its epoch holds')
      const depth = reference ? reference.depth + 1 : 0
      if (depth > maxLineageDepth) return problem(offset, `chain of more than ${maxLineageDepth} blocks`)
      if (this.#blocks.has(`${lineage}${block.ordinal}`)) return problem(offset, 'claims the number of an earlier block')
      const rawBytes = block.chunks.reduce((sum, chunk) => sum + chunk.bytes, 0)
      const known: KnownBlock = { pack, offset, block, rawBytes, reference, depth }
      this.#blocks.set(`${lineage}${block.ordinal}`, known)
      let at = 0
      for (const chunk of block.chunks) {
        const key = keyOf(chunk.hash)
        if (!chunks.has(key)) chunks.set(key, { block: known, offset: at, bytes: chunk.bytes })
        at += chunk.bytes
      }
    })
    return problems
  }

  /** Decodes every block of a pack and checks every chunk of it. Throws `pack-invalid` at the first that is wrong. */
  async verifyContent(pack: ReadPack): Promise<void> {
    const scope = scopeOf(pack.manifest)
    for (const { stream, ordinal } of pack.manifest.blocks) {
      const known = this.#blocks.get(`${scope}/${pack.manifest.streams[stream]?.name}/${ordinal}`)
      if (known?.pack === pack) await this.#decode(known)
    }
  }

  /** The bytes of a segment, chunk by chunk, each checked against its name. */
  async *content(segment: Segment): AsyncIterable<Uint8Array> {
    for (const chunk of segmentChunks(segment)) yield await this.#chunk(segment.scope, chunk)
  }

  async #chunk(scope: string, name: ChunkName): Promise<Uint8Array> {
    const known = this.#chunks.get(scope)?.get(keyOf(name.hash))
    if (known?.bytes !== name.bytes) throw new SluiceError('log-gap', 'content is missing: the pack that held it is damaged or gone')
    const raw = await this.#decode(known.block)
    return raw.subarray(known.offset, known.offset + known.bytes)
  }

  async #decode(known: KnownBlock): Promise<Uint8Array> {
    const cached = this.#raw.get(known)
    if (cached) return cached
    const { block, pack, offset } = known
    const where = packFileName(pack.name)
    await using source = await this.#open(pack.name)
    const content = pack.payload ? decrypted(source, pack.payload) : source
    if (offset + block.storedBytes > content.sizeBytes) throw packError(where, offset, 'the pack became shorter')
    const stored = await located(where, 0, () => content.read(offset, block.storedBytes))
    const raw = block.codec === codecIds.raw ? stored : await this.#decompress(known, stored)
    let at = 0
    for (const chunk of block.chunks) {
      const hash = chunkNameOf(raw.subarray(at, at + chunk.bytes), pack.manifest.chunkKey)
      if (Buffer.compare(hash, chunk.hash) !== 0) throw packError(where, offset, `the chunk at ${at} of its block does not match its hash`)
      at += chunk.bytes
    }
    this.#raw.set(known, raw)
    return raw
  }

  async #decompress(known: KnownBlock, stored: Uint8Array): Promise<Uint8Array> {
    const { rawBytes, reference, pack, offset } = known
    const content = reference ? await this.#lineage(reference) : undefined
    try {
      return await this.#zstd.decompress(stored, content ? { rawBytes, reference: content } : { rawBytes })
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'codec-failed') throw packError(packFileName(pack.name), offset, error.message, error)
      throw error
    }
  }

  /** What a block that continues `known` is compressed against. Works from the far end, so depth costs no stack. */
  async #lineage(known: KnownBlock): Promise<Uint8Array> {
    const path: KnownBlock[] = []
    let content: Uint8Array | undefined
    for (let at: KnownBlock | undefined = known; at && !(content = this.#lineages.get(at)); at = at.reference) path.push(at)
    for (const block of path.reverse()) {
      if (block.reference && content) this.#lineages.set(block.reference, content)
      content = extend(content, await this.#decode(block))
    }
    content ??= new Uint8Array(0)
    this.#lineages.set(known, content)
    return content
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
