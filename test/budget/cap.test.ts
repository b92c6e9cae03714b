import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { grant, periodAt } from '../../src/budget/cap.ts'
import type { Cap, CapUse } from '../../src/budget/cap.ts'

const hour = 3_600_000
const cap = (per: Cap['per'], resetDay?: number): Cap => ({ id: per, limitBytes: 1, per, ...(resetDay && { resetDay }) })
const period = (subject: Cap, at: string, timeZone = 'UTC') => {
  const { start, end } = periodAt(subject, Date.parse(at), timeZone)
  return [new Date(start).toISOString(), new Date(end).toISOString()]
}

describe('periods', () => {
  test('a day begins at midnight where the worker is', () => {
    expect(period(cap('day'), '2026-11-23T23:30:00Z', 'Europe/Berlin')).toEqual(['2026-11-23T23:00:00.000Z', '2026-11-24T23:00:00.000Z'])
    expect(period(cap('day'), '2026-11-23T02:00:00Z', 'America/Los_Angeles')).toEqual(['2026-11-22T08:00:00.000Z', '2026-11-23T08:00:00.000Z'])
    expect(period(cap('day'), '2026-11-23T12:00:00Z', 'Asia/Kathmandu')).toEqual(['2026-11-22T18:15:00.000Z', '2026-11-23T18:15:00.000Z'])
  })
  test('the start belongs to the period, the end to the next', () => {
    expect(period(cap('day'), '2026-11-23T00:00:00Z')).toEqual(['2026-11-23T00:00:00.000Z', '2026-11-24T00:00:00.000Z'])
    expect(period(cap('day'), '2026-11-22T23:59:59.999Z')).toEqual(['2026-11-22T00:00:00.000Z', '2026-11-23T00:00:00.000Z'])
  })
  test('a week begins on Monday', () => {
    const week = ['2026-11-23T00:00:00.000Z', '2026-11-30T00:00:00.000Z']
    expect(period(cap('week'), '2026-11-23T00:00:00Z')).toEqual(week)
    expect(period(cap('week'), '2026-11-29T23:59:59Z')).toEqual(week)
  })
  test('a month begins on its reset day, and before that day belongs to the month before', () => {
    expect(period(cap('month'), '2026-11-23T12:00:00Z')).toEqual(['2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z'])
    expect(period(cap('month', 15), '2026-11-14T23:59:59Z')).toEqual(['2026-10-15T00:00:00.000Z', '2026-11-15T00:00:00.000Z'])
    expect(period(cap('month', 15), '2027-01-02T00:00:00Z')).toEqual(['2026-12-15T00:00:00.000Z', '2027-01-15T00:00:00.000Z'])
  })
  test('a month shorter than the reset day resets on its last day', () => {
    expect(period(cap('month', 31), '2026-02-10T00:00:00Z')).toEqual(['2026-01-31T00:00:00.000Z', '2026-02-28T00:00:00.000Z'])
    expect(period(cap('month', 31), '2026-03-01T00:00:00Z')).toEqual(['2026-02-28T00:00:00.000Z', '2026-03-31T00:00:00.000Z'])
    expect(period(cap('month', 30), '2028-02-29T00:00:00Z')).toEqual(['2028-02-29T00:00:00.000Z', '2028-03-30T00:00:00.000Z'])
  })
  test.each([
    ['has 23 hours when the clock goes forward', 'Europe/Berlin', '2026-03-29T12:00:00Z', 23],
    ['has 25 hours when the clock goes back', 'Europe/Berlin', '2026-10-25T12:00:00Z', 25],
    ['begins at one when there is no midnight', 'Asia/Beirut', '2026-03-29T12:00:00Z', 23],
    ['has 24 and a half hours on Lord Howe Island', 'Australia/Lord_Howe', '2026-04-05T03:00:00Z', 24.5],
  ])('a day %s', (_, timeZone, at, hours) => {
    const { start, end } = periodAt(cap('day'), Date.parse(at), timeZone)
    expect((end - start) / hour).toBe(hours)
  })
  test('a clock set back across midnight gives every instant one day', () => {
    const back = Date.parse('2018-02-18T02:00:00Z')
    const { start, end } = periodAt(cap('day'), back, 'America/Sao_Paulo')
    expect([(back - start) / hour, (end - back) / hour]).toEqual([24, 1])
  })
  test('a date that a zone skipped has no day of its own', () => {
    expect(period(cap('day'), '2011-12-30T09:59:59Z', 'Pacific/Apia')[1]).toBe('2011-12-30T10:00:00.000Z')
    expect(period(cap('day'), '2011-12-30T10:00:00Z', 'Pacific/Apia')).toEqual(['2011-12-30T10:00:00.000Z', '2011-12-31T10:00:00.000Z'])
  })
  test('an unknown time zone is refused', () => {
    expect(() => periodAt(cap('day'), 0, 'Europe/Atlantis')).toThrow(RangeError)
  })

  const zones = fc.constantFrom(
    'UTC', 'Europe/Berlin', 'America/New_York', 'America/St_Johns', 'America/Sao_Paulo', 'America/Havana', 'Asia/Beirut', 'Africa/Casablanca',
    'Asia/Tehran', 'Australia/Lord_Howe', 'Pacific/Apia', 'Pacific/Chatham', 'Pacific/Kiritimati', 'Pacific/Pago_Pago',
  )
  const caps = fc.record({
    id: fc.constant('c'),
    limitBytes: fc.constant(1),
    per: fc.constantFrom<Cap['per'][]>('day', 'week', 'month'),
    resetDay: fc.integer({ min: 1, max: 31 }),
  })
  const instants = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2060, 0, 1) })

  test('in any zone at any time, a period holds now and the next one follows without gap', () => {
    fc.assert(fc.property(caps, instants, zones, (subject, now, timeZone) => {
      const { start, end } = periodAt(subject, now, timeZone)
      expect(start).toBeLessThanOrEqual(now)
      expect(end).toBeGreaterThan(now)
      expect(periodAt(subject, start, timeZone)).toEqual({ start, end })
      expect(periodAt(subject, end - 1, timeZone)).toEqual({ start, end })
      expect(periodAt(subject, end, timeZone).start).toBe(end)
    }))
  })
  test('a monthly period is never shorter than 27 days nor longer than 32', () => {
    fc.assert(fc.property(caps, instants, zones, (subject, now, timeZone) => {
      const { start, end } = periodAt({ ...subject, per: 'month' }, now, timeZone)
      expect((end - start) / (24 * hour)).toBeGreaterThan(27)
      expect((end - start) / (24 * hour)).toBeLessThan(32)
    }))
  })
})

describe('grant', () => {
  const use = (limitBytes: number, usedBytes: number): CapUse => ({ ...cap('day'), limitBytes, usedBytes, start: 0, end: 1 })

  test('the tightest cap decides; one that is overdrawn allows nothing', () => {
    expect(grant(100, [])).toBe(100)
    expect(grant(100, [use(1000, 950), use(500, 470)])).toBe(30)
    expect(grant(20, [use(1000, 950), use(500, 470)])).toBe(20)
    expect(grant(100, [use(1000, 0), use(500, 600)])).toBe(0)
  })
  test('today’s share of a paced cap is never exceeded, nor what is left of the cap itself', () => {
    const paced = (shareBytes: number, usedBytes: number, left: number): CapUse => ({ ...use(1000, 1000 - left), today: { shareBytes, usedBytes, end: 1 } })
    expect(grant(100, [paced(50, 20, 500)])).toBe(30)
    expect(grant(100, [paced(50, 60, 500)])).toBe(0)
    expect(grant(100, [paced(50, 20, 7)])).toBe(7)
  })
})
