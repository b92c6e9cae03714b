import { dayAt, dayMs, dayStart } from './civil-day.ts'

/** A byte limit over a period that begins at midnight in the worker's time zone. */
export interface Cap {
  /** Unique among the caps. */
  readonly id: string
  readonly limitBytes: number
  /** Weeks begin on Monday. */
  readonly per: 'day' | 'week' | 'month'
  /** For months: 1–31, default 1. A month that is shorter resets on its last day. */
  readonly resetDay?: number
}

/** `start` belongs to the period, `end` to the next; milliseconds since the epoch. */
export interface Period {
  readonly start: number
  readonly end: number
}

/** A cap with what has been used of it in the period that holds now. */
export interface CapUse extends Cap, Period {
  /** Settled bytes and open reservations. */
  readonly usedBytes: number
}

/** How many of `wantedBytes` every cap allows now. */
export function grant(wantedBytes: number, caps: readonly CapUse[]): number {
  return Math.max(0, Math.min(wantedBytes, ...caps.map((cap) => cap.limitBytes - cap.usedBytes)))
}

/**
 * The period of `cap` that holds `now`. Periods follow each other without gap or overlap, also where a day has 23 or
 * 25 hours, or no midnight. Throws RangeError for a time zone that Intl does not know.
 */
export function periodAt(cap: Cap, now: number, timeZone: string): Period {
  const startOf = (index: number) => dayStart(firstDay(cap, index), timeZone)
  let index = periodIndex(cap, dayAt(now, timeZone))
  // A clock set back across midnight shows a date twice. Instants decide then, so that each has exactly one period.
  while (now < startOf(index)) index -= 1
  while (now >= startOf(index + 1)) index += 1
  return { start: startOf(index), end: startOf(index + 1) }
}

/** Periods are numbered from the one around 1970-01-01, a Thursday; days count from that date. */
function periodIndex(cap: Cap, day: number): number {
  switch (cap.per) {
    case 'day':
      return day
    case 'week':
      return Math.floor((day + 3) / 7)
    case 'month': {
      const date = new Date(day * dayMs)
      const month = (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth()
      return day < firstDay(cap, month) ? month - 1 : month
    }
  }
}

function firstDay(cap: Cap, index: number): number {
  switch (cap.per) {
    case 'day':
      return index
    case 'week':
      return index * 7 - 3
    case 'month': {
      const monthStart = Date.UTC(1970, index) / dayMs
      const nextMonth = Date.UTC(1970, index + 1) / dayMs
      return Math.min(monthStart + (cap.resetDay ?? 1), nextMonth) - 1
    }
  }
}
