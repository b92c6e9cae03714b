import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { grant, periodAt } from '../../src/budget/cap.ts'
import type { Cap } from '../../src/budget/cap.ts'
import { capsFor, capUse } from '../../src/budget/usage.ts'
import type { Where } from '../../src/budget/usage.ts'
import { MemoryUsage } from './memory-usage.ts'

const hour = 3_600_000
const dayMs = 24 * hour
const now = Date.UTC(2026, 10, 23, 12)
const ids = new Map([['home', '0123456789ab'], ['phone', 'ba9876543210']])

function usage(...entries: readonly (readonly [at: number, bytes: number, where?: Where])[]): MemoryUsage {
  const memory = new MemoryUsage()
  for (const [at, bytes, where] of entries) memory.add(at, bytes, where ?? { on: 'free' })
  return memory
}

const use = (cap: Omit<Cap, 'id'>, source: MemoryUsage, at = now, timeZone = 'UTC') => capUse({ id: 'c', ...cap }, at, timeZone, source, ids)

describe('the use of a cap', () => {
  test('names the cap, its period and what was used in it', () => {
    const cap = { id: 'month', limitBytes: 1000, per: 'month' } as const
    const source = usage([Date.UTC(2026, 9, 31), 50], [Date.UTC(2026, 10, 1), 300])
    expect(capUse(cap, now, 'UTC', source, ids)).toEqual({ ...cap, start: Date.UTC(2026, 10, 1), end: Date.UTC(2026, 11, 1), usedBytes: 300 })
  })
  test('counts the bytes of its network, its class and its stream alone, and those of which that cannot be told', () => {
    const source = usage([now, 1, { network: '0123456789ab', on: 'free' }], [now, 10, { network: 'ba9876543210', on: 'metered', streams: [] }], [now, 100, { on: 'metered', streams: ['mail', 'screens'] }])
    const day = { limitBytes: 1000, per: 'day' } as const
    expect(use({ ...day, network: 'phone' }, source).usedBytes).toBe(110)
    expect(use({ ...day, on: 'metered' }, source).usedBytes).toBe(110)
    expect(use({ ...day, stream: 'mail' }, source).usedBytes).toBe(101)
    expect(use({ ...day, on: 'free', network: 'phone' }, source).usedBytes).toBe(0)
    expect(use({ ...day, network: 'unnamed' }, source).usedBytes).toBe(100)
  })
  test('of the last days reaches back exactly so many times 24 hours, and says when its oldest bytes fall out', () => {
    const cap = { limitBytes: 1000, per: 'rolling', days: 30 } as const
    const source = usage([now - 30 * dayMs, 1], [now - 30 * dayMs + 1, 10], [now - dayMs, 100])
    expect(use(cap, source)).toMatchObject({ usedBytes: 110, end: now + 1 })
    expect(use(cap, source, now + 1)).toMatchObject({ usedBytes: 100, end: now + 29 * dayMs })
    expect(use(cap, source, now + 29 * dayMs)).toMatchObject({ usedBytes: 0, end: now + 59 * dayMs })
  })
  test('of the last days without days is a defect', () => {
    expect(() => use({ limitBytes: 1, per: 'rolling' }, usage())).toThrow('needs its days')
  })
})

