const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** Longest text that is looked at: no sensible value is longer, and the patterns below stay cheap. */
const maxTextLength = 64

const byteUnits: Readonly<Record<string, number>> = {
  b: 1, byte: 1, bytes: 1,
  kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12,
  kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40,
}

/** `Mb` and `Gb` are megabits and gigabits to many readers, so they are not guessed at. */
const ambiguousByteUnit = /^[KMGT]b$/

/**
 * Bytes in `5 GB` (10^9), `5 GiB`, `500 kB`, `1.5 MB` or `4096`; parts of a byte are dropped. Undefined when it is no
 * size.
 */
export function parseBytes(text: string): number | undefined {
  if (text.length > maxTextLength) return undefined
  const match = /^(\d+)(?:\.(\d+))? ?([A-Za-z]*)$/.exec(text.trim())
  const [, whole = '', fraction = '', unit = ''] = match ?? []
  if (!match || ambiguousByteUnit.test(unit)) return undefined
  const name = unit.toLowerCase()
  const factor = unit === '' ? 1 : Object.hasOwn(byteUnits, name) ? byteUnits[name] : undefined
  if (factor === undefined) return undefined
  return safe(BigInt(whole + fraction) * BigInt(factor) / 10n ** BigInt(fraction.length))
}

/** Largest first: the order in which a duration names them. */
const durationUnits: readonly { readonly names: readonly string[], readonly ms: number }[] = [
  { names: ['w', 'week', 'weeks'], ms: 7 * day },
  { names: ['d', 'day', 'days'], ms: day },
  { names: ['h', 'hour', 'hours'], ms: hour },
  { names: ['m', 'min', 'minute', 'minutes'], ms: minute },
  { names: ['s', 'sec', 'second', 'seconds'], ms: second },
  { names: ['ms'], ms: 1 },
]

/** Milliseconds in `30m`, `2h`, `5 minutes` or `1h30m`, larger units first. Undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim()
  if (text.length > maxTextLength || !/^(?:\d+ ?[a-z]+ ?)+$/.test(trimmed)) return undefined
  let total = 0n
  let nextUnit = 0
  for (const [, count = '', name = ''] of trimmed.matchAll(/(\d+) ?([a-z]+)/g)) {
    const index = durationUnits.findIndex((unit) => unit.names.includes(name))
    const unit = durationUnits[index]
    if (!unit || index < nextUnit) return undefined
    nextUnit = index + 1
    total += BigInt(count) * BigInt(unit.ms)
  }
  return safe(total)
}

/** Whole percent, 0 to 100, in `40%` or `40`. Undefined when it is none. */
export function parsePercent(text: string): number | undefined {
  const match = /^(\d{1,3}) ?%?$/.exec(text.trim())
  const percent = Number(match?.[1])
  return match && percent <= 100 ? percent : undefined
}

/** Minutes since midnight in `18:00` (24 hours). Undefined when it is no time of day. */
export function parseClock(text: string): number | undefined {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text.trim())
  return match ? Number(match[1]) * 60 + Number(match[2]) : undefined
}

const weekdayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']

/** Days in `mon-fri`, `sat,sun` or `fri-mon`, ascending, 0 is Monday. Undefined when it names none. */
export function parseWeekdays(text: string): readonly number[] | undefined {
  if (text.length > maxTextLength) return undefined
  const days = new Set<number>()
  for (const part of text.toLowerCase().split(',')) {
    const [first = -1, last = first, ...rest] = part.trim().split('-').map((name) => weekdayNames.indexOf(name.trim()))
    if (first < 0 || last < 0 || rest.length > 0) return undefined
    for (let day = first; ; day = (day + 1) % 7) {
      days.add(day)
      if (day === last) break
    }
  }
  return [...days].sort((a, b) => a - b)
}

/** The beginning in UTC of a day such as `2026-12-31`. Undefined when there is no such day. */
export function parseDate(text: string): number | undefined {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text ? undefined : time
}

function safe(value: bigint): number | undefined {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined
}

const decimalPrefixes = ['kB', 'MB', 'GB', 'TB', 'PB']

/** A size for people, in powers of ten with at most one decimal: `999 B`, `12.3 MB`, `5 GB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${Math.max(0, Math.round(bytes))} B`
  let scaled = bytes
  let prefix = -1
  // 999.95 would be shown as 1000.0: the next prefix says it better.
  while (scaled >= 999.95 && prefix < decimalPrefixes.length - 1) {
    scaled /= 1000
    prefix++
  }
  return `${scaled.toFixed(1).replace('.0', '')} ${decimalPrefixes[Math.max(prefix, 0)]}`
}

/** A duration for people, two units at most, rounded down: `350ms`, `5m`, `1h 30m`, `2d 3h`. */
export function formatDuration(ms: number): string {
  const parts: string[] = []
  let rest = Math.max(0, Math.floor(ms))
  for (const unit of durationUnits) {
    const count = Math.floor(rest / unit.ms)
    rest -= count * unit.ms
    if (count > 0) parts.push(`${count}${unit.names[0]}`)
    else if (parts.length > 0) break
    if (parts.length === 2) break
  }
  return parts.length === 0 ? '0s' : parts.join(' ')
}
