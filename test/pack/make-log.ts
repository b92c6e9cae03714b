import { createHash } from 'node:crypto'
import type { Stream } from '../../src/capture/stream.ts'
import type { FileTake } from '../../src/capture/take.ts'
import { RollingFingerprint } from '../../src/capture/fingerprint.ts'
import type { Codec } from '../../src/compress/codec.ts'
import type { FrameEffort } from '../../src/compress/frames/codec.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { encodeTail } from '../../src/pack/body.ts'
import { BlockCoder } from '../../src/pack/block-coder.ts'
import { PackBuilder, type BuiltBody } from '../../src/pack/builder.ts'
import { chunkerStart, nextCut, type ChunkerState } from '../../src/pack/chunker.ts'
import type { Sealer } from '../../src/pack/encryption.ts'
import { FramePacker } from '../../src/pack/frame-packer.ts'
import type { KeptFrame } from '../../src/pack/frame-run.ts'
import { encodeHeader, headerHash, noPrevious } from '../../src/pack/header.ts'
import type { Lineage } from '../../src/pack/lineage.ts'
import type { Manifest } from '../../src/pack/manifest.ts'
import { chunkNameOf, keyOf, sha256, toHex } from '../../src/pack/sha256.ts'
import type { Destination, PackName } from '../../src/transfer/destination.ts'
import { memoryDestination } from '../../src/transfer/memory.ts'

export const device = 'laptop-17'

export function streamOf(name: string, files: Stream['files'] = 'append', rest: Partial<Stream> = {}): Stream {
  return { name, folder: '/nowhere', include: ['**'], purpose: 'tests', files, fidelity: 'bytes', quietMs: 0, onSent: 'keep', priority: 'normal', optional: false, ...rest }
}

/** Bytes that do not compress, the same for the same seed. */
export function noise(seed: string, sizeBytes: number): Buffer {
  return createHash('shake256', { outputLength: sizeBytes }).update(seed).digest()
}

/** Lines that compress well, and better against other lines; the same for the same seed. */
export function lines(seed: string, sizeBytes: number): Buffer {
  const random = noise(seed, Math.ceil(sizeBytes / 20) + 1)
  let text = ''
  for (let at = 0; text.length < sizeBytes; at++) text += `{"t":${170_000 + at},"x":${random[at % random.length]},"app":"editor"}\n`
  return Buffer.from(text.slice(0, sizeBytes), 'latin1')
}

export const idOf = (name: string): Uint8Array => sha256(Buffer.from(name)).subarray(0, 8)

export interface SegmentFacts {
  readonly path: string | Uint8Array
  /** Tells the file from others; the path when it is left out. */
  readonly id?: string
  readonly offset?: number
  readonly complete?: boolean
  readonly mode?: number
  readonly modifiedUs?: number
  readonly chunker?: ChunkerState
  /** Of the epoch, where its chunks are named with one. */
  readonly chunkKey?: Uint8Array
}

/** Adds one segment to a pack, cut as the packer cuts. Returns the chunker's state behind it. */
export async function addSegment(builder: PackBuilder, stream: Stream, facts: SegmentFacts, bytes: Uint8Array): Promise<ChunkerState> {
  const path = typeof facts.path === 'string' ? Buffer.from(facts.path) : facts.path
  const fileId = idOf(facts.id ?? Buffer.from(path).toString('latin1'))
  const { mode = 0o644, modifiedUs = 1_790_000_000_123_456, offset = 0 } = facts
  builder.beginEntry(stream, { path, fileId, mode, modifiedUs, offset })
  let state = facts.chunker ?? chunkerStart
  for (let at = 0; at < bytes.length;) {
    const cut = nextCut(bytes.subarray(at), state)
    const chunk = bytes.subarray(at, at + cut.length)
    await builder.addChunk(stream, chunk, chunkNameOf(chunk, facts.chunkKey))
    at += cut.length
    state = cut.state
  }
  builder.endEntry(facts.complete ?? stream.files === 'whole')
  return state
}

/** Adds a picture as a frame, as the packer does. False when it is better stored as bytes: nothing was added then. */
export async function addPicture(builder: PackBuilder, stream: Stream, path: string, file: Uint8Array, effort: FrameEffort = 'normal'): Promise<boolean> {
  const fileId = idOf(`${stream.name}/${path}`)
  builder.beginEntry(stream, { path: Buffer.from(path), fileId, mode: 0o644, modifiedUs: 1_790_000_000_123_456, offset: 0 })
  const isFrame = await new FramePacker(effort).pack(builder, stream, file)
  if (isFrame) builder.endEntry(true)
  else builder.dropEntry()
  return isFrame
}

export interface StampedPack {
  readonly name: PackName
  readonly bytes: Buffer
}

/** A body with its header in front, under the name that vouches for both. */
export function stamp(body: Uint8Array, place: { device?: string; seq: number; previous?: Uint8Array; encryption?: 'age' | undefined }): StampedPack {
  const owner = place.device ?? device
  const header = encodeHeader({
    device: owner, seq: place.seq, previous: place.previous ?? noPrevious, bodyBytes: body.length, bodyHash: sha256(body),
    ...(place.encryption && { encryption: place.encryption }),
  })
  return { name: { device: owner, seq: place.seq, hash: toHex(headerHash(header)) }, bytes: Buffer.concat([header, body]) }
}

export async function put(destination: Destination, { name, bytes }: StampedPack): Promise<void> {
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length)
  await destination.put({ name, sizeBytes: bytes.length, read })
}

