import type { NetworkClass } from '../scheduler/conditions.ts'
import { dayMs, dayStart } from './civil-day.ts'

/**
 * A byte limit over a period. Days, weeks and months begin at midnight in the worker's time zone; a rolling period is
 * always the last `days` times 24 hours. Without `network`, `on` and `stream` it counts all bytes of the device.
 */
export interface Cap {
  /** Unique among the caps. */
  readonly id: string
  readonly limitBytes: number
  /** Weeks begin on Monday. */
  readonly per: 'day' | 'week' | 'month' | 'rolling'
  /** For months: 1–31, default 1. A month that is shorter resets on its last day. */
  readonly resetDay?: number
  /** For rolling periods: 1–366. */
  readonly days?: number
  /** Counts only bytes on the network that the worker gave this name, and on networks that cannot be told. */
  readonly network?: string
  /** Counts only bytes on networks of this class. */
  readonly on?: NetworkClass
  /** Counts only bytes of this stream; those of a pack that it shares, all. */
  readonly stream?: string
  /** Spreads what is left over the days that are left. For weeks and months. */
  readonly pace?: boolean
}

/** Smallest cap: a transfer is worth beginning with 64 KiB, for which some 120 kB are set aside, so less would let nothing go. */
export const leastCapBytes = 200_000

/** `start` belongs to the period, `end` to the next; milliseconds since the epoch. */
export interface Period {
  readonly start: number
  readonly end: number
}

/** A cap with what has been used of it in the period that holds now. */
export interface CapUse extends Cap, Period {
  /** Settled bytes and open reservations. */
  readonly usedBytes: number
  /** For a rolling cap: when its oldest bytes fall out of it. */
  readonly end: number
  /** Of a cap with `pace`: what may be used until `end`, the next midnight, and what of it is used. */
  readonly today?: { readonly shareBytes: number; readonly usedBytes: number; readonly end: number }
}

/** How many of `wantedBytes` every cap allows now; `whole`: without regard to the shares of days. */
export function grant(wantedBytes: number, caps: readonly CapUse[], whole = false): number {
  const leftOf = ({ limitBytes, usedBytes, today }: CapUse): number =>
    Math.min(limitBytes - usedBytes, today && !whole ? today.shareBytes - today.usedBytes : Infinity)
  return Math.max(0, Math.min(wantedBytes, ...caps.map(leftOf)))
}

/** What says when a limit starts again. */
export type Recurrence = Pick<Cap, 'per' | 'resetDay' | 'days'>

/** What begins at midnight on some day of the calendar. */
type Calendar = Pick<Cap, 'resetDay'> & { readonly per: Exclude<Cap['per'], 'rolling'> }

/**
 * The period that holds `now`. Those of days, weeks and months follow each other without gap or overlap, also where a
 * day has 23 or 25 hours, or no midnight. A rolling one holds the times whose bytes still count; its `end` is when
 * bytes of `now` fall out. Throws RangeError for a time zone that Intl does not know.
 */
export function periodAt({ per, resetDay, days }: Recurrence, now: number, timeZone: string): Period {
  if (per === 'rolling') return rollingPeriod(days, now)
  const calendar: Calendar = { per, ...(resetDay !== undefined && { resetDay }) }
  const startOf = (index: number) => dayStart(firstDay(calendar, index), timeZone)
  // UTC's date is at most a day off. Instants decide: each has exactly one period, also where clocks show a date twice.
  let index = periodIndex(calendar, Math.floor(now / dayMs))
  while (now < startOf(index)) index -= 1
  while (now >= startOf(index + 1)) index += 1
  return { start: startOf(index), end: startOf(index + 1) }
}

function rollingPeriod(days: number | undefined, now: number): Period {
  if (days === undefined) throw new Error('a rolling cap needs its days')
  // Bytes that left exactly that long ago have just fallen out.
  return { start: now - days * dayMs + 1, end: now + days * dayMs }
}

/** Periods are numbered from the one around 1970-01-01, a Thursday; days count from that date. */
function periodIndex(calendar: Calendar, day: number): number {
  switch (calendar.per) {
    case 'day':
      return day
    case 'week':
      return Math.floor((day + 3) / 7)
    case 'month': {
      const date = new Date(day * dayMs)
      const month = (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth()
      return day < firstDay(calendar, month) ? month - 1 : month
    }
  }
}

function firstDay({ per, resetDay = 1 }: Calendar, index: number): number {
  switch (per) {
    case 'day':
      return index
    case 'week':
      return index * 7 - 3
    case 'month': {
      const monthStart = Date.UTC(1970, index) / dayMs
      const nextMonth = Date.UTC(1970, index + 1) / dayMs
      return Math.min(monthStart + resetDay, nextMonth) - 1
    }
  }
}

/** `month-15`, `rolling-30`, `day.network.home`, `week.on.metered`: caps of the same name limit the same bytes. */
export function capName({ per, resetDay = 1, days, network, on, stream }: Omit<Cap, 'id' | 'limitBytes'>): string {
  const detail = per === 'rolling' ? days : per === 'month' && resetDay !== 1 ? resetDay : undefined
  const scope = Object.entries({ network, on, stream }).filter(([, name]) => name !== undefined)
  return [detail === undefined ? per : `${per}-${detail}`, ...scope.flat()].join('.')
}
