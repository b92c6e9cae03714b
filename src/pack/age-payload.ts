import type { ByteSource } from '../transfer/destination.ts'
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { FormatError } from './bytes.ts'

/**
 * The payload of an age file (age-encryption.org/v1): chunks of 64 KiB under ChaCha20-Poly1305. The header, where keys and
 * recipients are, is the library’s. This half is here because Node’s own cipher costs a fifth of the library’s CPU, and
 * because a reader can open one chunk without those before it.
 */
export const chunkBytes = 64 << 10
const tagBytes = 16
export const sealedChunkBytes = chunkBytes + tagBytes
export const payloadNonceBytes = 16
/** Twenty recipients of the largest kind take half of it; each entry of a hostile header costs a trial. */
export const maxAgeHeaderBytes = 64 << 10

const cipher = 'chacha20-poly1305'
const macLine = Buffer.from('\n--- ')

/** The encrypted part of a pack, and what opens it. */
export interface AgePayload {
  readonly key: Uint8Array
  /** Where the first sealed chunk begins in the pack. */
  readonly offset: number
  readonly chunks: number
  readonly plainBytes: number
}

/** Length of the age header that `bytes` begin with. Throws `FormatError` when it does not end within the limit. */
export function ageHeaderBytes(bytes: Uint8Array): number {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, maxAgeHeaderBytes))
  const mac = start.indexOf(macLine)
  const end = mac < 0 ? -1 : start.indexOf(0x0a, mac + 1)
  if (end < 0) throw new FormatError('no age header', 0)
  return end + 1
}

export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', fileKey, nonce, 'payload', 32))
}

/** What `sealedBytes` of chunks hold. Throws `FormatError` where no payload has that size. */
export function payloadShape(sealedBytes: number): Pick<AgePayload, 'chunks' | 'plainBytes'> {
  const chunks = Math.max(1, Math.ceil(sealedBytes / sealedChunkBytes))
  const lastBytes = sealedBytes - (chunks - 1) * sealedChunkBytes
  // An empty last chunk would be a second way to write the same.
  if (lastBytes < tagBytes || (lastBytes === tagBytes && chunks > 1)) throw new FormatError('the age file is cut short', 0)
  return { chunks, plainBytes: sealedBytes - chunks * tagBytes }
}

/** An 11-byte counter, big-endian, and whether it is the last chunk. */
function chunkNonce(index: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(index, 5, 6)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

/** Seals a chunk into `room`, at least `sealedChunkBytes` long, and returns the part of it that was used. */
export function sealChunk(key: Uint8Array, index: number, isLast: boolean, plain: Uint8Array, room: Uint8Array): Uint8Array {
  const sealing = createCipheriv(cipher, key, chunkNonce(index, isLast), { authTagLength: tagBytes })
  room.set(sealing.update(plain))
  sealing.final() // a stream cipher: nothing is left
  room.set(sealing.getAuthTag(), plain.length)
  return room.subarray(0, plain.length + tagBytes)
}

function openChunk(key: Uint8Array, index: number, isLast: boolean, sealed: Uint8Array): Buffer {
  const opening = createDecipheriv(cipher, key, chunkNonce(index, isLast), { authTagLength: tagBytes })
  opening.setAuthTag(sealed.subarray(-tagBytes))
  const plain = opening.update(sealed.subarray(0, -tagBytes))
  try {
    opening.final()
  } catch {
    throw new FormatError('the age file is damaged', index * sealedChunkBytes)
  }
  return plain
}

/** What the payload decrypts to, chunk by chunk as it is asked for. `pack` is the whole pack. Reading throws `FormatError`. */
export function decrypted(pack: ByteSource, { key, offset: start, chunks, plainBytes }: AgePayload): ByteSource {
  return {
    sizeBytes: plainBytes,
    read: async (offset, length) => {
      if (length === 0) return new Uint8Array(0)
      const first = Math.floor(offset / chunkBytes)
      const last = Math.floor((offset + length - 1) / chunkBytes)
      const from = start + first * sealedChunkBytes
      const to = last === chunks - 1 ? start + plainBytes + chunks * tagBytes : start + (last + 1) * sealedChunkBytes
      if (offset + length > plainBytes || to > pack.sizeBytes) throw new FormatError('the age file ends too early', 0)
      const sealed = await pack.read(from, to - from)
      const plain: Uint8Array[] = []
      for (let index = first; index <= last; index++) {
        const at = (index - first) * sealedChunkBytes
        plain.push(openChunk(key, index, index === chunks - 1, sealed.subarray(at, at + sealedChunkBytes)))
      }
      const skipped = offset - first * chunkBytes
      return Buffer.concat(plain).subarray(skipped, skipped + length)
    },
  }
}
