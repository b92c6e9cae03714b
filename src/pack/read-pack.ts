import type { Codec } from '../compress/codec.ts'
import type { ByteSource, PackName } from '../transfer/destination.ts'
import type { PackHeader } from './header.ts'
import type { Unlock } from './identities.ts'
import type { Manifest } from './manifest.ts'
import { SluiceError } from '../observe/error.ts'
import { packFileName } from '../transfer/destination.ts'
import { ageHeaderBytes, decrypted, payloadKey, payloadNonceBytes, payloadShape, type AgePayload } from './age-payload.ts'
import { decodeTail, decodeTrailer, trailerBytes } from './body.ts'
import { FormatError } from './bytes.ts'
import { decodeHeader, headerHash, maxHeaderBytes, maxPackBytes } from './header.ts'
import { sha256, toHex } from './sha256.ts'

/** A pack that is the one in its name, header and body: what can be told of an encrypted one without a key. */
export interface CheckedPack {
  readonly name: PackName
  readonly header: PackHeader & { readonly headerBytes: number }
}

/** A pack whose header, body hash and manifest were checked. Blocks are still compressed. */
export interface ReadPack extends CheckedPack {
  readonly manifest: Manifest
  /** Where each block's stored bytes begin: in the pack, or in what an encrypted one decrypts to. */
  readonly blockOffsets: readonly number[]
  /** Where the body is encrypted. */
  readonly payload?: AgePayload
}

/** `pack-invalid` naming pack and offset. */
export function packError(where: string, offset: number, problem: string, cause?: unknown): SluiceError {
  return new SluiceError('pack-invalid', `${where}: at byte ${offset}: ${problem}`, { data: { offset }, cause })
}

/** Runs a decoder; what it finds wrong is reported with the place in the pack. */
export async function located<T>(where: string, base: number, work: () => T | Promise<T>): Promise<T> {
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
 * the body is the one in the header, that the manifest fits the blocks. Throws `pack-invalid`, and `identity-missing` when
 * the body is encrypted and `unlock` does not open it.
 */
export async function readPack(source: ByteSource, name: PackName, zstd: Codec, unlock?: Unlock): Promise<ReadPack> {
  const { header, body } = await checkPack(source, name)
  return await openPack({ name, header }, body, zstd, unlock)
}

/** The first half of `readPack`, which needs no key. Throws `pack-invalid`. */
export async function checkPack(source: ByteSource, name: PackName): Promise<{ readonly header: CheckedPack['header']; readonly body: Uint8Array }> {
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
  return { header, body }
}

/** The second half of `readPack`. */
export async function openPack({ name, header }: CheckedPack, body: Uint8Array, zstd: Codec, unlock?: Unlock): Promise<ReadPack> {
  const where = packFileName(name)
  const { headerBytes } = header
  if (header.encryption === undefined) {
    const { manifest, blockOffsets } = await readBody(sourceOf(body), where, zstd)
    return { name, header, manifest, blockOffsets: blockOffsets.map((offset) => offset + headerBytes) }
  }
  if (!unlock) throw new SluiceError('identity-missing', `${where} is encrypted, and no identity was given`)
  const payload = await located(where, headerBytes, () => openAge(body, where, unlock))
  const { manifest, blockOffsets } = await readBody(decrypted(sourceOf(body), payload), where, zstd)
  return { name, header, manifest, blockOffsets, payload: { ...payload, offset: payload.offset + headerBytes } }
}

async function openAge(file: Uint8Array, where: string, unlock: Unlock): Promise<AgePayload> {
  const nonceAt = ageHeaderBytes(file)
  const offset = nonceAt + payloadNonceBytes
  const shape = payloadShape(file.length - offset)
  const fileKey = await unlock(file.subarray(0, nonceAt)).catch((error: unknown) => {
    if (!(error instanceof SluiceError)) throw error
    throw new SluiceError(error.code, `${where} is ${error.message}`, { cause: error })
  })
  return { ...shape, key: payloadKey(fileKey, file.subarray(nonceAt, offset)), offset }
}

/** Bytes in memory. */
export function sourceOf(bytes: Uint8Array): ByteSource {
  return { sizeBytes: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) }
}

/** Reads the manifest of a body alone, as it lies in the spool. Throws `pack-invalid`. */
export async function readBody(body: ByteSource, where: string, zstd: Codec): Promise<Pick<ReadPack, 'manifest' | 'blockOffsets'>> {
  const trailerAt = body.sizeBytes - trailerBytes
  if (trailerAt < 0) throw packError(where, 0, 'too short for a trailer')
  const end = await located(where, 0, () => body.read(trailerAt, trailerBytes))
  const trailer = await located(where, trailerAt, () => decodeTrailer(end))
  const manifestAt = trailerAt - trailer.storedBytes
  if (manifestAt < 0) throw packError(where, trailerAt, 'the manifest would begin before the body')
  const stored = Uint8Array.from(await located(where, 0, () => body.read(manifestAt, trailer.storedBytes)))
  const manifest = await located(where, manifestAt, () => decodeTail(trailer, stored, body.sizeBytes, zstd))
  let offset = 0
  const blockOffsets = manifest.blocks.map((block) => (offset += block.storedBytes) - block.storedBytes)
  return { manifest, blockOffsets }
}
