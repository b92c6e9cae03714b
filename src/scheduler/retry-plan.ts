/**
 * How long is waited after a failure. `local`: on this machine, where looking again costs no bytes. `way`: opens when
 * somebody logs in to a network, who then expects it to be noticed. `passing`: mends by itself. `lasting`: needs
 * somebody's hands, so trying soon is of no use.
 */
export type RetryClass = 'local' | 'way' | 'passing' | 'lasting'

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** The shortest wait, and the ceiling that the waits grow to. */
const bounds: Readonly<Record<RetryClass, { readonly firstMs: number, readonly longestMs: number }>> = {
  local: { firstMs: second, longestMs: 5 * minute },
  way: { firstMs: second, longestMs: 15 * minute },
  // A dead server costs a device some five tries a day.
  passing: { firstMs: second, longestMs: 5 * hour },
  lasting: { firstMs: 2 * minute, longestMs: 5 * hour },
}

/** Longest wait that another side may ask for: a wrong clock or header must not silence a device for good. */
const longestAskedMs = 24 * hour

/** The first tries after a start are spread over this: a thousand devices that start together come over a minute. */
const startSpreadMs = minute

/** Where a plan stands. Kept over restarts; times are milliseconds since the epoch. */
export interface Retry {
  /** Failures without progress. */
  readonly attempts: number
  /** When it is tried again. */
  readonly until: number
  /** The wait that ends then. */
  readonly delayMs: number
  /** The other side said when to come back. */
  readonly isAsked: boolean
}

/** What the wait after the failure with this number is drawn below; it doubles with each. */
export function waitCeiling(kind: RetryClass, attempts: number): number {
  const { firstMs, longestMs } = bounds[kind]
  return Math.min(longestMs, firstMs * 2 ** Math.min(attempts, 32))
}

/**
 * Full jitter (Brooker, AWS Architecture Blog 2015) above the shortest wait: devices that failed together do not come back
 * together. `random`: 0 ≤ n < 1.
 */
export function retryDelay(kind: RetryClass, attempts: number, random: number): number {
  const { firstMs } = bounds[kind]
  return Math.floor(firstMs + random * (waitCeiling(kind, attempts) - firstMs))
}

interface Failure {
  readonly now: number
  readonly random: number
  /** How long the other side asked to be left alone, milliseconds. */
  readonly askedMs?: number | undefined
}

/** One more failure. */
export function afterFailure(kind: RetryClass, before: Retry | undefined, { now, random, askedMs = 0 }: Failure): Retry {
  const attempts = (before?.attempts ?? 0) + 1
  const ownMs = retryDelay(kind, attempts, random)
  const asked = Number.isFinite(askedMs) ? Math.min(askedMs, longestAskedMs) : 0
  const delayMs = Math.max(ownMs, asked)
  return { attempts, until: now + delayMs, delayMs, isAsked: asked > ownMs }
}

/** Bytes arrived: the next failure is a first one. */
export function afterProgress(retry: Retry): Retry {
  return { ...retry, attempts: 0 }
}

/** Something changed that may have mended it: it is tried now. Where the change is a new situation, failures count anew. */
export function triedNow(retry: Retry, now: number, isNew: boolean): Retry {
  return { ...retry, until: now, delayMs: 0, isAsked: false, attempts: isNew ? 0 : retry.attempts }
}

/**
 * A start may be the mending, so it tries soon, however long the wait would have been; but not at once, as others may
 * start with it, and not before the time that the other side asked for. What failed so far still counts.
 */
export function afterStart(retry: Retry, now: number, random: number): Retry {
  if (retry.isAsked && isWaiting(retry, now)) return retry
  const delayMs = Math.floor(random * startSpreadMs)
  return { ...retry, until: now + delayMs, delayMs, isAsked: false }
}

/** Whether it is not to be tried yet. A clock that was set back puts nothing off. */
export function isWaiting({ until, delayMs }: Retry, now: number): boolean {
  return until > now && until - now <= delayMs
}
