import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Summary } from '../../../src/observe/report/summary-line.ts'
import { sumOf } from '../../../src/observe/report/fleet.ts'
import { dayMs, hourMs, monday, reported, summary } from './lines.ts'

/** Hours of a few devices in one week, some of them in two parts, and no two lines alike. */
const week = fc.uniqueArray(
  fc.record({
    device: fc.constantFrom('a', 'b', 'c'), hour: fc.nat({ max: 167 }), part: fc.constantFrom(0, 1, 1_234_567),
    capturedBytes: fc.nat({ max: 1e9 }), sentBytes: fc.nat({ max: 1e8 }), held: fc.constantFrom('metered', 'battery', 'held'), errors: fc.nat({ max: 3 }),
  }),
  { selector: ({ device, hour, part }) => `${device} ${hour} ${part}`, maxLength: 60 },
).map((lines) => lines.map(({ device, hour, part, capturedBytes, sentBytes, held, errors }) => summary(device, monday + hour * hourMs + part, {
  to: monday + (hour + 1) * hourMs, capturedBytes, sentBytes, sentPackBytes: sentBytes, backlogBytes: capturedBytes, oldestWaitingMs: capturedBytes,
  heldBytes: { [held]: capturedBytes }, errors: { 'destination-busy': errors },
})))

