import type { CodecId } from '../compress/codec.ts'
import type { Fidelity, FileKind } from '../capture/stream.ts'
import { codecIds, maxBlockBytes } from '../compress/codec.ts'
import { maxFrameBytes } from '../compress/frames/frame.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { chunkSizes } from './chunker.ts'
import { maxFrameDistance, maxFrameReferences, maxStoredFrameBytes } from './frame-run.ts'
import { hashBytes, isDeviceName } from './header.ts'

export const epochBytes = 8
export const fileIdBytes = 8
const chunkKeyBytes = 32
/** One block's worth, so that every codec can hold it and a hostile one cannot ask for much memory. */
export const maxManifestBytes = maxBlockBytes
const maxPathBytes = 4096
/** Longest part of a path that common file systems take. */
export const maxPartBytes = 255
/** The config takes 1000 characters, of up to three bytes each. */
const maxPurposeBytes = 4096
const maxStreamNameBytes = 64
const fileKinds: readonly FileKind[] = ['append', 'whole']
const fidelities: readonly Fidelity[] = ['bytes', 'pixels']
/** Gear table number 1 is the one in chunker.ts. */
const gearTable = 1

export interface ManifestStream {
  readonly name: string
  readonly purpose: string
  readonly files: FileKind
  readonly fidelity: Fidelity
}

export interface ChunkName {
  readonly hash: Uint8Array
  readonly bytes: number
}

export interface ManifestBlock {
  /** Index into `streams`. */
  readonly stream: number
  /** Counts the blocks of this stream within the epoch, from 0. */
  readonly ordinal: number
  /**
   * The block continues block `ordinal - referenceDistance`: it is compressed against the content up to there, and
   * whatever refers to it in turn reaches further back through it. 0: it begins anew.
   */
  readonly referenceDistance: number
  readonly codec: CodecId
  readonly storedBytes: number
  readonly chunks: readonly ChunkName[]
  /** Of a frame: how many blocks before this one those stand that it is made from, in the order of its code. */
  readonly frameDistances?: readonly number[]
}

/** `count` chunks beginning at `first`: below the number of stored chunks they are in this pack, above in `external`. */
export interface ChunkRun {
  readonly first: number
  readonly count: number
}

/** One segment: a byte range of one capture file. */
export interface ManifestEntry {
  readonly stream: number
  readonly path: Uint8Array
  readonly fileId: Uint8Array
  /** The file's last segment of a complete `whole` version. */
  readonly complete: boolean
  /** Its only chunk is a frame: the file is a PNG with that picture. */
  readonly isFrame: boolean
  readonly mode: number
  readonly modifiedUs: number
  readonly offset: number
  readonly runs: readonly ChunkRun[]
}

export interface Manifest {
  readonly epoch: Uint8Array
  /** Chunks are named by HMAC-SHA256 under this key; without one by SHA-256. */
  readonly chunkKey?: Uint8Array
  /** The writer's own count of sealed packs: orders packs that were not stamped yet. */
  readonly sealNumber: number
  readonly sealedAt: number
  readonly streams: readonly ManifestStream[]
  readonly blocks: readonly ManifestBlock[]
  /** Chunks that stand in earlier packs of the epoch. */
  readonly external: readonly ChunkName[]
  readonly entries: readonly ManifestEntry[]
}

/** Farthest time that fits a varint, in the year 2112: a file dated later (file systems allow it) is told as of then. */
const farthestUs = 2 ** 52 - 1

/** Numbers that may be negative (times before 1970) take turns: 0, -1, 1, -2 … */
const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value)
const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2)

