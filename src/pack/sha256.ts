import { createHmac, hash } from 'node:crypto'

/** SHA-256 in one call: for the many small inputs here several times quicker than a `Hash` object each. */
export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer')
}

/**
 * What a chunk is called: its SHA-256, or where its epoch has a key the HMAC-SHA256 under it, so that whoever has the name
 * and not the key cannot try what content it fits.
 */
export function chunkNameOf(bytes: Uint8Array, key: Uint8Array | undefined): Buffer {
  return key ? createHmac('sha256', key).update(bytes).digest() : sha256(bytes)
}

/** A hash (or any bytes) as a Map key: one character a byte. */
export function keyOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}
