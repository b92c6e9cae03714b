/**
 * How much may be handed to the kernel and not yet be acknowledged: what a line delivers in its round trip and a little
 * more. The kernel alone would take megabytes, and on a slow line what it passed on to the interface's queue is still
 * leaving seconds after a reset. It also keeps our own queue short on the way, which is what delays other people.
 */
export interface Window {
  readonly bytes: number
  /** The last look at the connection. */
  readonly look?: SendLook
  /** The look from which delivery is measured, and growth. */
  readonly mark?: SendLook
  /** What the line delivers per millisecond; missing until something but the window held the transfer back. */
  readonly bytesPerMs?: number
}

/** What the kernel says of what was handed over. */
export interface SendLook {
  /** When it was asked, milliseconds. */
  readonly at: number
  /** Handed over until then. */
  readonly handedBytes: number
  /** Of these, not yet acknowledged. */
  readonly queuedBytes: number
  /** Least round trip of the connection, milliseconds. */
  readonly leastRttMs: number
  /** Round trip of late, milliseconds. */
  readonly rttMs?: number
  /** Segments that were sent again so far. */
  readonly retransmittedSegments: number
  /** What the kernel's congestion control let through, per millisecond; missing while it was kept waiting for bytes. */
  readonly deliveredBytesPerMs?: number
}

/** TCP's own first window (RFC 6928): leaves in a quarter of a second at 60 kB/s, until the line is known. */
const firstBytes = 10 * 1448
/** Two segments: receivers wait for a second one before they acknowledge. */
const leastBytes = 2 * 1448
/** A gigabit with a round trip of 130 ms. */
const mostBytes = 16 << 20
/** What may queue up beyond the round trip: part of the 250 ms within which a pause is seen on the wire. */
const queueMs = 90
/** Over a shorter time the burst that a queue lets through at once looks like a fast line. */
const measureMs = 30
/** Between looks while the window is full: the time it takes to drain three quarters of it, within these. */
const lookAgainMs = { least: 25, most: 200 }

export const windowStart: Window = { bytes: firstBytes }

/**
 * The window after a look. While the window alone holds the transfer back, it doubles with each round trip in which it
 * was used; where a queue on the way or the kernel's congestion control does, it is what their rate fills.
 */
export function afterLook(window: Window, look: SendLook): Window {
  const { rttMs = look.leastRttMs, leastRttMs } = look
  const mark = window.mark ?? { ...look, handedBytes: 0, queuedBytes: 0, retransmittedSegments: 0 }
  const elapsedMs = look.at - mark.at
  const isDrained = look.queuedBytes <= window.bytes / 8
  const settleMs = Math.max(measureMs, Math.min(rttMs, leastRttMs + 2 * queueMs)) // after an outage the round trip tells of that
  if (!isDrained && window.mark && elapsedMs < settleMs) return { ...window, look }
  const usedBytes = mark.queuedBytes + look.handedBytes - mark.handedBytes
  const deliveredBytes = Math.max(0, usedBytes - look.queuedBytes)
  const grownBytes = Math.min(mostBytes, window.bytes * 2)
  const within = (bytes: number): number => Math.min(grownBytes, Math.max(leastBytes, Math.round(bytes)))
  const wasUsed = usedBytes >= window.bytes / 2
  // Where packets are lost, delay and delivery tell of the kernel's repairs, which need some segments under way.
  if (look.retransmittedSegments > mark.retransmittedSegments || (!isDrained && deliveredBytes === 0)) {
    const isWaiting = wasUsed && deliveredBytes > 0 && look.deliveredBytesPerMs === undefined
    return { ...window, bytes: isWaiting ? grownBytes : Math.max(window.bytes, firstBytes), look, mark: look }
  }
  const isQueueing = rttMs - leastRttMs > queueMs / 2
  if (isQueueing && !isDrained && mark.queuedBytes > window.bytes / 8) {
    const bytesPerMs = deliveredBytes / elapsedMs
    return { bytes: within(bytesPerMs * (leastRttMs + queueMs)), look, mark: look, bytesPerMs }
  }
  const { deliveredBytesPerMs: bytesPerMs } = look
  // A round trip more than is under way: the kernel doubles that with each one until it knows the line.
  if (bytesPerMs !== undefined) return { bytes: within(bytesPerMs * (2 * leastRttMs + queueMs)), look, mark: look, bytesPerMs }
  const mayGrow = wasUsed && rttMs - leastRttMs < Math.max(queueMs / 4, leastRttMs / 8)
  return { ...window, bytes: mayGrow ? grownBytes : window.bytes, look, mark: look }
}

/** Handed over and not known to be acknowledged. */
export function outstandingBytes({ look }: Window, handedBytes: number): number {
  return look ? look.queuedBytes + handedBytes - look.handedBytes : handedBytes
}

/** When to look again at a window that is full, milliseconds: once half of the queue beyond the round trip has drained. */
export function lookAgainAfterMs({ look, bytes, bytesPerMs }: Window, handedBytes: number): number {
  const leastRttMs = look?.leastRttMs ?? 0
  const outstanding = outstandingBytes(look ? { bytes, look } : { bytes }, handedBytes)
  const drainMs = bytesPerMs === undefined ? leastRttMs / 2 : outstanding / (bytesPerMs || Infinity) - leastRttMs - queueMs / 2
  return Math.min(lookAgainMs.most, Math.max(lookAgainMs.least, drainMs))
}
