import { dayMs } from './civil-day.ts'

/**
 * No right clock shows an earlier time: 2026-01-01, before there was any Sluice. Machines that lost their time start
 * years before.
 */
const earliestNow = Date.UTC(2026, 0, 1)

/** Twice the longest month: a clock that went back by less is taken for wrong now, not for wrong before. */
export const clockBackMs = 62 * dayMs

/**
 * The date of something that happens at `now`, after something dated `last`. When the clock went back it is dated like
 * the last, so that it still counts once the clock is right again. Only a step back of more than two months is believed
 * (a clock that ran far ahead was put right).
 */
export function dateAfter(last: number, now: number): number {
  const clockIsBehind = last > now && (last - now <= clockBackMs || now < earliestNow)
  return clockIsBehind ? last : now
}
