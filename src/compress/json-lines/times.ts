/** Milliseconds at the start of 2020: what microseconds since then need fits below 10^15 until 2051. */
const base = 1_577_836_800_000
const pattern = /^(\d{4})-(\d\d)-(\d\d)([T ])(\d\d):(\d\d):(\d\d)(?:\.(\d{3}|\d{6}))?(Z|\+00:00)?$/
const separators = ['T', ' ']
const zones = ['Z', '+00:00', '']
const fractions = [0, 3, 6]

/** How times are written: one of 18. */
export const timeForms = separators.length * zones.length * fractions.length

/** A time as units of its last digit since 2020 and the number of its form; undefined when it is none, or no UTC. */
export function readTime(text: string): { readonly value: number; readonly form: number } | undefined {
  const match = pattern.exec(text)
  if (!match) return undefined
  const [year, month, day, hour, minute, second] = [1, 2, 3, 5, 6, 7].map(group => Number(match[group]))
  const fraction = match[8] ?? ''
  const seconds = (Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second) - base) / 1000
  const value = seconds * 10 ** fraction.length + Number(fraction)
  const form = (separators.indexOf(match[4] ?? '') * zones.length + zones.indexOf(match[9] ?? '')) * fractions.length
    + fractions.indexOf(fraction.length)
  return timeText(value, form) === text ? { value, form } : undefined
}

/** The text that `readTime` reads as `value`; empty when there is none. */
export function timeText(value: number, form: number): string {
  const digits = fractions[form % fractions.length] ?? 0
  const zone = zones[Math.floor(form / fractions.length) % zones.length] ?? ''
  const separator = separators[Math.floor(form / fractions.length / zones.length)] ?? ''
  const unit = 10 ** digits
  const time = new Date(Math.floor(value / unit) * 1000 + base)
  if (!(time.getTime() >= -62_000_000_000_000 && time.getUTCFullYear() <= 9999)) return ''
  const iso = time.toISOString()
  const fraction = digits === 0 ? '' : `.${String(value - Math.floor(value / unit) * unit).padStart(digits, '0')}`
  return `${iso.slice(0, 10)}${separator}${iso.slice(11, 19)}${fraction}${zone}`
}