describe('pace', () => {
  const month = { limitBytes: 3000, per: 'month', pace: true } as const

  test('gives each day its part of what was left at midnight; what a day leaves is spread over the rest', () => {
    const first = Date.UTC(2026, 10, 1)
    expect(use(month, usage(), first).today).toEqual({ shareBytes: 100, usedBytes: 0, end: first + dayMs })
    const source = usage([first, 13], [first + dayMs, 60])
    expect(use(month, source, first + dayMs).today).toEqual({ shareBytes: 103, usedBytes: 60, end: first + 2 * dayMs })
    expect(use(month, source, first + 2 * dayMs).today).toMatchObject({ shareBytes: 104, usedBytes: 0 })
  })
  test('does not change a share by what is used of it', () => {
    const midnight = Date.UTC(2026, 10, 23)
    for (const bytes of [0, 5, 200]) expect(use(month, usage([midnight, bytes])).today).toMatchObject({ shareBytes: 375, usedBytes: bytes })
  })
  test('gives the last day all that is left, and nothing of a cap that is overdrawn', () => {
    const last = Date.UTC(2026, 10, 30, 23)
    expect(use(month, usage([now, 1234]), last).today?.shareBytes).toBe(1766)
    expect(use(month, usage([now, 3500]), last).today?.shareBytes).toBe(0)
  })
  test.each([
    ['forward', Date.UTC(2026, 2, 29, 12), 3],
    ['back', Date.UTC(2026, 9, 25, 12), 7],
  ])('counts the day on which the clock goes %s as one', (_, at, days) => {
    expect(use({ ...month, limitBytes: 21_000 }, usage(), at, 'Europe/Berlin').today?.shareBytes).toBe(21_000 / days)
  })
  test('leaves daily and rolling caps as they are', () => {
    expect(use({ limitBytes: 10, per: 'rolling', days: 3, pace: true }, usage()).today).toBeUndefined()
    expect(use({ limitBytes: 10, per: 'day', pace: true }, usage()).today?.shareBytes).toBe(10)
  })

  const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/Havana', 'Australia/Lord_Howe', 'America/Sao_Paulo', 'Pacific/Apia', 'Asia/Beirut')
  const paced: fc.Arbitrary<Cap> = fc.record({
    id: fc.constant('c'), limitBytes: fc.integer({ min: 1, max: 1e9 }), per: fc.constantFrom<Cap['per'][]>('week', 'month'),
    resetDay: fc.integer({ min: 1, max: 31 }), pace: fc.constant(true),
  })

  test('never exceeds the cap, never takes more than its share, and leaves nothing unused while there is demand', () => {
    const instants = fc.integer({ min: Date.UTC(2010, 0, 1), max: Date.UTC(2040, 0, 1) })
    // What is wanted in each stretch of a few hours, at most; at the end everything.
    const demands = fc.array(fc.record({ laterMs: fc.integer({ min: 0, max: 40 * hour }), share: fc.double({ min: 0, max: 1.5, noNaN: true }) }), { maxLength: 60 })
    fc.assert(fc.property(paced, instants, zones, demands, (cap, instant, timeZone, wanted) => {
      const source = new MemoryUsage()
      const { start, end } = periodAt(cap, instant, timeZone)
      const take = (at: number, bytes: number) => {
        const { today, usedBytes } = capUse(cap, at, timeZone, source, ids)
        const granted = grant(bytes, [capUse(cap, at, timeZone, source, ids)])
        source.add(at, granted, { on: 'free' })
        expect(granted + usedBytes).toBeLessThanOrEqual(cap.limitBytes)
        if (granted > 0) expect(granted + (today?.usedBytes ?? NaN)).toBeLessThanOrEqual(today?.shareBytes ?? NaN)
      }
      let at = start
      for (const { laterMs, share } of wanted) {
        at = Math.min(at + laterMs, end - 1)
        take(at, Math.floor(share * cap.limitBytes))
      }
      take(end - 1, Infinity)
      expect(capUse(cap, end - 1, timeZone, source, ids).usedBytes).toBe(cap.limitBytes)
    }), { numRuns: 200 })
  })
  test('spreads a demand that never ends evenly: no day gets more than a byte above another', () => {
    fc.assert(fc.property(paced, zones, (cap, timeZone) => {
      const source = new MemoryUsage()
      const { start, end } = periodAt(cap, now, timeZone)
      const days: number[] = []
      for (let at = start; at < end; at = periodAt({ per: 'day' }, at, timeZone).end) {
        const granted = grant(Infinity, [capUse(cap, at, timeZone, source, ids)])
        source.add(at, granted, { on: 'free' })
        days.push(granted)
      }
      expect(Math.max(...days) - Math.min(...days)).toBeLessThanOrEqual(1)
      expect(days.reduce((sum, bytes) => sum + bytes, 0)).toBe(cap.limitBytes)
    }))
  })
})

