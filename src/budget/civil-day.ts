/** A calendar day in UTC; no zone is further from UTC than this. */
export const dayMs = 86_400_000

/** What Intl knows of a zone, kept: asking costs some microseconds, and caps ask for the same midnights all day. */
interface Zone {
  readonly formatter: Intl.DateTimeFormat
  /** By minute: clocks change on whole minutes. */
  readonly offsets: Map<number, number>
}

const zones = new Map<string, Zone>()
/** A machine has one or two zones; more is not worth keeping. */
const maxZones = 16
/** Midnights of five years, at some hundred bytes each. */
const maxOffsets = 4096
const minuteMs = 60_000

/** Days from 1970-01-01 to the date that a calendar in `timeZone` shows at `now`. */
export function dayAt(now: number, timeZone: string): number {
  return Math.floor((now + offsetAt(now, timeZone)) / dayMs)
}

/**
 * The first instant that bears the date `day` (or a later one, where a zone skipped it) in `timeZone`: midnight, or when
 * the clock goes forward at midnight, the end of the gap.
 */
export function dayStart(day: number, timeZone: string): number {
  const utcMidnight = day * dayMs
  let before = utcMidnight - dayMs
  let after = utcMidnight + dayMs
  const offset = offsetAt(before, timeZone)
  if (offset === offsetAt(after, timeZone)) return utcMidnight - offset
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (dayAt(middle, timeZone) >= day) after = middle
    else before = middle
  }
  return after
}

/**
 * When a clock in `timeZone` shows `minutes` after midnight on that day. Of two such times the first; where the clock
 * skips it, the moment at which it would have come without the skip.
 */
export function clockTime(day: number, minutes: number, timeZone: string): number {
  const wall = day * dayMs + minutes * 60_000
  const before = offsetAt(wall - dayMs, timeZone)
  const shown = [before, offsetAt(wall + dayMs, timeZone)]
    .map((offset) => wall - offset)
    .filter((at) => at + offsetAt(at, timeZone) === wall)
  return shown.length > 0 ? Math.min(...shown) : wall - before
}

/** What clocks in `timeZone` show at `now`, minus UTC, in milliseconds. */
export function offsetAt(now: number, timeZone: string): number {
  const { formatter, offsets } = zoneOf(timeZone)
  const minute = Math.floor(now / minuteMs)
  const known = offsets.get(minute)
  if (known !== undefined) return known
  const offset = wallClock(formatter, minute * minuteMs) - minute * minuteMs
  if (offsets.size >= maxOffsets) offsets.clear()
  offsets.set(minute, offset)
  return offset
}

/** The time that a clock shows at `now`, as if it were UTC. */
function wallClock(formatter: Intl.DateTimeFormat, now: number): number {
  const shown = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 }
  for (const { type, value } of formatter.formatToParts(now)) {
    if (type in shown) shown[type as keyof typeof shown] = Number(value)
  }
  return Date.UTC(shown.year, shown.month - 1, shown.day, shown.hour, shown.minute, shown.second)
}

function zoneOf(timeZone: string): Zone {
  const known = zones.get(timeZone)
  if (known) return known
  if (zones.size >= maxZones) zones.clear()
  const formatter = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  const made = { formatter, offsets: new Map<number, number>() }
  zones.set(timeZone, made)
  return made
}
