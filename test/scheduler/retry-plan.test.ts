import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SluiceError } from '../../src/observe/error.ts'
import { Faults } from '../../src/scheduler/faults.ts'
import {
  afterFailure, afterProgress, afterStart, isWaiting, retryDelay, triedNow, waitCeiling, type Retry, type RetryClass,
} from '../../src/scheduler/retry-plan.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const classes = ['local', 'way', 'passing', 'lasting'] as const
const longest: Readonly<Record<RetryClass, number>> = { local: 5 * minute, way: 15 * minute, passing: 5 * hour, lasting: 5 * hour }
const shortest: Readonly<Record<RetryClass, number>> = { local: 1000, way: 1000, passing: 1000, lasting: 2 * minute }

const kinds = fc.constantFrom<RetryClass>(...classes)
const times = fc.integer({ min: 0, max: 4e12 })
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const plans = fc.record<Retry>({ attempts: fc.nat({ max: 1e6 }), until: times, delayMs: fc.nat({ max: day }), isAsked: fc.boolean() })

describe('whatever happened before', () => {
  test('a wait is at least its shortest, at most its longest, and below the ceiling of its failure', () => {
    fc.assert(fc.property(kinds, fc.nat({ max: 1e9 }), chance, (kind, attempts, random) => {
      const delay = retryDelay(kind, attempts, random)
      expect(delay).toBeGreaterThanOrEqual(shortest[kind])
      expect(delay).toBeLessThanOrEqual(waitCeiling(kind, attempts))
      expect(waitCeiling(kind, attempts)).toBeLessThanOrEqual(longest[kind])
    }))
  })

  test('the ceiling never falls as failures follow each other, and reaches the longest wait', () => {
    for (const kind of classes) {
      const ceilings = Array.from({ length: 40 }, (_, attempts) => waitCeiling(kind, attempts))
      expect(ceilings).toEqual(ceilings.toSorted((a, b) => a - b))
      expect(ceilings.at(-1)).toBe(longest[kind])
    }
  })

  test('chance covers the whole range below the ceiling, evenly', () => {
    for (const kind of classes) {
      const [low, high] = [shortest[kind], waitCeiling(kind, 20)]
      const share = (random: number) => (retryDelay(kind, 20, random) - low) / (high - low)
      for (const random of [0, 0.25, 0.5, 0.75, 0.999_999]) expect(share(random)).toBeCloseTo(random, 2)
    }
  })

  test('the other side may ask for more, up to a day, and never makes a wait shorter', () => {
    const asked = fc.oneof(fc.integer({ min: -1e15, max: 1e15 }), fc.constantFrom(NaN, Infinity, -Infinity))
    fc.assert(fc.property(kinds, plans, times, chance, asked, (kind, before, now, random, askedMs) => {
      const own = afterFailure(kind, before, { now, random })
      const { delayMs, until } = afterFailure(kind, before, { now, random, askedMs })
      expect(delayMs).toBeGreaterThanOrEqual(own.delayMs)
      expect(delayMs).toBeLessThanOrEqual(Math.max(own.delayMs, day))
      if (askedMs <= day && askedMs > 0) expect(delayMs).toBeGreaterThanOrEqual(askedMs)
      expect(until).toBe(now + delayMs)
    }))
  })

  test('after bytes arrived a failure is a first one', () => {
    fc.assert(fc.property(kinds, plans, times, chance, (kind, before, now, random) => {
      const next = afterFailure(kind, afterProgress(before), { now, random })
      expect(next).toEqual(afterFailure(kind, undefined, { now, random }))
    }))
  })

  test('no clock, wherever it is set, puts a try off for longer than its wait', () => {
    fc.assert(fc.property(kinds, plans, times, chance, times, (kind, before, now, random, later) => {
      const plan = afterFailure(kind, before, { now, random })
      if (isWaiting(plan, later)) expect(plan.until - later).toBeLessThanOrEqual(plan.delayMs)
      expect(isWaiting(plan, plan.until)).toBe(false)
      expect(isWaiting(plan, now - 2 * day)).toBe(false)
    }))
  })

  test('a change that may have mended it is tried at once; failures count anew only in another situation', () => {
    fc.assert(fc.property(plans, times, fc.boolean(), (plan, now, isNew) => {
      const tried = triedNow(plan, now, isNew)
      expect(isWaiting(tried, now)).toBe(false)
      expect(tried.attempts).toBe(isNew ? 0 : plan.attempts)
    }))
  })

  test('a start tries within a minute, not at once and not together, and forgets no failure', () => {
    fc.assert(fc.property(plans, times, chance, (plan, now, random) => {
      const started = afterStart(plan, now, random)
      expect(started.attempts).toBe(plan.attempts)
      if (plan.isAsked && isWaiting(plan, now)) expect(started).toEqual(plan)
      else expect(started.until - now).toBe(Math.floor(random * minute))
    }))
  })
})

/** A generator of numbers that look random and are the same each time (Marsaglia, Xorshift RNGs, 2003). */
function chances(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

const dead = new SluiceError('destination-unreachable', 'Nothing accepts connections there.', { transient: true })

/** When a device tries in a time in which every try fails. */
function triesIn(spanMs: number, random: () => number, error = dead): number[] {
  const faults = new Faults()
  const tries: number[] = []
  for (let now = 0; now < spanMs;) {
    tries.push(now)
    now += faults.note(error, now, random()) ?? Infinity
  }
  return tries
}

test('a server that is dead for a week is tried 70 times by a device, give or take', () => {
  const counts = Array.from({ length: 200 }, (_, seed) => triesIn(7 * day, chances(seed + 1)).length)
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
  expect(mean).toBeGreaterThan(60)
  expect(mean).toBeLessThan(100)
  expect(Math.max(...counts)).toBeLessThan(150)
})

test('what needs somebody’s hands is tried less than ten times in its first hour', () => {
  const refused = new SluiceError('credential-refused', 'no')
  for (let seed = 1; seed <= 100; seed++) expect(triesIn(hour, chances(seed), refused).length).toBeLessThan(10)
})

test('a thousand devices that start together at a dead server come spread over a minute, and once each', () => {
  const perSecond = new Map<number, number>()
  for (let seed = 1; seed <= 1000; seed++) {
    const random = chances(seed * 7919)
    const before = new Faults()
    for (let failed = 0; failed < 20; failed++) before.note(dead, 0, random())
    const faults = new Faults()
    faults.restore(before.save(), 8 * hour, random())
    const until = faults.active(8 * hour)[0]?.until ?? 8 * hour
    const second = Math.floor((until - 8 * hour) / 1000)
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1)
    expect(faults.note(dead, until, 0.5)).toBeGreaterThan(2 * hour) // the next try is as far off as without the restart
  }
  expect(Math.max(...perSecond.keys())).toBeLessThan(60)
  expect(Math.max(...perSecond.values())).toBeLessThan(60)
})
