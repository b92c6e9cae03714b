import { createHash } from 'node:crypto'
import { Kernel, type KernelExports } from '../compress/wasm.ts'
import { bytes as kernelBytes } from './gear-wasm.ts'

/** Where a chunker stands inside a chunk that is not yet cut: what continues an append-only file later. */
export interface ChunkerState {
  /** Gear hash of the bytes since the last boundary, unsigned 32 bits. */
  readonly hash: number
  /** Bytes since the last content-defined boundary. */
  readonly sinceBoundary: number
}

/** The state at the start of a file. */
export const chunkerStart: ChunkerState = { hash: 0, sinceBoundary: 0 }

/**
 * Chunk sizes in bytes. Smaller chunks find more repeats and cost more manifest (32 bytes each); 64 KiB is where
 * screenshots of one application still share chunks. They are written into every manifest.
 */
export const chunkSizes = { least: 16 << 10, average: 64 << 10, most: 256 << 10 } as const

/** What kernels/gear.ts exports. */
interface Exports extends KernelExports {
  gearAt(): number
  inputAt(): number
  lastHash(): number
  scan(length: number, start: number, mask: number): number
}

interface Started {
  readonly kernel: Exports
  /** Where what is gone through is copied to. */
  readonly window: Uint8Array
}

/** What is copied for the kernel at a time: most boundaries are near. */
const windowBytes = 16 << 10
let started: Started | undefined

/** On first use: most commands cut nothing. */
function start(): Started {
  const kernel = new Kernel<Exports>(kernelBytes).start()
  // 256 numbers that anyone can make again: the first four bytes, little-endian, of SHA-256("sluice gear 1 <byte>").
  new Int32Array(kernel.memory.buffer, kernel.gearAt(), 256).set(Int32Array.from({ length: 256 }, (_, byte) =>
    createHash('sha256').update(`sluice gear 1 ${byte}`).digest().readInt32LE(0),
  ))
  return { kernel, window: new Uint8Array(kernel.memory.buffer, kernel.inputAt(), windowBytes) }
}

/**
 * Normalised chunking (Xia et al., FastCDC, USENIX ATC 2016): a stricter mask before the average size and a laxer
 * one behind it pull sizes towards the average. The high bits are used because they depend on the last 32 bytes;
 * low bits of a gear hash depend on fewer.
 */
const strictMask = 0xffffc000 | 0 // 18 bits
const laxMask = 0xfffc0000 | 0 // 14 bits

/** Length of the first chunk in `bytes`, or undefined with the state to go on from when no boundary is in it. */
export type Cut = { readonly length: number; readonly state: ChunkerState }

/**
 * Finds the next boundary in `bytes`, which continue a chunk whose state is `state`. `found` tells whether `length`
 * ends at a boundary; otherwise all bytes were taken in and `state` goes on with the ones that follow.
 */
export function nextCut(bytes: Uint8Array, state: ChunkerState): Cut & { readonly found: boolean } {
  const { least, average, most } = chunkSizes
  const since = state.sinceBoundary
  // Positions are relative to `bytes`; a boundary at position p ends the chunk before byte p.
  const end = Math.min(bytes.length, most - since)
  const normal = Math.min(end, Math.max(0, average - since))
  const begin = Math.min(end, Math.max(0, least - since))
  const strict = scan(bytes, begin, normal, state.hash, strictMask)
  if (strict.found) return { found: true, length: strict.at, state: chunkerStart }
  const lax = scan(bytes, Math.max(begin, normal), end, strict.hash, laxMask)
  if (lax.found || since + end >= most) return { found: true, length: lax.found ? lax.at : end, state: chunkerStart }
  return { found: false, length: end, state: { hash: lax.hash, sinceBoundary: since + end } }
}

/** Goes from `from` to `to` until the hash has no bit of `mask`. */
function scan(bytes: Uint8Array, from: number, to: number, before: number, mask: number): { readonly found: boolean, readonly at: number, readonly hash: number } {
  const { kernel, window } = started ??= start()
  // Twice as quick as `set` where the bytes are in shared memory.
  const shared = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  let hash = before
  for (let at = from; at < to; at += windowBytes) {
    const length = Math.min(windowBytes, to - at)
    shared.copy(window, 0, at, at + length)
    const taken = kernel.scan(length, hash, mask)
    if (taken >= 0) return { found: true, at: at + taken, hash: 0 }
    hash = kernel.lastHash() >>> 0
  }
  return { found: false, at: to, hash }
}
