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

/**
 * What is used of `cap` in the period that holds `now`. Bytes of which it is not known whether they count do count. Of a
 * cap whose network has not been named, these are all there are.
 */
export function capUse(cap: Cap, now: number, timeZone: string, source: UsageSource, networkIds: NetworkIds): CapUse {
  const period = periodAt(cap, now, timeZone)
  const scope = scopeOf(cap, networkIds)
  const usedBytes = source.usedSince(period.start, scope)
  if (cap.per === 'rolling') {
    const oldest = source.oldestSince(period.start, scope)
    return { ...cap, ...period, usedBytes, ...(oldest !== undefined && { end: oldest + (period.end - now) }) }
  }
  if (!cap.pace) return { ...cap, ...period, usedBytes }
  const today = periodAt({ per: 'day' }, now, timeZone)
  const usedToday = source.usedSince(today.start, scope)
  const leftThisMorning = cap.limitBytes - (usedBytes - usedToday)
  // Rounded, since days of 23 and 25 hours are whole ones too. Rounding the share down leaves the rest to later days.
  const daysLeft = Math.max(1, Math.round((period.end - today.start) / dayMs))
  const shareBytes = Math.max(0, Math.floor(leftThisMorning / daysLeft))
  return { ...cap, ...period, usedBytes, today: { shareBytes, usedBytes: usedToday, end: today.end } }
}

/** In place of the id of a network that the worker has not named: no network has it. */
const unnamed = ''

function scopeOf({ network, on, stream }: Cap, networkIds: NetworkIds): Scope {
  return {
    ...(network !== undefined && { network: networkIds.get(network) ?? unnamed }),
    ...(on !== undefined && { on }),
    ...(stream !== undefined && { stream }),
  }
}

/** Over which network bytes leave, and whose they are. What is missing cannot be told. */
export interface Where {
  /** Id of the network. */
  readonly network?: string
  readonly on: NetworkClass
  /** Names of the streams that they may belong to. */
  readonly streams?: readonly string[]
}

/** Whether bytes are meant by a scope; they are where that cannot be told. */
export function isMeant({ network, on, stream }: Scope, where: Where): boolean {
  return (network === undefined || where.network === undefined || where.network === network)
    && (on === undefined || where.on === on)
    && (stream === undefined || where.streams === undefined || where.streams.includes(stream))
}

/**
 * The caps that bytes count for. Where the network cannot be told, those of every network; where the bytes may belong to
 * several streams, those of each.
 */
export function capsFor<C extends Cap>(caps: readonly C[], where: Where, networkIds: NetworkIds): C[] {
  return caps.filter((cap) => isMeant(scopeOf(cap, networkIds), where))
}