describe('the caps that count', () => {
  const caps: Cap[] = [
    { id: 'all', limitBytes: 1, per: 'day' },
    { id: 'home', limitBytes: 1, per: 'day', network: 'home' },
    { id: 'unnamed', limitBytes: 1, per: 'day', network: 'unnamed' },
    { id: 'metered', limitBytes: 1, per: 'day', on: 'metered' },
    { id: 'mail', limitBytes: 1, per: 'day', stream: 'mail' },
  ]
  const counting = (where: Parameters<typeof capsFor>[1]) => capsFor(caps, where, ids).map(({ id }) => id)

  test('are those of the device, the network, its class and each stream', () => {
    expect(counting({ network: '0123456789ab', on: 'free', streams: ['mail'] })).toEqual(['all', 'home', 'mail'])
    expect(counting({ network: 'ba9876543210', on: 'metered', streams: ['screens', 'mail'] })).toEqual(['all', 'metered', 'mail'])
    expect(counting({ network: 'ba9876543210', on: 'metered', streams: ['screens'] })).toEqual(['all', 'metered'])
  })
  test('are those of every network and of every stream, where these cannot be told', () => {
    expect(counting({ on: 'free', streams: ['screens'] })).toEqual(['all', 'home', 'unnamed'])
    expect(counting({ network: 'ba9876543210', on: 'free' })).toEqual(['all', 'mail'])
  })
  test('on a network that cannot be told are those of its class alone', () => {
    const [free, metered] = (['free', 'metered'] as const).map((on): Cap => ({ id: on, limitBytes: 1, per: 'day', network: 'home', on }))
    expect(capsFor([free!, metered!], { on: 'metered', streams: [] }, ids)).toEqual([metered])
  })
})

test('what is granted never exceeds any cap, over months of networks, streams, suspension and clock changes', () => {
  const caps: Cap[] = [
    { id: 'm', limitBytes: 9000, per: 'month', resetDay: 31, pace: true }, { id: 'd', limitBytes: 900, per: 'day' },
    { id: 'r', limitBytes: 1500, per: 'rolling', days: 3 }, { id: 'h', limitBytes: 2000, per: 'week', network: 'home' },
    { id: 'f', limitBytes: 1000, per: 'rolling', days: 2, on: 'metered' }, { id: 's', limitBytes: 700, per: 'week', stream: 'mail', pace: true },
  ]
  const network = fc.constantFrom<Where[]>({ network: '0123456789ab', on: 'free' }, { network: 'ba9876543210', on: 'metered' }, { on: 'metered' }, { on: 'free' })
  const step = fc.record({
    laterMs: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 8 * hour }) }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 9 * dayMs }) }),
    bytes: fc.integer({ min: 1, max: 3000 }), network, streams: fc.constantFrom(['mail'], ['screens'], ['screens', 'mail']),
  })
  const begins = fc.constantFrom(Date.UTC(2026, 9, 1), Date.UTC(2027, 2, 1), Date.UTC(2026, 11, 1))
  fc.assert(fc.property(fc.array(step, { maxLength: 120 }), begins, fc.constantFrom('Europe/Berlin', 'America/Havana', 'UTC'), (history, begin, timeZone) => {
    const source = new MemoryUsage()
    const sent: { readonly at: number, readonly bytes: number, readonly where: Where }[] = []
    let at = begin
    for (const { laterMs, bytes, network: place, streams } of history) {
      at += laterMs
      const where = { ...place, streams }
      const uses = capsFor(caps, where, ids).map((cap) => capUse(cap, at, timeZone, source, ids))
      const granted = grant(bytes, uses)
      source.add(at, granted, where)
      sent.push({ at, bytes: granted, where })
    }
    // Judged from what was sent alone: in every period of every cap, as it was at each time of sending.
    for (const cap of caps) {
      for (const { at: end } of sent) {
        const { start } = periodAt(cap, end, timeZone)
        const counted = sent.filter(({ at: time, where }) => time >= start && time <= end
          && (!cap.network || !where.network || where.network === ids.get(cap.network)) && (!cap.on || where.on === cap.on)
          && (!cap.stream || where.streams?.includes(cap.stream)))
        expect(counted.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(cap.limitBytes)
      }
    }
  }), { numRuns: 40 })
})