export function encodeManifest(manifest: Manifest): Uint8Array {
  const writer = new ByteWriter()
  writer.bytes(manifest.epoch)
  writer.sized(manifest.chunkKey ?? new Uint8Array(0))
  writer.varint(manifest.sealNumber)
  writer.varint(manifest.sealedAt)
  for (const size of [chunkSizes.least, chunkSizes.average, chunkSizes.most]) writer.varint(size)
  writer.byte(gearTable)
  writer.varint(manifest.streams.length)
  for (const stream of manifest.streams) {
    writer.sized(Buffer.from(stream.name))
    writer.sized(Buffer.from(stream.purpose))
    writer.byte(fileKinds.indexOf(stream.files))
    writer.byte(fidelities.indexOf(stream.fidelity))
  }
  writer.varint(manifest.blocks.length)
  for (const block of manifest.blocks) {
    writer.varint(block.stream)
    writer.varint(block.ordinal)
    writer.varint(block.referenceDistance)
    writer.byte(block.codec)
    writer.varint(block.storedBytes)
    writer.varint(block.chunks.length)
    for (const chunk of block.chunks) writer.varint(chunk.bytes)
    if (block.codec !== codecIds.frame) continue
    const { frameDistances = [] } = block
    writer.varint(frameDistances.length)
    for (const distance of frameDistances) writer.varint(distance)
  }
  writer.varint(manifest.external.length)
  for (const chunk of manifest.external) writer.varint(chunk.bytes)
  writer.varint(manifest.entries.length)
  for (const entry of manifest.entries) encodeEntry(writer, entry)
  for (const block of manifest.blocks) for (const chunk of block.chunks) writer.bytes(chunk.hash)
  for (const chunk of manifest.external) writer.bytes(chunk.hash)
  return writer.finish()
}

function encodeEntry(writer: ByteWriter, entry: ManifestEntry): void {
  writer.varint(entry.stream)
  writer.sized(entry.path)
  writer.bytes(entry.fileId)
  writer.byte((entry.complete ? 1 : 0) + (entry.isFrame ? 2 : 0))
  writer.varint(entry.mode)
  writer.varint(zigzag(Math.max(-farthestUs, Math.min(farthestUs, entry.modifiedUs))))
  writer.varint(entry.offset)
  writer.varint(entry.runs.length)
  for (const run of entry.runs) {
    writer.varint(run.first)
    writer.varint(run.count)
  }
}

/**
 * Reads a manifest and checks all that it can check by itself: counts, sizes, indexes, paths, that blocks fill
 * `blocksBytes` exactly. What needs other packs (external chunks, references) is checked by the device log.
 * Throws `FormatError` with the offset in the manifest.
 */
export function decodeManifest(bytes: Uint8Array, blocksBytes: number): Manifest {
  const reader = new ByteReader(bytes)
  const epoch = reader.bytes(epochBytes, 'epoch')
  const chunkKey = reader.sized('chunk key', chunkKeyBytes)
  if (chunkKey.length > 0 && chunkKey.length < chunkKeyBytes) reader.fail('chunk key is too short')
  const sealNumber = reader.varint('seal number')
  const sealedAt = reader.varint('seal time')
  for (const what of ['least', 'average', 'most']) reader.varint(`${what} chunk size`, maxBlockBytes)
  reader.byte('gear table')
  const streams = Array.from({ length: reader.count('streams', 4, 4096) }, () => decodeStream(reader))
  const lengths: number[] = []
  const shapes = Array.from({ length: reader.count('blocks', 6, maxManifestBytes) }, () => {
    const shape = decodeBlock(reader, streams.length, lengths)
    lengths.push(...shape.sizes)
    return shape
  })
  const stored = lengths.length
  for (let left = chunkCount(reader, lengths.length); left > 0; left--) lengths.push(chunkSize(reader, maxFrameBytes))
  const entries = Array.from({ length: reader.count('entries', fileIdBytes + 8, maxManifestBytes) }, () =>
    decodeEntry(reader, streams.length, lengths),
  )
  const hashes = lengths.map((size) => ({ hash: reader.bytes(hashBytes, 'chunk hash'), bytes: size }))
  reader.end('manifest')
  if (shapes.reduce((sum, shape) => sum + shape.storedBytes, 0) !== blocksBytes) {
    reader.fail(`blocks do not fill their ${blocksBytes} bytes`)
  }
  let next = 0
  const blocks = shapes.map(({ sizes, ...block }) => ({ ...block, chunks: hashes.slice(next, (next += sizes.length)) }))
  const manifest = { epoch, sealNumber, sealedAt, streams, blocks, external: hashes.slice(stored), entries }
  return chunkKey.length > 0 ? { ...manifest, chunkKey } : manifest
}

function text(reader: ByteReader, what: string, mostBytes: number): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(reader.sized(what, mostBytes))
  } catch (error) {
    if (error instanceof TypeError) reader.fail(`${what} is not UTF-8`)
    throw error
  }
}

function oneOf<T>(reader: ByteReader, what: string, values: readonly T[]): T {
  return values[reader.byte(what)] ?? reader.fail(`${what} is unknown`)
}

