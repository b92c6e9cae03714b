import type { CapUse } from '../src/budget/cap.ts'
import type { CapStatus } from '../src/control/status.ts'
import type { Clock } from '../src/scheduler/words.ts'
import { formatBytes } from '../config/units.ts'
import { warningOf } from '../src/budget/forecast.ts'
import { timeInWords } from '../src/scheduler/words.ts'

/** `warning: 4.2 GB used (84 %), starts again Tue 15 Dec, 00:00; at this pace used up Fri 27 Nov, 10:00`. */
export function useInWords(cap: CapStatus, clock: Clock): string {
  const { usedBytes, today, per, end } = cap
  const renewal = per === 'rolling' ? 'older use falls out from' : 'starts again'
  const again = per === 'rolling' && usedBytes === 0 ? '' : `, ${renewal} ${timeInWords(end, clock)}`
  return [
    `${warningOf(cap) === undefined ? '' : 'warning: '}${formatBytes(usedBytes)} used (${percentUsed(cap)} %)${again}`,
    today ? `today ${formatBytes(today.usedBytes)} of a share of ${formatBytes(today.shareBytes)}` : '',
    forecastInWords(cap, clock),
  ].filter(Boolean).join('; ')
}

function forecastInWords({ usedBytes, limitBytes, forecast: { exhaustedAt, endBytes } }: CapStatus, clock: Clock): string {
  if (usedBytes === 0 || usedBytes >= limitBytes) return ''
  return exhaustedAt === undefined
    ? `at this pace ${formatBytes(endBytes)} by then`
    : `at this pace used up ${timeInWords(exhaustedAt, clock)}`
}

/** Whole percent, so that 100 means used up. */
export function percentUsed({ usedBytes, limitBytes }: CapUse): number {
  return Math.min(999, Math.floor((usedBytes / limitBytes) * 100))
}
