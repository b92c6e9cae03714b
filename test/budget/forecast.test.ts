import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CapUse } from '../../src/budget/cap.ts'
import { dueWarnings, forecast, warningOf } from '../../src/budget/forecast.ts'
import type { SaidWarnings } from '../../src/budget/forecast.ts'

const hour = 3_600_000
const dayMs = 24 * hour
const start = Date.UTC(2026, 10, 1)
const month = (fields: Partial<CapUse> = {}): CapUse => ({
  id: 'month', per: 'month', limitBytes: 3000, start, end: Date.UTC(2026, 11, 1), usedBytes: 0, ...fields,
})

describe('a warning', () => {
  test.each([[2399, undefined], [2400, 80], [2699, 80], [2700, 90], [3000, 90], [9999, 90]])('of %d bytes of 3000 is %s', (usedBytes, percent) => {
    expect(warningOf(month({ usedBytes }))).toBe(percent)
  })

  /** Percents that are said while a cap goes through these states. */
  function said(...uses: readonly CapUse[]): (string | number)[][] {
    let state: SaidWarnings = {}
    return uses.map((use) => {
      const result = dueWarnings([use], state)
      // As it comes back from where it is kept.
      state = JSON.parse(JSON.stringify(result.said)) as SaidWarnings
      return result.due.map(({ percent }) => percent)
    })
  }
  const used = (usedBytes: number, fields: Partial<CapUse> = {}) => month({ usedBytes, ...fields })

  test('is said once in a period, and again when more is used', () => {
    expect(said(used(100), used(2400), used(2500), used(2800), used(2900), used(2500), used(2950))).toEqual([[], [80], [], [90], [], [], []])
  })
  test('of 90 % stands for that of 80 %', () => {
    expect(said(used(2900), used(2500))).toEqual([[90], []])
  })
  test('is said again in the next period, and for another limit', () => {
    expect(said(used(2400), used(2400, { start: start + 1 }), used(2400, { start: start + 1, limitBytes: 2900 }))).toEqual([[80], [80], [80]])
  })
  test('of a rolling cap is said again once much less was used in between', () => {
    const rolling = (usedBytes: number, at: number) => used(usedBytes, { per: 'rolling', days: 30, start: at })
    expect(said(rolling(2400, 1), rolling(2390, 2), rolling(2410, 3), rolling(2099, 4), rolling(2400, 5))).toEqual([[80], [], [], [], [80]])
  })
  test('is of each cap by itself, and caps that are gone are forgotten', () => {
    const first = dueWarnings([used(2400), used(2900, { id: 'other' })], {})
    expect(first.due.map(({ cap, percent }) => [cap.id, percent])).toEqual([['month', 80], ['other', 90]])
    expect(Object.keys(dueWarnings([used(2400)], first.said).said)).toEqual(['month'])
  })
})

describe('a forecast', () => {
  test('goes on as it went since the period began', () => {
    expect(forecast(month({ usedBytes: 1000 }), start + 10 * dayMs)).toEqual({ endBytes: 3000 })
    expect(forecast(month({ usedBytes: 1500 }), start + 10 * dayMs)).toEqual({ exhaustedAt: start + 20 * dayMs, endBytes: 4500 })
  })
  test('takes the first hours for a day', () => {
    expect(forecast(month({ usedBytes: 100 }), start + hour).endBytes).toBe(100 + Math.round(100 * 30 - 100 / 24))
    expect(forecast(month({ usedBytes: 90 }), start)).toEqual({ endBytes: 90 + 90 * 30 })
  })
  test('takes the first hours of a daily cap for half a day', () => {
    const day = month({ per: 'day', end: start + dayMs, usedBytes: 1000 })
    expect(forecast(day, start + 6 * hour).endBytes).toBe(2500)
    expect(forecast({ ...day, usedBytes: 1600 }, start + 12 * hour)).toEqual({ exhaustedAt: start + 22.5 * hour, endBytes: 3200 })
  })
  test('of a cap that is used up is now', () => {
    expect(forecast(month({ usedBytes: 3000 }), start + 15 * dayMs)).toMatchObject({ exhaustedAt: start + 15 * dayMs })
  })
  test('of a paced cap never says that it is used up early', () => {
    expect(forecast(month({ usedBytes: 1500, pace: true }), start + 10 * dayMs)).toEqual({ endBytes: 4500 })
  })
  test('of a rolling cap goes by its oldest bytes', () => {
    const now = start + 5 * dayMs
    const rolling = month({ per: 'rolling', days: 30, start: now - 30 * dayMs, end: start + 30 * dayMs, usedBytes: 1000 })
    expect(forecast(rolling, now)).toEqual({ exhaustedAt: start + 15 * dayMs, endBytes: 6000 })
  })
  test('is never before now, and never says both that it lasts and that it ends', () => {
    const uses = fc.record({ usedBytes: fc.nat(6000), elapsed: fc.integer({ min: 0, max: 30 * dayMs - 1 }), pace: fc.boolean() })
    fc.assert(fc.property(uses, ({ usedBytes, elapsed, pace }) => {
      const now = start + elapsed
      const { exhaustedAt, endBytes } = forecast(month({ usedBytes, pace }), now)
      expect(endBytes).toBeGreaterThanOrEqual(usedBytes)
      if (exhaustedAt !== undefined) expect(exhaustedAt).toBeGreaterThanOrEqual(now)
      if (!pace) expect(exhaustedAt !== undefined || endBytes <= 3000).toBe(true)
    }))
  })
})
