import { maxInteger } from './limits.ts'

const [minus, point, zero, nine] = [0x2d, 0x2e, 0x30, 0x39]
const mostDigits = 15

/** Where the integer that the number `pool[start, end)` begins with ends: as JSON allows it, of at most 15 digits. */
export function integerEnd(pool: Uint8Array, start: number, end: number): number {
  let at = pool[start] === minus ? start + 1 : start
  if (pool[at] === zero) return at + 1
  const most = Math.min(end, at + mostDigits)
  while (at < most && isDigit(pool[at])) at++
  return at
}

/** The integer `pool[start, end)`: n for `n`, -n - 1 for `-n`, so that -0 is not 0. */
export function readInteger(pool: Uint8Array, start: number, end: number): number {
  const isNegative = pool[start] === minus
  let value = 0
  for (let at = isNegative ? start + 1 : start; at < end; at++) value = value * 10 + (pool[at] ?? 0) - zero
  return isNegative ? -1 - value : value
}

/** The text that `readInteger` reads as `value`. */
export function integerText(value: number): string {
  return value < 0 ? `-${-1 - value}` : String(value)
}

/** Digits behind the point when the number has no other suffix, 0 without one, -1 for anything else. */
export function fractionDigits(pool: Uint8Array, suffix: number, end: number): number {
  if (suffix === end) return 0
  if (pool[suffix] !== point || suffix + 1 === end) return -1
  for (let at = suffix + 1; at < end; at++) if (!isDigit(pool[at])) return -1
  return end - suffix - 1
}

/** The number times 10^digits; undefined when it has no exact place among 15 digits, or is a negative zero. */
export function readFixed(pool: Uint8Array, start: number, end: number, digits: number): number | undefined {
  const isNegative = pool[start] === minus
  let [value, fraction] = [0, -1]
  for (let at = isNegative ? start + 1 : start; at < end; at++) {
    if (pool[at] === point) fraction = 0
    else {
      value = value * 10 + (pool[at] ?? 0) - zero
      if (fraction >= 0) fraction++
    }
  }
  value *= 10 ** (digits - Math.max(0, fraction))
  if (value >= maxInteger || (isNegative && value === 0)) return undefined
  return isNegative ? -value : value
}

/** Writes `value` with `digits` digits behind the point, or as few as it needs. */
export function fixedText(value: number, digits: number, isTrimmed: boolean): string {
  const all = String(Math.abs(value)).padStart(digits + 1, '0')
  const whole = `${value < 0 ? '-' : ''}${all.slice(0, all.length - digits)}`
  let length = all.length
  if (isTrimmed) while (length > all.length - digits && all.charCodeAt(length - 1) === zero) length--
  const fraction = all.slice(all.length - digits, length)
  return fraction === '' ? whole : `${whole}.${fraction}`
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= zero && byte <= nine
}
