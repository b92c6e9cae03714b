import { createHash, createHmac, hash } from 'node:crypto'

/** Of a chunk's name, and of every other hash here. */
export const hashBytes = 32

/** SHA-256 in one call: for the many small inputs here several times quicker than a `Hash` object each. */
export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer')
}

/**
 * What a chunk is called: its SHA-256, or where its epoch has a key the HMAC-SHA256 under it, so that whoever has the name
 * and not the key cannot try what content it fits.
 */
export function chunkNameOf(bytes: Uint8Array, key: Uint8Array | undefined): Buffer {
  return key ? chunkNameOfParts([bytes], key) : sha256(bytes)
}

/** `chunkNameOf` what the parts are together. */
export function chunkNameOfParts(parts: readonly Uint8Array[], key: Uint8Array | undefined): Buffer {
  const together = key ? createHmac('sha256', key) : createHash('sha256')
  for (const part of parts) together.update(part)
  return together.digest()
}

/** A hash (or any bytes) as a Map key: one character a byte. */
export function keyOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}
