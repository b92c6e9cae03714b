import { sha256 } from '../pack/sha256.ts'
import type { Fingerprint } from './take.ts'

/** How much of each end a fingerprint covers: one page, so that a check costs two small reads. */
export const fingerprintBytes = 4096

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

export const sameFingerprint = (a: Fingerprint, b: Fingerprint): boolean =>
  sameBytes(a.head, b.head) && sameBytes(a.tail, b.tail)

/** Follows the bytes of a file from its start, keeping just what a fingerprint needs. */
export class RollingFingerprint {
  #head: Buffer
  #tail: Buffer

  /** Continues where `head` and `tail`, as `edges` places them, have been read already. */
  constructor(head: Uint8Array = new Uint8Array(0), tail: Uint8Array = head) {
    this.#head = Buffer.from(head)
    this.#tail = Buffer.from(tail)
  }

  push(bytes: Uint8Array): void {
    const missing = fingerprintBytes - this.#head.length
    if (missing > 0) this.#head = Buffer.concat([this.#head, bytes.subarray(0, missing)])
    const kept = bytes.length >= fingerprintBytes ? [] : [this.#tail.subarray(Math.max(0, this.#tail.length + bytes.length - fingerprintBytes))]
    this.#tail = Buffer.concat([...kept, bytes.subarray(Math.max(0, bytes.length - fingerprintBytes))])
  }

  value(): Fingerprint {
    const head = sha256(this.#head)
    // Of a small file both ends are all of it.
    return { head, tail: sameBytes(this.#head, this.#tail) ? head : sha256(this.#tail) }
  }
}

/** Which bytes a fingerprint at `offset` covers: `length` bytes from 0 and from `tailStart`. */
export function edges(offset: number): { readonly length: number; readonly tailStart: number } {
  const length = Math.min(fingerprintBytes, offset)
  return { length, tailStart: offset - length }
}