function decodeStream(reader: ByteReader): ManifestStream {
  const name = text(reader, 'stream name', maxStreamNameBytes)
  // It becomes a folder where files are restored.
  if (!isDeviceName(name)) reader.fail('stream name is not allowed')
  return {
    name,
    purpose: text(reader, 'purpose', maxPurposeBytes),
    files: oneOf(reader, 'file kind', fileKinds),
    fidelity: oneOf(reader, 'fidelity', fidelities),
  }
}

/** Every chunk has a hash further on, so no count can ask for more memory than the manifest is worth. */
function chunkCount(reader: ByteReader, before: number): number {
  const count = reader.count('chunks', 1 + hashBytes, maxManifestBytes)
  return (before + count) * hashBytes <= reader.remaining ? count : reader.fail('more chunks than hashes')
}

function chunkSize(reader: ByteReader, most: number): number {
  const size = reader.varint('chunk size', most)
  return size > 0 ? size : reader.fail('empty chunk')
}

type BlockShape = Omit<ManifestBlock, 'chunks'> & { readonly sizes: readonly number[] }

function decodeBlock(reader: ByteReader, streams: number, before: readonly number[]): BlockShape {
  const stream = reader.varint('block stream', streams - 1)
  const ordinal = reader.varint('block ordinal')
  const referenceDistance = reader.varint('reference distance', ordinal)
  const codec = oneOf(reader, 'codec', Object.values(codecIds))
  const isFrame = codec === codecIds.frame
  const storedBytes = reader.varint('stored size', isFrame ? maxStoredFrameBytes : maxBlockBytes)
  const mostRaw = isFrame ? maxFrameBytes : maxBlockBytes
  const sizes = Array.from({ length: chunkCount(reader, before.length) }, () => chunkSize(reader, mostRaw))
  const raw = sizes.reduce((sum, size) => sum + size, 0)
  if (sizes.length === 0 || raw > mostRaw) reader.fail(`block of ${sizes.length} chunks, ${raw} bytes`)
  if (codec === codecIds.raw && storedBytes !== raw) reader.fail('raw block of another size')
  if (isFrame && (sizes.length > 1 || referenceDistance > 0)) reader.fail('a block of more than one frame')
  const shape = { stream, ordinal, referenceDistance, codec, storedBytes, sizes }
  if (!isFrame) return shape
  const frameDistances = Array.from({ length: reader.varint('frame references', maxFrameReferences) }, () =>
    reader.varint('frame distance', Math.min(ordinal, maxFrameDistance)) || reader.fail('a frame made from itself'),
  )
  return { ...shape, frameDistances }
}

function decodeEntry(reader: ByteReader, streams: number, lengths: readonly number[]): ManifestEntry {
  const stream = reader.varint('entry stream', streams - 1)
  const path = reader.sized('path', maxPathBytes)
  const problem = pathProblem(path)
  if (problem) reader.fail(`path ${problem}`)
  const fileId = reader.bytes(fileIdBytes, 'file id')
  const flags = reader.byte('flags')
  if (flags > 3) reader.fail('unknown flags')
  const [complete, isFrame] = [(flags & 1) !== 0, (flags & 2) !== 0]
  const mode = reader.varint('mode', 0o7777)
  const modifiedUs = unzigzag(reader.varint('modification time'))
  const offset = reader.varint('offset')
  const runs = Array.from({ length: reader.count('runs', 2, maxManifestBytes) }, () => {
    const first = reader.varint('run start', lengths.length)
    return { first, count: reader.varint('run length', lengths.length - first) }
  })
  if (isFrame && (!complete || offset > 0 || runs.length !== 1 || runs[0]?.count !== 1)) reader.fail('a frame that is no whole file')
  return { stream, path, fileId, complete, isFrame, mode, modifiedUs, offset, runs }
}

/** Why `path` may not name a file below a folder, or undefined when it may. */
export function pathProblem(path: Uint8Array): string | undefined {
  if (path.length === 0) return 'is empty'
  if (path.includes(0)) return 'holds a NUL byte'
  const parts = Buffer.from(path.buffer, path.byteOffset, path.length).toString('latin1').split('/')
  if (parts.some((part) => part === '' || part === '.' || part === '..')) return 'leads outside its stream'
  return parts.some((part) => part.length > maxPartBytes) ? `has a part of more than ${maxPartBytes} bytes` : undefined
}
