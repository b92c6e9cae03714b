import type { Cap } from '../src/budget/cap.ts'
import { formatBytes } from '../config/units.ts'

/** `5 GB per month from day 15 on network home, paced`. */
export function capInWords(cap: Cap): string {
  return `${formatBytes(cap.limitBytes)} per ${periodInWords(cap)}${cap.pace ? ', spread over the days' : ''}`
}

/** `month from day 15`, `30 days on metered networks by stream screens`. */
export function periodInWords({ per, resetDay, days, network, on, stream }: Omit<Cap, 'id'>): string {
  return [
    per === 'rolling' ? `${days} days` : per,
    resetDay === undefined ? '' : `from day ${resetDay}`,
    network === undefined ? '' : `on network ${network}`,
    on === undefined ? '' : `on ${on} networks`,
    stream === undefined ? '' : `by stream ${stream}`,
  ].filter(Boolean).join(' ')
}

/** For each cap whether it has an effect: none when another one that counts at least the same bytes is stricter. */
export function inEffect(caps: readonly Cap[]): boolean[] {
  return caps.map((cap, index) => !caps.some((other, at) => countsWherever(other, cap)
    && (other.limitBytes < cap.limitBytes || (other.limitBytes === cap.limitBytes && at < index))))
}

/** Whether a limit of `outer` is also one of `inner`: it counts the same bytes or more, over the same time or longer. */
function countsWherever(outer: Cap, inner: Cap): boolean {
  const scope = (['network', 'on', 'stream'] as const).every((key) => outer[key] === undefined || outer[key] === inner[key])
  // Shares of a day may be stricter than any limit of the whole.
  return scope && (!inner.pace || (outer.pace === true && outer.per === inner.per)) && spans(outer, inner)
}

/** Days that every period of a kind fits into: a day has up to 25 hours, a month up to 31 days. */
const longestDays = { day: 2, week: 8, month: 32 } as const

function spans(outer: Cap, inner: Cap): boolean {
  if (outer.per === 'rolling') return (outer.days ?? 0) >= (inner.per === 'rolling' ? inner.days ?? Infinity : longestDays[inner.per])
  return inner.per === 'day' || (inner.per === outer.per && (inner.resetDay ?? 1) === (outer.resetDay ?? 1))
}
