import { clockTime, dayAt } from '../budget/civil-day.ts'

/** A time of day on some days of the week in which sending is allowed. One that ends at or before its begin ends the day after. */
export interface SendWindow {
  /** Days on which it begins: 0 is Monday, 6 Sunday. */
  readonly days: readonly number[]
  /** Minutes after midnight on the worker's clock, 0 to 1439. */
  readonly fromMinutes: number
  readonly toMinutes: number
}

export interface WindowState {
  readonly isOpen: boolean
  /** When that changes; Infinity when it never does. */
  readonly changesAt: number
}

/** The window that is open at `now`, or the next one. Without windows it is always open. */
export function windowAt(windows: readonly SendWindow[], now: number, timeZone: string): WindowState {
  if (windows.length === 0) return { isOpen: true, changesAt: Infinity }
  const spans = spansAround(windows, now, timeZone)
  let end: number | undefined
  for (const span of spans) {
    if (span.start <= (end ?? now) && span.end > (end ?? now)) end = span.end
  }
  // What stays open for a week, as windows repeat, stays open.
  if (end !== undefined) return { isOpen: true, changesAt: spans.some((span) => span.end > end) ? end : Infinity }
  return { isOpen: false, changesAt: spans.find((span) => span.start > now)?.start ?? Infinity }
}

/** Spans that begin from yesterday until nine days ahead, by their start: the answer lies within a week of `now`. */
function spansAround(windows: readonly SendWindow[], now: number, timeZone: string): { start: number; end: number }[] {
  const today = dayAt(now, timeZone)
  const days = Array.from({ length: 11 }, (_, index) => today - 1 + index)
  return days
    .flatMap((day) => windows.filter((window) => window.days.includes(weekday(day))).map(({ fromMinutes, toMinutes }) => ({
      start: clockTime(day, fromMinutes, timeZone),
      end: clockTime(toMinutes <= fromMinutes ? day + 1 : day, toMinutes, timeZone),
    })))
    .filter((span) => span.end > span.start)
    .sort((a, b) => a.start - b.start)
}

/** 1970-01-01 was a Thursday. */
function weekday(day: number): number {
  return (((day + 3) % 7) + 7) % 7
}
