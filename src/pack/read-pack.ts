import type { Codec } from '../compress/codec.ts'
import type { ByteSource, PackName } from '../transfer/destination.ts'
import type { PackHeader } from './header.ts'
import type { Manifest } from './manifest.ts'
import { SluiceError } from '../observe/error.ts'
import { packFileName } from '../transfer/destination.ts'
import { decodeTail, decodeTrailer, trailerBytes } from './body.ts'
import { FormatError } from './bytes.ts'
import { decodeHeader, headerHash, maxHeaderBytes, maxPackBytes } from './header.ts'
import { sha256, toHex } from './sha256.ts'

/** A pack whose header, body hash and manifest were checked. Blocks are still compressed. */
export interface ReadPack {
  readonly name: PackName
  readonly header: PackHeader & { readonly headerBytes: number }
  readonly manifest: Manifest
  /** Where each block's stored bytes begin in the pack. */
  readonly blockOffsets: readonly number[]
}

/** `pack-invalid` naming pack and offset. */
export function packError(where: string, offset: number, problem: string, cause?: unknown): SluiceError {
  return new SluiceError('pack-invalid', `${where}: at byte ${offset}: ${problem}`, { data: { offset }, cause })
}

/** Runs a decoder; what it finds wrong is reported with the place in the pack. */
async function located<T>(where: string, base: number, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof FormatError) throw packError(where, base + error.offset, error.message, error)
    if (error instanceof SluiceError && error.code === 'codec-failed') throw packError(where, base, error.message, error)
    throw error
  }
}

/**
 * Reads a whole pack and checks everything that it can prove by itself: that the header is the one in its name, that
 * the body is the one in the header, that the manifest fits the blocks. Throws `pack-invalid`.
 */
export async function readPack(source: ByteSource, name: PackName, zstd: Codec): Promise<ReadPack> {
  const where = packFileName(name)
  if (source.sizeBytes > maxPackBytes) throw packError(where, 0, `${source.sizeBytes} bytes are above the limit`)
  const bytes = await source.read(0, source.sizeBytes)
  // Copies: what is kept of a pack must not keep the whole of it in memory.
  const header = await located(where, 0, () => decodeHeader(Uint8Array.from(bytes.subarray(0, maxHeaderBytes))))
  const { headerBytes } = header
  if (toHex(headerHash(bytes.subarray(0, headerBytes))) !== name.hash) {
    throw packError(where, 0, 'the header does not match the pack’s name')
  }
  if (header.device !== name.device || header.seq !== name.seq) throw packError(where, 0, 'device or seq differ from the name')
  if (headerBytes + header.bodyBytes !== bytes.length) {
    throw packError(where, bytes.length, `${headerBytes + header.bodyBytes} bytes expected, ${bytes.length} found`)
  }
  const body = bytes.subarray(headerBytes)
  if (Buffer.compare(sha256(body), header.bodyHash) !== 0) {
    throw packError(where, headerBytes, 'the body does not match its hash')
  }
  const { manifest, blockOffsets } = await readBody(body, where, zstd)
  return { name, header, manifest, blockOffsets: blockOffsets.map((offset) => offset + headerBytes) }
}

/** Reads the manifest of a body alone, as it lies in the spool. Throws `pack-invalid`. */
export async function readBody(body: Uint8Array, where: string, zstd: Codec): Promise<Pick<ReadPack, 'manifest' | 'blockOffsets'>> {
  const trailerAt = body.length - trailerBytes
  if (trailerAt < 0) throw packError(where, 0, 'too short for a trailer')
  const trailer = await located(where, trailerAt, () => decodeTrailer(body.subarray(trailerAt)))
  const manifestAt = trailerAt - trailer.storedBytes
  if (manifestAt < 0) throw packError(where, trailerAt, 'the manifest would begin before the body')
  const stored = Uint8Array.from(body.subarray(manifestAt, trailerAt))
  const manifest = await located(where, manifestAt, () => decodeTail(trailer, stored, body.length, zstd))
  let offset = 0
  const blockOffsets = manifest.blocks.map((block) => (offset += block.storedBytes) - block.storedBytes)
  return { manifest, blockOffsets }
}
