import { maxReferenceBytes } from '../compress/codec.ts'

/** Longest chain of blocks that must be decoded before one: bounds what reading a single file can cost. */
export const maxLineageDepth = 64

/**
 * What the next block of a stream can be compressed against: the content of block `ordinal` and, as far as
 * `maxReferenceBytes` reach, of the blocks it was itself compressed against.
 */
export interface Lineage {
  readonly ordinal: number
  /** Blocks behind `ordinal` that must be decoded first. */
  readonly depth: number
  readonly content: Uint8Array
}

/** The content that a block with `raw` leaves for the next one when it was compressed against `reference`. */
export function extend(reference: Uint8Array | undefined, raw: Uint8Array): Uint8Array {
  if (!reference || raw.length >= maxReferenceBytes) return raw.subarray(Math.max(0, raw.length - maxReferenceBytes))
  const kept = reference.subarray(Math.max(0, reference.length + raw.length - maxReferenceBytes))
  return Buffer.concat([kept, raw])
}
