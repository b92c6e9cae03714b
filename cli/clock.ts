import { clockTime, dayAt } from '../src/budget/civil-day.ts'

/**
 * The next time after `now` at which a clock in `timeZone` shows `minutes` past midnight; with `tomorrow` on the next day.
 * Milliseconds since the epoch.
 */
export function nextClock(now: number, minutes: number, timeZone: string, tomorrow = false): number {
  const today = dayAt(now, timeZone)
  const days = tomorrow ? [today + 1] : [today, today + 1]
  return days.map((day) => clockTime(day, minutes, timeZone)).find((at) => at > now) ?? clockTime(today + 2, minutes, timeZone)
}