/** A body made of a manifest as it is, right or wrong, and the stored bytes of its blocks. */
export async function bodyOf(manifest: Manifest, blocks: readonly Uint8Array[]): Promise<Buffer> {
  return Buffer.concat([...blocks, await encodeTail(manifest, zstdNative)])
}

/** A manifest that holds nothing. */
export const emptyManifest: Manifest = {
  epoch: idOf('epoch'), sealNumber: 1, sealedAt: 1_790_000_000_000, streams: [], blocks: [], external: [], entries: [],
}

interface Epoch {
  readonly id: Uint8Array
  readonly chunks: Set<string>
  readonly ordinals: Map<string, number>
  readonly lineages: Map<string, Lineage>
  readonly frames: Map<string, readonly KeptFrame[]>
}

/** Writes a device log pack by pack, as packer, journal and sender do together. */
export class LogMaker {
  readonly destination: Destination
  readonly packs: StampedPack[] = []
  readonly built: BuiltBody[] = []
  readonly #zstd: Codec
  readonly #blocks: BlockCoder
  readonly #sealer: Sealer | undefined
  readonly #epochs = new Map<string, Epoch>()

  constructor(options: { zstd?: Codec; level?: number; destination?: Destination; sealer?: Sealer } = {}) {
    this.#sealer = options.sealer
    this.#zstd = options.zstd ?? zstdNative
    this.#blocks = new BlockCoder(this.#zstd, options.level ?? 3)
    this.destination = options.destination ?? memoryDestination()
  }

  get names(): PackName[] {
    return this.packs.map(({ name }) => name)
  }

  /** For segments of an encrypted log. */
  key(epoch: string): { readonly chunkKey?: Uint8Array } {
    return this.#sealer ? { chunkKey: this.#sealer.chunkKey(idOf(epoch)) } : {}
  }

  #epoch(name: string): Epoch {
    const epoch = this.#epochs.get(name) ?? { id: idOf(name), chunks: new Set(), ordinals: new Map(), lineages: new Map(), frames: new Map() }
    this.#epochs.set(name, epoch)
    return epoch
  }

  async body(epochName: string, fill: (builder: PackBuilder) => Promise<unknown>): Promise<Buffer> {
    const epoch = this.#epoch(epochName)
    const parts: Uint8Array[] = []
    const keep = async (bytes: Uint8Array): Promise<void> => void parts.push(Uint8Array.from(bytes))
    const age = await this.#sealer?.begin(keep)
    const builder = new PackBuilder({
      past: {
        epoch: epoch.id,
        ...this.key(epochName),
        sealNumber: this.packs.length + 1,
        hasChunk: (hash) => epoch.chunks.has(keyOf(hash)),
        nextOrdinal: (stream) => epoch.ordinals.get(stream) ?? 0,
        lineage: (stream) => epoch.lineages.get(stream),
        frames: async (stream) => epoch.frames.get(stream) ?? [],
      },
      zstd: this.#zstd,
      blocks: this.#blocks,
      write: (bytes) => (age ? age.write(bytes) : keep(bytes)),
    })
    await fill(builder)
    const built = await builder.finish(1_790_000_000_000 + this.packs.length)
    await age?.finish()
    this.built.push(built)
    for (const hash of built.chunks) epoch.chunks.add(keyOf(hash))
    for (const [stream, next] of built.ordinals) epoch.ordinals.set(stream, next)
    for (const [stream, lineage] of built.lineages) epoch.lineages.set(stream, lineage)
    for (const [stream, frames] of built.frames) epoch.frames.set(stream, frames)
    return Buffer.concat(parts)
  }

  /** Builds, stamps and sends one pack. */
  async pack(epoch: string, fill: (builder: PackBuilder) => Promise<unknown>): Promise<StampedPack> {
    return this.append(await this.body(epoch, fill))
  }

  async append(body: Uint8Array): Promise<StampedPack> {
    const last = this.packs.at(-1)
    const previous = last ? Buffer.from(last.name.hash, 'hex') : noPrevious
    const pack = stamp(body, { seq: this.packs.length + 1, previous, encryption: this.#sealer && 'age' })
    await put(this.destination, pack)
    this.packs.push(pack)
    return pack
  }
}

export interface FakeTake extends FileTake {
  closed: boolean
}

/** A capture file for the packer that exists in memory only; `bytes` are what is new in it. */
export function fakeTake(stream: Stream, path: string, bytes: Uint8Array, rest: Partial<FileTake> & { bufferBytes?: number; torn?: boolean } = {}): FakeTake {
  const startOffset = rest.startOffset ?? 0
  const rolling = new RollingFingerprint()
  return {
    stream,
    path: Buffer.from(path),
    fileId: idOf(`${stream.name}/${path}`),
    base: rest.base ?? 0,
    startOffset,
    chunker: chunkerStart,
    facts: {
      device: 1n, inode: idOf(`${stream.name}/${path}`).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n),
      sizeBytes: startOffset + bytes.length, modifiedUs: 1_790_000_000_123_456, changedUs: 1_790_000_000_123_456, mode: 0o640,
    },
    async *read() {
      const size = rest.bufferBytes ?? 1 << 20
      for (let at = 0; at < bytes.length; at += size) {
        const buffer = Uint8Array.from(bytes.subarray(at, at + size))
        rolling.push(buffer)
        yield buffer
        buffer.fill(0xee) // it stays valid only until the next one is asked for
      }
    },
    fingerprint: () => rolling.value(),
    unchanged: async () => !rest.torn,
    keep: () => true,
    closed: false,
    async [Symbol.asyncDispose]() {
      this.closed = true
    },
    ...rest,
  }
}
