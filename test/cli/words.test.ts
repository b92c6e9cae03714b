import { describe, expect, test } from 'vitest'
import { nextClock } from '../../cli/clock.ts'
import { capInWords, inEffect } from '../../cli/cap-words.ts'
import { useInWords } from '../../cli/cap-use.ts'
import { table } from '../../cli/output.ts'
import type { Cap } from '../../src/budget/cap.ts'
import { forecast } from '../../src/budget/forecast.ts'

const hour = 3_600_000
const zone = 'Europe/Berlin'

describe('the next time a clock shows', () => {
  const noon = Date.UTC(2026, 10, 23, 11)
  test.each([
    ['later today', 18 * 60, false, 6],
    ['what it shows now, a day later', 12 * 60, false, 24],
    ['earlier, tomorrow', 8 * 60, false, 20],
    ['later, but tomorrow', 18 * 60, true, 30],
  ])('%s', (_, minutes, tomorrow, hours) => {
    expect(nextClock(noon, minutes, zone, tomorrow)).toBe(noon + hours * hour)
  })
  test('a time that the clock skips comes when it would have come, and goes by the worker’s zone', () => {
    const before = Date.UTC(2026, 2, 28, 23)
    expect(nextClock(before, 150, zone)).toBe(Date.UTC(2026, 2, 29, 1, 30))
    expect(nextClock(before, 150, 'UTC')).toBe(Date.UTC(2026, 2, 29, 2, 30))
  })
})

const month = (limitBytes: number, more: Partial<Cap> = {}): Cap => ({ id: 'x', per: 'month', limitBytes, ...more })

test('a cap is told in full', () => {
  expect(capInWords(month(5e9, { resetDay: 15, network: 'home', pace: true }))).toBe('5 GB per month from day 15 on network home, spread over the days')
  expect(capInWords({ id: 'x', per: 'rolling', days: 30, limitBytes: 6e9, on: 'metered', stream: 'mail' })).toBe(
    '6 GB per 30 days on metered networks by stream mail',
  )
})

describe('a cap has no effect', () => {
  test.each<[string, Cap, Cap, boolean]>([
    ['beside a stricter one of its period', month(2e9), month(1e9), false],
    ['as the second of two equal ones', month(1e9), month(1e9), true],
    ['of a day beside a smaller one of the month', { id: 'x', per: 'day', limitBytes: 2e9 }, month(1e9), false],
    ['on a network beside a smaller one of the device', month(2e9, { network: 'home' }), month(1e9), false],
    ['of a month beside a smaller one of 32 days', month(2e9), { id: 'y', per: 'rolling', days: 32, limitBytes: 1e9 }, false],
  ])('%s', (_, first, second, firstCounts) => {
    expect(inEffect([first, second])).toEqual([firstCounts, !firstCounts])
  })
  test.each<[string, Cap, Cap]>([
    ['of the device beside a smaller one of a network', month(2e9), month(1e9, { network: 'home' })],
    ['of another network', month(2e9, { network: 'home' }), month(1e9, { network: 'office' })],
    ['with another reset day', month(2e9), month(1e9, { resetDay: 15 })],
    ['that is paced beside a smaller one that is not', month(2e9, { pace: true }), month(1e9)],
    ['of a month beside a smaller one of 30 days', month(2e9), { id: 'y', per: 'rolling', days: 30, limitBytes: 1e9 }],
  ])('but has one %s', (_, first, second) => {
    expect(inEffect([first, second])).toEqual([true, true])
  })
})

describe('the use of a cap', () => {
  const now = Date.UTC(2026, 10, 20)
  const use = (usedBytes: number, more: Partial<Cap> = {}) => {
    const cap = { ...month(5e9, more), start: Date.UTC(2026, 10, 15), end: Date.UTC(2026, 11, 15), usedBytes }
    return useInWords({ ...cap, from: 'worker', forecast: forecast(cap, now) }, { now, timeZone: 'UTC' })
  }
  test('says how long it will last at this pace', () => {
    expect(use(2.5e9)).toBe('2.5 GB used (50 %), starts again Tue 15 Dec, 00:00; at this pace used up Wed 25 Nov, 00:00')
    expect(use(5e8)).toBe('500 MB used (10 %), starts again Tue 15 Dec, 00:00; at this pace 3 GB by then')
  })
  test('warns from 80 % on', () => {
    expect(use(3.9e9)).not.toContain('warning')
    expect(use(4e9)).toMatch(/^warning: 4 GB used \(80 %\)/)
    expect(use(5e9)).toBe('warning: 5 GB used (100 %), starts again Tue 15 Dec, 00:00')
  })
})

test('a table that is too wide is cut at the end of its lines', () => {
  expect(table([['a', 'b'], ['1', '23456789']], 8)).toEqual(['a  b', '1  2345…'])
})
