import { mostBytes, newAccount } from '../link/wire-cost.ts'
import { tusWireBytes } from '../tus.ts'

/** Least and usual size of a part. What a cut costs is at most one part, or one pack that is no larger. */
export const leastPartBytes = 5 << 20

/** Largest pack that a device of a collector puts into the store by itself: a cut costs all of it. */
export const mostDirectBytes = 5 << 20

/**
 * As `tusWireBytes`, with 48 KiB for listing, looking and beginning, and for each part what signed requests and their
 * answers take.
 */
export function s3WireBytes(payloadBytes: number): number {
  return tusWireBytes(payloadBytes) + (48 << 10) + Math.ceil(payloadBytes / leastPartBytes) * (6 << 10)
}

/** As `tusWireBytes`, with a connection to the store beside that to the collector, and a request more. */
export function directWireBytes(payloadBytes: number): number {
  return tusWireBytes(payloadBytes) + mostBytes(newAccount) + (24 << 10)
}
