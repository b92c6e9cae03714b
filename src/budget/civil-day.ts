/** A calendar day in UTC; no zone is further from UTC than this. */
export const dayMs = 86_400_000

// Building a formatter costs about a hundred times a use of it. A machine has one or two zones; more is not worth keeping.
const formatters = new Map<string, Intl.DateTimeFormat>()
const maxFormatters = 16

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

/** What clocks in `timeZone` show at `now`, minus UTC, in milliseconds. */
function offsetAt(now: number, timeZone: string): number {
  const shown = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 }
  for (const { type, value } of formatter(timeZone).formatToParts(now)) {
    if (type in shown) shown[type as keyof typeof shown] = Number(value)
  }
  const wall = Date.UTC(shown.year, shown.month - 1, shown.day, shown.hour, shown.minute, shown.second)
  return wall - Math.floor(now / 1000) * 1000
}

function formatter(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone)
  if (known) return known
  if (formatters.size >= maxFormatters) formatters.clear()
  const made = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  formatters.set(timeZone, made)
  return made
}