describe('adding up', () => {
  test('sums are those of the lines, whatever their order and however often they come', () => {
    fc.assert(fc.property(week, fc.infiniteStream(fc.nat()), (lines, numbers) => {
      const draw = (): number => numbers.next().value as number
      const copies = lines.filter(() => draw() % 3 === 0)
      const shuffled = [...lines, ...copies].map((line) => ({ line, at: draw() })).sort((a, b) => a.at - b.at).map(({ line }) => line)
      const [once, mixed] = [reported(lines), reported(shuffled)]
      expect({ ...mixed, read: null }).toEqual({ ...once, read: null })
      expect(mixed.read.counted).toBe(lines.length)
      const naive = (name: 'capturedBytes' | 'sentBytes'): number => lines.reduce((sum, line) => sum + sumOf(line, name), 0)
      expect([once.totals.capturedBytes, once.totals.sentBytes]).toEqual([naive('capturedBytes'), naive('sentBytes')])
      expect(once.days.reduce((sum, day) => sum + day.sentBytes, 0)).toBe(naive('sentBytes'))
      expect(once.errors[0]?.count ?? 0).toBe(lines.reduce((sum, { errors }) => sum + (errors[0]?.[1] ?? 0), 0))
    }))
  })

  test('what waited at a day’s end, and what waits now, is what the line that ends last says', () => {
    fc.assert(fc.property(week, (lines) => {
      const { days, held } = reported(lines)
      const last = (of: readonly Summary[]): number => [...Map.groupBy(of, ({ device }) => device).values()]
        .reduce((sum, own) => sum + (own.toSorted((a, b) => a.to - b.to || a.from - b.from).at(-1)?.backlogBytes ?? 0), 0)
      for (const { date, heldBytes, devices } of days) {
        const own = lines.filter(({ from }) => new Date(from).toISOString().startsWith(date))
        expect(Object.values(heldBytes).reduce((sum, bytes) => sum + bytes, 0)).toBe(last(own))
        expect(devices).toBe(new Set(own.map(({ device }) => device)).size)
      }
      expect(held.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(last(lines))
    }))
  })

  test('of lines of whole days only a few of one device and date count, so that many take no memory', () => {
    const lines = Array.from({ length: 500 }, (_, ms) => summary('a', monday + ms, { period: 'day', capturedBytes: 1 }))
    const { totals, read } = reported([...lines, ...lines.slice(0, 8), summary('b', monday, { period: 'day', capturedBytes: 1 })])
    expect([totals.capturedBytes, read.counted, read.leftOut]).toEqual([9, 9, 492])
  })

  test('a span that ends in the far future reaches back as far as any', () => {
    const { totals, read } = reported([summary('a', monday, { capturedBytes: 1 })], { until: monday + 2000 * dayMs })
    expect([totals.capturedBytes, read.misdated]).toEqual([1, 0])
  })

  test('a day’s own line counts where no hour of it is there, and only there, whichever comes first', () => {
    const hours = [0, 1, 2].map((hour) => summary('a', monday + hour * hourMs, { capturedBytes: 10 }))
    const days = [0, 1].map((day) => summary('a', monday + day * dayMs, { period: 'day', capturedBytes: 35 }))
    const otherDevice = summary('b', monday, { period: 'day', capturedBytes: 100 })
    const all = [...hours, ...days, otherDevice, ...days]
    for (const lines of [all, all.toReversed()]) {
      const { days: rows, totals, read } = reported(lines)
      expect(rows.map(({ date, capturedBytes, devices }) => [date, capturedBytes, devices])).toEqual([['2026-11-16', 130, 2], ['2026-11-17', 35, 1]])
      expect([totals.capturedBytes, read.counted]).toEqual([165, 5])
    }
  })

  test('a worker’s day is told in the report’s calendar by where most of it is', () => {
    const inTokyo = summary('a', monday - 9 * hourMs, { period: 'day', capturedBytes: 1 })
    expect(reported([inTokyo]).days.map(({ date }) => date)).toEqual(['2026-11-16'])
    expect(reported([summary('a', monday - 9 * hourMs, { capturedBytes: 1 })], { timeZone: 'Asia/Tokyo' }).days.map(({ date }) => date)).toEqual(['2026-11-16'])
  })

  test('an hour in which the service was stopped and started has several lines, and all of them count', () => {
    const parts = [[0, 600_000], [630_001, 900_000], [900_000, hourMs]].map(([from = 0, to = 0]) => summary('a', monday + from, { to: monday + to, packs: 1 }))
    expect(reported([...parts, ...parts]).totals.packs).toBe(3)
  })
})

describe('time', () => {
  test('lines before the span count for nothing but the device’s state; later ones for nothing at all', () => {
    const lines = [summary('a', monday, { capturedBytes: 1 }), summary('a', monday + dayMs, { capturedBytes: 2 }), summary('b', monday, { capturedBytes: 4 }), summary('c', monday + 3 * dayMs)]
    const { totals, devices, silent, read } = reported(lines, { since: monday + dayMs, until: monday + 2 * dayMs, silentAfterMs: 20 * hourMs })
    expect([totals.capturedBytes, devices, silent.map(({ device }) => device), read.outside]).toEqual([2, 2, ['b'], 3])
  })

  test('a clock that is years off changes nothing', () => {
    const wrong = [0, 1e12, 9e15].map((from) => summary('a', from, { to: from + 1, capturedBytes: 1 }))
    const { totals, read, devices } = reported([...wrong, summary('b', monday, { capturedBytes: 2 })])
    expect([totals.capturedBytes, read.misdated, devices]).toEqual([2, 3, 1])
  })

  test('an hour that was told before is not counted again when a clock was set back', () => {
    const again = summary('a', monday, { capturedBytes: 7 })
    expect(reported([summary('a', monday, { capturedBytes: 5 }), again]).totals.capturedBytes).toBe(5)
  })
})

describe('devices', () => {
  const newest = monday + 6 * dayMs
  const stuckFields = { backlogBytes: 50, oldestWaitingMs: 4 * dayMs, heldBytes: { 'battery': 20, 'credential-refused': 30 } }
  const lines = [
    summary('fine', newest, { backlogBytes: 5, oldestWaitingMs: hourMs }),
    summary('gone', monday), summary('long-gone', monday - dayMs),
    summary('stuck', newest, stuckFields), summary('stuck', monday, { sentPackBytes: 9 }),
    summary('slow', newest, stuckFields), summary('slow', newest - dayMs, { sentPackBytes: 9 }),
  ]

  test('silent: no line for as long as that, the longest first', () => {
    expect(reported(lines).silent.map(({ device, lastAt }) => [device, lastAt])).toEqual([['long-gone', monday - dayMs + hourMs], ['gone', monday + hourMs]])
  })

  test('stuck: something waits for long and nothing arrives, with what holds it', () => {
    expect(reported(lines).stuck).toEqual([
      { device: 'stuck', backlogBytes: 50, oldestWaitingMs: 4 * dayMs, arrivedAt: monday + hourMs, reasons: ['credential-refused', 'battery'] },
    ])
  })

  test('each is on one step of the scale of waiting', () => {
    expect(reported(lines).lag.map(({ count }) => count)).toEqual([2, 1, 0, 0, 0, 2, 0])
  })

  test('a cap is at risk when the forecast says so, and when it is used up', () => {
    const cap = (usedBytes: number, atRisk: boolean) => ({ caps: [{ cap: 'month', limitBytes: 100, usedBytes, atRisk }] })
    const { capsAtRisk, caps, capUse } = reported([summary('a', monday, cap(60, true)), summary('b', monday, cap(100, false)), summary('c', monday, cap(99, false))])
    expect(capsAtRisk.map(({ device, usedBytes }) => [device, usedBytes])).toEqual([['b', 100], ['a', 60]])
    expect([caps, capUse.map(({ count }) => count)]).toEqual([3, [0, 1, 0, 1, 1]])
  })

  test('names from logs cannot move a terminal’s cursor', () => {
    expect(reported([summary('\u001b[2Jx\u202e\n', monday)]).devices).toBe(1)
    expect(reported([summary('\u001b[2Jx\u202e\n', monday), summary('b', monday + 6 * dayMs)]).silent[0]?.device).toBe('?[2Jx??')
  })
})
