/**
 * How much may be handed to the kernel and not yet be acknowledged: what a line delivers in its round trip and a little
 * more. The kernel alone would take megabytes, and on a slow line what it passed on to the interface's queue is still
 * leaving seconds after a reset. It also keeps our own queue short on the way, which is what delays other people.
 */
export interface Window {
  readonly bytes: number
  /** The last look at the connection. */
  readonly look?: SendLook
  /** The look from which delivery is measured. */
  readonly mark?: SendLook
  /** Delivered per millisecond while something was always queued; missing until measured. */
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
/** Where the line's rate was measured once, doubling would overshoot. */
const knownGrowth = 1.2
/** Between looks while the window is full: the time it takes to drain three quarters of it, within these. */
const lookAgainMs = { least: 25, most: 200 }

export const windowStart: Window = { bytes: firstBytes }

/** The window after a look: larger when all got through, otherwise what the rate in between allows. */
export function afterLook(window: Window, look: SendLook): Window {
  const mark = window.mark ?? { ...look, handedBytes: 0, queuedBytes: 0 }
  const usedBytes = mark.queuedBytes + look.handedBytes - mark.handedBytes
  if (look.queuedBytes <= window.bytes / 8) {
    const growth = usedBytes < window.bytes / 2 ? 1 : window.bytesPerMs === undefined ? 2 : knownGrowth
    return { ...window, bytes: Math.min(mostBytes, Math.round(window.bytes * growth)), look, mark: look }
  }
  const elapsedMs = look.at - mark.at
  if (elapsedMs < measureMs) return { ...window, look, mark }
  const bytesPerMs = Math.max(0, usedBytes - look.queuedBytes) / elapsedMs
  const allowedBytes = Math.round(bytesPerMs * (look.leastRttMs + queueMs))
  const bytes = Math.min(window.bytes * 2, mostBytes, Math.max(leastBytes, allowedBytes))
  return { bytes, look, mark: look, bytesPerMs }
}

/** Handed over and not known to be acknowledged. */
export function outstandingBytes({ look }: Window, handedBytes: number): number {
  return look ? look.queuedBytes + handedBytes - look.handedBytes : handedBytes
}

/** When to look again at a window that is full, milliseconds. */
export function lookAgainAfterMs(window: Window, handedBytes: number): number {
  const excessBytes = outstandingBytes(window, handedBytes) - window.bytes / 4
  return Math.min(lookAgainMs.most, Math.max(lookAgainMs.least, excessBytes / (window.bytesPerMs || Infinity)))
}
