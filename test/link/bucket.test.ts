import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drain, sliceBytes, spend, waitMs, type Bucket } from '../../src/transfer/link/bucket.ts'

const segmentBytes = 1448

/** When slices leave, with timers that are late by `lateMs` in turn and hand-overs that take no time. */
function departures(rate: number, lateMs: readonly number[], count: number): { at: number, bytes: number }[] {
  let bucket: Bucket = { debtBytes: 0, at: 0 }
  let now = 0
  return Array.from({ length: count }, (_, index) => {
    bucket = drain(bucket, rate, now)
    const wait = waitMs(bucket, rate)
    if (wait > 0) now += wait + (lateMs[index % lateMs.length] ?? 0)
    const bytes = sliceBytes(rate, segmentBytes, Infinity)
    bucket = spend(drain(bucket, rate, now), bytes)
    return { at: now, bytes }
  })
}

function mostIn(windowMs: number, sent: readonly { at: number, bytes: number }[]): number {
  return Math.max(...sent.map(({ at: from }) => sent.filter(({ at }) => at >= from && at < from + windowMs)
    .reduce((total, { bytes }) => total + bytes, 0)))
}

describe('the token bucket', () => {
  test('lets no 250 ms window pass 1.5 times the rate, however late its timers are', () => {
    fc.assert(fc.property(
      fc.integer({ min: 50_000, max: 20_000_000 }), fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 9 }),
      (rate, lateMs) => {
        expect(mostIn(250, departures(rate, lateMs, 200))).toBeLessThanOrEqual(1.5 * rate / 4)
      },
    ))
  })

  test('keeps the rate when timers are late by less than it catches up with', () => {
    const rate = 200_000
    const sent = departures(rate, [0, 3, 11, 1, 20], 500)
    const last = sent.at(-1) ?? { at: 0 }
    const bytes = sent.slice(0, -1).reduce((total, each) => total + each.bytes, 0)
    expect(bytes / last.at * 1000 / rate).toBeCloseTo(1, 2)
  })

  test('saves nothing up while nothing is sent', () => {
    const rested = drain({ debtBytes: 0, at: 0 }, 200_000, 3_600_000)
    expect(rested.debtBytes).toBeGreaterThanOrEqual(-200_000 * 0.025)
  })

  test('carries a debt over to a new rate', () => {
    const spent = spend({ debtBytes: 0, at: 0 }, 10_000)
    expect(waitMs(drain(spent, 100_000, 0), 100_000)).toBe(100)
    expect(waitMs(drain(spent, 1_000_000, 0), 1_000_000)).toBe(10)
  })

  test('hands over whole segments, at least one, never more than 64 KiB nor a quarter of the window', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 2896, max: 1 << 24 }), (rate, window) => {
      const bytes = sliceBytes(rate, segmentBytes, window)
      expect(bytes % segmentBytes === 0 && bytes <= 64 << 10).toBe(true)
      expect(bytes).toBeLessThanOrEqual(Math.max(segmentBytes, window / 4))
    }))
    expect(sliceBytes(Infinity, segmentBytes, Infinity)).toBe(45 * segmentBytes)
    expect(sliceBytes(Infinity, 65_483, Infinity)).toBe(65_483)
  })
})
