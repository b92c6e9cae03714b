/**
 * The next time after `now` at which a clock on this machine shows `minutes` past midnight. Milliseconds since the
 * epoch.
 */
export function nextClock(now: number, minutes: number): number {
  const time = new Date(now)
  const midnight = (days: number) => [time.getFullYear(), time.getMonth(), time.getDate() + days] as const
  const days = [0, 1].map((days) => new Date(...midnight(days), 0, minutes).getTime())
  return days.find((at) => at > now) ?? now
}

/** `2026-11-23 18:00` on this machine's clock. */
export function clockText(at: number): string {
  const time = new Date(at)
  const two = (amount: number) => String(amount).padStart(2, '0')
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-')
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}`
}
