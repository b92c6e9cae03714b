import type { NetworkClass } from '../scheduler/conditions.ts'
import type { Cap, CapUse } from './cap.ts'
import { periodAt } from './cap.ts'
import { dayMs } from './civil-day.ts'

/** Which bytes are meant; what is missing does not matter. */
export interface Scope {
  /** Id of a network, not its name. */
  readonly network?: string
  readonly on?: NetworkClass
  readonly stream?: string
}

/** Knows what was used: the ledger, or a simulation's memory. Times are milliseconds since the epoch. */
export interface UsageSource {
  /** Bytes dated `at` or later, settled or still reserved. */
  usedSince(at: number, scope: Scope): number
  /** The earliest date, `at` or later, of bytes that count. */
  oldestSince(at: number, scope: Scope): number | undefined
}

/** Ids of the networks that the worker named, by name. */
export type NetworkIds = ReadonlyMap<string, string>

/** What is used of `cap` in the period that holds `now`, nothing where its network is not known. */
export function capUse(cap: Cap, now: number, timeZone: string, source: UsageSource, networkIds: NetworkIds): CapUse {
  const period = periodAt(cap, now, timeZone)
  const scope = scopeOf(cap, networkIds)
  const usedSince = (at: number) => (scope ? source.usedSince(at, scope) : 0)
  const usedBytes = usedSince(period.start)
  if (cap.per === 'rolling') {
    const oldest = scope && source.oldestSince(period.start, scope)
    return { ...cap, ...period, usedBytes, ...(oldest !== undefined && { end: oldest + (period.end - now) }) }
  }
  if (!cap.pace) return { ...cap, ...period, usedBytes }
  const today = periodAt({ per: 'day' }, now, timeZone)
  const usedToday = usedSince(today.start)
  const leftThisMorning = cap.limitBytes - (usedBytes - usedToday)
  // Rounded, since days of 23 and 25 hours are whole ones too. Rounding the share down leaves the rest to later days.
  const daysLeft = Math.max(1, Math.round((period.end - today.start) / dayMs))
  const shareBytes = Math.max(0, Math.floor(leftThisMorning / daysLeft))
  return { ...cap, ...period, usedBytes, today: { shareBytes, usedBytes: usedToday, end: today.end } }
}

function scopeOf({ network, on, stream }: Cap, networkIds: NetworkIds): Scope | undefined {
  const id = network === undefined ? undefined : networkIds.get(network)
  if (network !== undefined && id === undefined) return undefined
  return {
    ...(id !== undefined && { network: id }),
    ...(on !== undefined && { on }),
    ...(stream !== undefined && { stream }),
  }
}

/** A network, its class, and the streams of the queue that would be sent over it. */
export interface Where {
  /** Missing when it cannot be told: caps of named networks do not count then. */
  readonly network?: string
  readonly on: NetworkClass
  readonly streams: readonly string[]
}

/** The caps that count for a queue on a network. That of a stream counts for a queue that holds just this stream. */
export function capsFor(caps: readonly Cap[], { network, on, streams }: Where, networkIds: NetworkIds): Cap[] {
  return caps.filter((cap) =>
    (cap.network === undefined || (network !== undefined && networkIds.get(cap.network) === network))
    && (cap.on === undefined || cap.on === on)
    && (cap.stream === undefined || (streams.length === 1 && streams[0] === cap.stream)))
}
