import type { SluiceEvent } from '../../src/observe/events.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { forIt, publicCap, publicHeld, publicReason } from '../../src/observe/for-it.ts'

/** What holds and what slows at one moment, the worker's own reasons left out. */
interface Moment {
  readonly held: readonly string[]
  readonly slowed: readonly string[]
  /** The worker's own reasons. */
  readonly own: readonly string[]
}

/** What a service tells of moments one after the other, as its tick does: what it holds for, or is slowed for, when that changed. */
function told(moments: readonly Moment[]): (SluiceEvent | undefined)[] {
  let before: string | undefined
  return moments.map(({ held, slowed, own }) => {
    const reasons = [...held, ...own].sort()
    const telling = JSON.stringify([reasons, slowed])
    const isFirst = before === undefined
    if (before === telling) return undefined
    before = telling
    if (reasons.length > 0) return { event: 'send.held', reasons, backlogBytes: 0 }
    if (slowed.length > 0) return { event: 'work.slowed', reasons: slowed }
    return isFirst ? undefined : { event: 'send.resumed' }
  })
}

/** What IT reads at each moment. */
function read(events: readonly (SluiceEvent | undefined)[]): (SluiceEvent | undefined)[] {
  let state = ''
  return events.map((event) => {
    const seen = event && forIt(event, state)
    state = seen?.told ?? state
    return seen?.event
  })
}

const subset = (...codes: readonly string[]) => fc.subarray([...codes])
const held = subset('battery', 'metered', 'offline')
const slowed = subset('on-battery', 'weak-charger')

/** Moments with a pause, or a stream that is off, from one to another of them. */
const withPause = (slow: fc.Arbitrary<string[]>) => fc.tuple(fc.array(fc.record({ held, slowed: slow }), { minLength: 1, maxLength: 20 }), fc.nat(19), fc.nat(19), subset('paused', 'stream-off'))
  .map(([moments, a, b, own]) => {
    const [from, to] = [Math.min(a, b), Math.max(a, b)]
    const free = moments.map((moment) => ({ ...moment, own: [] }))
    return { free, paused: free.map((moment, index) => index >= from && index < to ? { ...moment, own } : moment), from, to }
  })

describe('what IT reads', () => {
  test('is the same at every moment with a pause and without one, where nothing is slowed', () => {
    fc.assert(fc.property(withPause(fc.constant([])), ({ free, paused }) => {
      expect(read(told(paused))).toEqual(read(told(free)))
    }), { numRuns: 500 })
  })

  test('has no line at the beginning of a pause that is not there without it, and never the words of a private reason', () => {
    fc.assert(fc.property(withPause(slowed), ({ free, paused, from }) => {
      const [lines, others] = [read(told(paused)), read(told(free))]
      expect(JSON.stringify(lines)).not.toMatch(/paused|stream-off/)
      expect(lines.slice(0, from)).toEqual(others.slice(0, from))
      const isSame = from > 0 && from < free.length && JSON.stringify(free[from]) === JSON.stringify(free[from - 1])
      if (isSame) expect(lines[from]).toBeUndefined()
    }), { numRuns: 500 })
  })

  test('has no line at the end of a pause in which nothing else changed', () => {
    fc.assert(fc.property(held, slowed, fc.integer({ min: 1, max: 5 }), (held, slowed, length) => {
      const quiet: Moment = { held, slowed, own: [] }
      const moments = [quiet, ...Array.from({ length }, () => ({ ...quiet, own: ['paused'] })), quiet, quiet]
      expect(read(told(moments)).slice(1).filter((event) => event !== undefined)).toEqual([])
    }))
  })

  test('begins anew with a service that begins anew', () => {
    const heldNow: SluiceEvent = { event: 'send.held', reasons: ['metered'], backlogBytes: 0 }
    const started: SluiceEvent = { event: 'service.started', device: 'a', streams: 1 }
    expect(read([started, heldNow, heldNow, started, heldNow])).toEqual([started, heldNow, undefined, started, heldNow])
  })

  test('says nothing of what was dropped', () => {
    expect(read([{ event: 'capture.dropped', stream: 'a', files: 1, bytes: 2 }])).toEqual([undefined])
  })

  test('has `held` for the worker’s own reasons in sums', () => {
    expect(publicReason('paused')).toBe('held')
    expect(publicReason('metered')).toBe('metered')
    expect(publicHeld({ paused: 1, 'stream-off': 2, metered: 4 })).toEqual({ held: 3, metered: 4 })
  })

  test('does not have the names that the worker gave networks', () => {
    expect(publicCap('month-15.network.hotel-adlon.on.metered')).toBe('month-15.network')
    expect(publicCap('policy-day.network.office')).toBe('policy-day.network.office')
    const warned: SluiceEvent = { event: 'cap.warned', cap: 'day.network.ada-home', percent: 80, usedBytes: 8, limitBytes: 10 }
    expect(JSON.stringify(read([warned]))).not.toContain('ada')
  })

  test('does not name the login page of a hotel', () => {
    const failed: SluiceEvent = { event: 'send.failed', code: 'captive-portal', message: 'In place of https://a/ came a redirect to wifi.adlon.example', retryMs: 1 }
    expect(JSON.stringify(read([failed]))).not.toContain('adlon')
  })
})
