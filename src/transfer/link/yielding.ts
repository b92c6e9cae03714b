/** One look at a connection that sends. */
export interface DelaySample {
  /** Round trip to the destination, milliseconds. */
  readonly delayMs: number
  /** What arrived there since the sample before. */
  readonly deliveredBytesPerSecond: number
  /** Share of segments since the sample before that had to be sent again. */
  readonly lossShare: number
}

/**
 * Gives way by delay, after LEDBAT (RFC 6817): the base delay is the least seen in recent minutes, and what goes beyond
 * it is somebody's queue, ours or another's. A queue of 60 ms halves the rate; an empty one lets it grow slowly.
 */
export interface Yielding {
  /** Undefined: nothing has slowed us down yet. */
  readonly bytesPerSecond?: number
  /** Least delay in each of the last minutes that had samples, newest last. */
  readonly minutes: readonly { readonly minute: number, readonly leastMs: number }[]
  readonly sampledAt: number
  /** When the rate was last halved. */
  readonly halvedAt: number
}

/** The delay a person notices in a call (design: "when the delay rises by 60 ms over its base, halve"). */
const queueLimitMs = 60
/** With a queue shorter than this the line has room to spare. */
const queueFreeMs = 20
/** Short buffers drop before they delay: more loss than this beside some queue is a full one, without a queue radio. */
const lossLimit = 0.01
/** Slower than this, a transfer hardly ever ends; faster, it is felt on the poorest lines. */
export const leastBytesPerSecond = 8_000
/** Doubles in 5 s: from the least rate to 500 kB/s in half a minute. */
const growthPerSecond = 0.15
/** Adds up where 15 % are next to nothing. */
const growthBytesPerSecond = 4_000
/** The queue needs this long to show what halving did, beyond the round trip itself. */
const settleMs = 200
/** RFC 6817 section 2.4.2: a base history of ten minutes follows a changed route and outlives a download. */
const historyMinutes = 10
const historyLimitMinutes = 60

export const yieldingStart: Yielding = { minutes: [], sampledAt: -Infinity, halvedAt: -Infinity }

/** The state after a sample taken at `now` (milliseconds that never go back). */
export function yieldTo(state: Yielding, sample: DelaySample, now: number): Yielding {
  const minutes = remember(state.minutes, sample.delayMs, Math.floor(now / 60_000))
  const queueMs = sample.delayMs - Math.min(...minutes.map(({ leastMs }) => leastMs))
  const next = { ...state, minutes, sampledAt: now }
  const isFull = queueMs >= queueLimitMs || (queueMs >= queueFreeMs && sample.lossShare > lossLimit)
  if (isFull) {
    if (now - state.halvedAt < sample.delayMs + settleMs) return next
    const going = Math.min(state.bytesPerSecond ?? Infinity, sample.deliveredBytesPerSecond)
    return { ...next, bytesPerSecond: Math.max(leastBytesPerSecond, going / 2), halvedAt: now }
  }
  if (state.bytesPerSecond === undefined || queueMs >= queueFreeMs) return next
  // A rate that is not used says nothing about what the line could take.
  if (sample.deliveredBytesPerSecond < state.bytesPerSecond / 2) return next
  const seconds = Math.min(1, (now - state.sampledAt) / 1000)
  const growth = Math.max(growthBytesPerSecond, growthPerSecond * state.bytesPerSecond) * seconds
  return { ...next, bytesPerSecond: state.bytesPerSecond + growth }
}

function remember(minutes: Yielding['minutes'], delayMs: number, minute: number): Yielding['minutes'] {
  const last = minutes.at(-1)
  if (last?.minute === minute) return [...minutes.slice(0, -1), { minute, leastMs: Math.min(last.leastMs, delayMs) }]
  const recent = minutes.filter((each) => minute - each.minute < historyLimitMinutes)
  return [...recent, { minute, leastMs: delayMs }].slice(-historyMinutes)
}
