import { createHash } from 'node:crypto'
import { chunkSizes, chunkerStart, type ChunkerState, type Cut } from '../../../src/pack/chunker.ts'

/** 256 numbers that anyone can make again: the first four bytes, little-endian, of SHA-256("sluice gear 1 <byte>"). */
const gear = Int32Array.from({ length: 256 }, (_, byte) =>
  createHash('sha256').update(`sluice gear 1 ${byte}`).digest().readInt32LE(0),
)

/**
 * Normalised chunking (Xia et al., FastCDC, USENIX ATC 2016): a stricter mask before the average size and a laxer
 * one behind it pull sizes towards the average. The high bits are used because they depend on the last 32 bytes;
 * low bits of a gear hash depend on fewer.
 */
const strictMask = 0xffffc000 | 0 // 18 bits
const laxMask = 0xfffc0000 | 0 // 14 bits

/** `nextCut` in plain TypeScript. */
export function plainNextCut(bytes: Uint8Array, state: ChunkerState): Cut & { readonly found: boolean } {
  const { least, average, most } = chunkSizes
  const since = state.sinceBoundary
  // Positions are relative to `bytes`; a boundary at position p ends the chunk before byte p.
  const end = Math.min(bytes.length, most - since)
  const normal = Math.min(end, Math.max(0, average - since))
  let at = Math.min(end, Math.max(0, least - since))
  let hash = state.hash | 0
  while (at < normal) {
    hash = ((hash << 1) + gear[bytes[at++] as number]!) | 0
    if ((hash & strictMask) === 0) return { found: true, length: at, state: chunkerStart }
  }
  while (at < end) {
    hash = ((hash << 1) + gear[bytes[at++] as number]!) | 0
    if ((hash & laxMask) === 0) return { found: true, length: at, state: chunkerStart }
  }
  if (since + end >= most) return { found: true, length: end, state: chunkerStart }
  return { found: false, length: end, state: { hash: hash >>> 0, sinceBoundary: since + end } }
}
