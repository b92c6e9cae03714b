/**
 * A token bucket, kept as debt: what was handed over and is not yet earned by time. Slices go when there is no debt. A
 * bucket is empty at rest and saves nothing up for later, apart from what a late timer lost.
 */
export interface Bucket {
  /** Negative: lost by a late timer, to be caught up with. */
  readonly debtBytes: number
  /** When that was so, milliseconds. */
  readonly at: number
}

/** Largest piece that is handed to the kernel at once: what a pause cannot take back when a connection is not reset. */
const mostSliceBytes = 64 << 10
/** At a rate, a slice is what this time allows: short enough to look even, long enough to fill packets. */
const sliceMs = 40
/** How much of a late timer is caught up with. More would let bursts through after a busy moment of this process. */
const catchUpMs = 25

/** The debt at `now`. */
export function drain(bucket: Bucket, bytesPerSecond: number, now: number): Bucket {
  const earned = bytesPerSecond * Math.max(0, now - bucket.at) / 1000
  return { debtBytes: Math.max(bucket.debtBytes - earned, -catchUpMs * bytesPerSecond / 1000), at: now }
}

/** How long a slice has to wait, milliseconds; 0: it may go now. */
export function waitMs(drained: Bucket, bytesPerSecond: number): number {
  return Math.max(0, drained.debtBytes) / bytesPerSecond * 1000
}

export function spend(drained: Bucket, bytes: number): Bucket {
  return { ...drained, debtBytes: drained.debtBytes + bytes }
}

/** Bytes of payload to hand over at once: whole segments, since what does not fill a packet pays for its headers. */
export function sliceBytes(bytesPerSecond: number, segmentBytes: number, windowBytes: number): number {
  const allowed = Math.min(mostSliceBytes, windowBytes / 4, bytesPerSecond * sliceMs / 1000)
  return Math.min(mostSliceBytes, Math.max(1, Math.floor(allowed / segmentBytes)) * segmentBytes)
}
