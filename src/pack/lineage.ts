import { maxReferenceBytes } from '../compress/codec.ts'
import { sharedBytes } from '../workers/shared-memory.ts'

/** Longest chain of blocks that must be decoded before one … */
export const maxLineageDepth = 512
/** … and most raw bytes of all of them together: both bound what reading a single file can cost. */
export const maxChainBytes = 64 << 20

/**
 * What the next block of a stream can be compressed against: the content of block `ordinal` and, as far as
 * `maxReferenceBytes` reach, of the blocks it was itself compressed against.
 */
export interface Lineage {
  readonly ordinal: number
  /** Blocks behind `ordinal` that must be decoded first. */
  readonly depth: number
  /** Raw bytes of them and of block `ordinal`. */
  readonly chainBytes: number
  /** What went into zstd: of blocks of JSON lines their columns, of others their raw bytes. */
  readonly content: Uint8Array
  /** What the last block of JSON lines in the chain left for the next one. */
  readonly model?: Uint8Array
}

/** Whether a block of `rawBytes` may continue `lineage`. */
export function mayContinue({ depth, chainBytes }: Pick<Lineage, 'depth' | 'chainBytes'>, rawBytes: number): boolean {
  return depth < maxLineageDepth && chainBytes + rawBytes <= maxChainBytes
}

/** The content, a copy, that a block with `raw` leaves for the next one when it was compressed against `reference`. */
export function extend(reference: Uint8Array | undefined, raw: Uint8Array): Uint8Array {
  const added = raw.subarray(Math.max(0, raw.length - maxReferenceBytes))
  const kept = reference?.subarray(Math.max(0, reference.length + added.length - maxReferenceBytes)) ?? new Uint8Array()
  const both = sharedBytes(kept.length + added.length)
  both.set(kept)
  both.set(added, kept.length)
  return both
}
