import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Cap } from '../../src/budget/cap.ts'
import { Ledger, ledgerSchema } from '../../src/budget/ledger.ts'
import type { Reservation } from '../../src/budget/ledger.ts'
import { capUse } from '../../src/budget/usage.ts'
import type { Scope } from '../../src/budget/usage.ts'
import { MemoryUsage } from './memory-usage.ts'

const dayMs = 86_400_000
const now = Date.UTC(2026, 10, 23, 12)
const month: Cap = { id: 'month', limitBytes: 1000, per: 'month' }

function openLedger() {
  const db = new DatabaseSync(':memory:')
  db.exec(ledgerSchema.join(''))
  const ledger = new Ledger({ db, guarded: (work) => work() })
  return {
    db,
    ledger,
    reserve: (bytes: number, at = now, where: Partial<Reservation> = { on: 'free' }) =>
      ledger.reserve({ now: at, queue: 'default', pack: 'p1', bytes, ...where }),
    used: (at = now) => capUse(month, at, 'UTC', ledger, new Map()).usedBytes,
    entries: () => Number(db.prepare('SELECT count(*) AS n FROM ledger').get()?.['n']),
  }
}

describe('the ledger', () => {
  test('a reservation counts in full until it is settled, then what was sent counts', () => {
    const { ledger, reserve, used } = openLedger()
    expect(used()).toBe(0)
    const id = reserve(300)
    expect(used()).toBe(300)
    expect(ledger.settle(id, 120)).toBe(0)
    expect(used()).toBe(120)
  })
  test('bytes beyond a reservation are recorded in full and reported', () => {
    const { ledger, reserve, used } = openLedger()
    expect(ledger.settle(reserve(300), 310)).toBe(10)
    expect(used()).toBe(310)
  })
  test('a reservation is settled once; what was recorded never changes again', () => {
    const { ledger, reserve, used } = openLedger()
    const id = reserve(300)
    ledger.settle(id, 200)
    expect(() => ledger.settle(id, 0)).toThrow('not an open reservation')
    expect(() => ledger.settle(id + 1, 0)).toThrow('not an open reservation')
    expect(used()).toBe(200)
  })
  test.each([-1, 0.5, NaN, Infinity])('%s bytes are refused, and leave no entry', (bytes) => {
    const { ledger, reserve, used } = openLedger()
    expect(() => reserve(bytes)).toThrow('not a number of bytes')
    const id = reserve(5)
    expect(() => ledger.settle(id, bytes)).toThrow('not a number of bytes')
    expect(used()).toBe(5)
  })
  test('a new period begins at nothing, and what is left open in the last one stays there', () => {
    const { reserve, used } = openLedger()
    reserve(300)
    const december = Date.UTC(2026, 11, 1)
    expect(used(december - 1)).toBe(300)
    expect(used(december)).toBe(0)
  })
  test('a reservation made in a transaction that is rolled back is none', () => {
    const { db, reserve, used } = openLedger()
    db.exec('BEGIN')
    reserve(300)
    db.exec('ROLLBACK')
    expect(used()).toBe(0)
  })
})

describe('when the clock goes back', () => {
  test('what was used counts in the earlier period too', () => {
    const { reserve, used } = openLedger()
    reserve(300)
    expect(used(now - 40 * dayMs)).toBe(300)
  })
  test('what is used meanwhile still counts once the clock is right again', () => {
    const { reserve, used } = openLedger()
    reserve(300)
    reserve(200, now - 40 * dayMs)
    expect(used()).toBe(500)
  })
  test('a machine that forgot the time counts like before it forgot', () => {
    const { reserve, used } = openLedger()
    reserve(300)
    reserve(200, Date.UTC(1970, 0, 1))
    reserve(100, Date.UTC(2000, 0, 1))
    expect(used()).toBe(600)
    expect(used(Date.UTC(1970, 0, 2))).toBe(600)
  })
  test('after a clock that ran years ahead is put right, only what was used meanwhile counts on', () => {
    const { reserve, used } = openLedger()
    const ahead = now + 1500 * dayMs
    reserve(10, ahead)
    reserve(300)
    expect(used()).toBe(310)
    expect(used(Date.UTC(2026, 11, 1))).toBe(10)
    expect(used(ahead + 40 * dayMs)).toBe(0)
  })
})

const home = '0123456789ab'
const cafe = 'ba9876543210'

describe('where bytes went', () => {
  test('is told apart by network, class and stream', () => {
    const { ledger, reserve } = openLedger()
    reserve(1, now, { network: home, on: 'free' })
    reserve(10, now, { network: cafe, on: 'metered' })
    reserve(100, now, { network: cafe, on: 'metered', streams: ['mail', 'screens'] })
    reserve(1000, now, { network: cafe, on: 'metered', streams: ['mail.old', 'e-mail'] })
    expect(ledger.usedSince(0)).toBe(1111)
    expect(ledger.usedSince(0, { network: cafe })).toBe(1110)
    expect(ledger.usedSince(0, { on: 'metered' })).toBe(1110)
    expect(ledger.usedSince(0, { network: cafe, stream: 'screens' })).toBe(110)
    expect(ledger.usedSince(0, { stream: 'mail' })).toBe(111)
    expect(ledger.usedSince(0, { stream: 'mail.old' })).toBe(1011)
  })
  test('counts for every network and every stream when these could not be told', () => {
    const { ledger, reserve } = openLedger()
    reserve(1, now, { on: 'metered', streams: ['mail'] })
    reserve(10, now, { network: home, on: 'free' })
    expect([home, cafe].map((network) => ledger.usedSince(0, { network }))).toEqual([11, 1])
    expect(['mail', 'screens'].map((stream) => ledger.usedSince(0, { stream }))).toEqual([11, 10])
    expect(ledger.oldestSince(0, { network: cafe })).toBe(now)
    expect(ledger.usedSince(0, { network: cafe, on: 'free' })).toBe(0)
  })
  test('counts everywhere when it was not written down', () => {
    const { ledger, reserve } = openLedger()
    reserve(7, now, {})
    for (const scope of [{ network: home }, { on: 'free' }, { on: 'metered' }, { stream: 'mail' }] as const) expect(ledger.usedSince(0, scope)).toBe(7)
  })
  test('lists each network with its first and last use', () => {
    const { ledger, reserve } = openLedger()
    ledger.settle(reserve(50, now, { network: home, on: 'free' }), 5)
    reserve(20, now + 1, { network: cafe, on: 'metered' })
    reserve(30, now + 2, { network: home, on: 'free' })
    reserve(40, now + 3, { on: 'metered' })
    expect(ledger.networks()).toEqual([{ id: home, firstAt: now, lastAt: now + 2, bytes: 35 }, { id: cafe, firstAt: now + 1, lastAt: now + 1, bytes: 20 }])
  })
  test('the oldest bytes are found, and nothing that was settled with none', () => {
    const { ledger, reserve } = openLedger()
    ledger.settle(reserve(50, now), 0)
    reserve(5, now + 10, { on: 'metered' })
    expect(ledger.oldestSince(0)).toBe(now + 10)
    expect(ledger.oldestSince(now + 11)).toBeUndefined()
    expect(ledger.oldestSince(0, { on: 'free' })).toBeUndefined()
  })
})

describe('an extension', () => {
  test('counts like the reservation, in the same scope, and is settled with it', () => {
    const { ledger, reserve, used } = openLedger()
    const id = reserve(100, now, { network: home, on: 'metered', streams: ['mail'] })
    ledger.extend(id, 50, now + 1)
    ledger.extend(id, 50, now + dayMs)
    expect(used()).toBe(200)
    for (const scope of [{ network: home }, { on: 'metered' }, { stream: 'mail' }] as const) expect(ledger.usedSince(0, scope)).toBe(200)
    expect(ledger.settle(id, 120)).toBe(0)
    expect(used()).toBe(120)
    expect(() => ledger.settle(id, 0)).toThrow('not an open reservation')
    expect(() => { ledger.extend(id, 1, now) }).toThrow('not an open reservation')
  })
  test('after midnight counts in the new day, and what went out used up the first part first', () => {
    const { ledger, reserve } = openLedger()
    const midnight = Date.UTC(2026, 10, 24)
    const id = reserve(100, midnight - 1)
    ledger.extend(id, 80, midnight)
    expect(ledger.usedSince(midnight)).toBe(80)
    ledger.settle(id, 130)
    expect(ledger.usedSince(midnight)).toBe(30)
    expect(ledger.usedSince(0)).toBe(130)
  })
  test('made soon after takes no entry of its own, unless another was made in between', () => {
    const { ledger, reserve, entries } = openLedger()
    const id = reserve(100)
    for (let step = 1; step <= 100; step++) ledger.extend(id, 1, now + step)
    expect(entries()).toBe(1)
    expect(ledger.oldestSince(0)).toBe(now + 100)
    reserve(1)
    ledger.extend(id, 1, now + 101)
    expect(entries()).toBe(3)
    expect(ledger.usedSince(0)).toBe(202)
  })
  test('is settled with its reservation, or neither is', () => {
    const { db, ledger, reserve, used } = openLedger()
    const id = reserve(100)
    ledger.extend(id, 50, now + dayMs)
    db.exec("CREATE TRIGGER full BEFORE UPDATE ON ledger WHEN old.extends IS NOT NULL BEGIN SELECT raise(ABORT, 'disk full'); END")
    expect(() => ledger.settle(id, 10)).toThrow('disk full')
    expect(db.isTransaction).toBe(false)
    expect(used()).toBe(150)
    db.exec('DROP TRIGGER full')
    ledger.settle(id, 10)
    expect(used()).toBe(10)
  })
  test('of another entry’s part is refused', () => {
    const { ledger, reserve } = openLedger()
    const id = reserve(100)
    ledger.extend(id, 1, now + dayMs)
    expect(() => { ledger.extend(id + 1, 1, now + dayMs) }).toThrow('not an open reservation')
    expect(() => ledger.settle(id + 1, 1)).toThrow('not an open reservation')
  })
})

describe('entries that no period can reach', () => {
  test('are summed up by day and scope; nothing of a reachable period changes, and no byte is lost', () => {
    const { ledger, reserve, entries } = openLedger()
    const begin = Date.UTC(2026, 0, 1)
    for (let day = 0; day < 10; day++) {
      for (let part = 0; part < 20; part++) {
        const scope: Partial<Reservation> = part % 2 === 0 ? { network: home, on: 'free', streams: ['screens'] } : { on: 'metered', streams: ['mail'] }
        ledger.settle(reserve(10, begin + day * dayMs + part * 60_000, scope), 7)
      }
    }
    const crashed = reserve(5, begin + 10 * dayMs - 1)
    expect(entries()).toBe(201)
    // 428 days before this is still in reach: 366 of a rolling cap, and two months for a wrong clock.
    reserve(0, begin + 5 * dayMs + 430 * dayMs)
    expect(entries()).toBe(5 * 2 + 5 * 20 + 2)
    expect(ledger.usedSince(0)).toBe(200 * 7 + 5)
    expect(ledger.usedSince(0, { stream: 'mail' })).toBe(100 * 7 + 5)
    expect(ledger.usedSince(begin + 5 * dayMs)).toBe(100 * 7 + 5)
    expect(ledger.settle(crashed, 4)).toBe(0)
    reserve(0, begin + 1000 * dayMs)
    expect(entries()).toBe(10 * 2 + 3)
    expect(ledger.usedSince(0)).toBe(200 * 7 + 4)
  })
  test('are dated like the last of their day, also where a later entry bears an earlier date', () => {
    const { ledger, reserve } = openLedger()
    for (const at of [now, now + 100 * dayMs, now - 1000]) ledger.settle(reserve(10, at), 10)
    reserve(0, now + 600 * dayMs)
    expect(ledger.usedSince(now)).toBe(30)
    expect(ledger.usedSince(now + 1)).toBe(10)
  })
  test('are summed up once a day at most, and a clock that jumps ahead for a moment loses nothing of the month', () => {
    const { ledger, reserve, used, entries } = openLedger()
    for (let part = 0; part < 10; part++) ledger.settle(reserve(10, now + part), 10)
    reserve(1, now + 3000 * dayMs)
    expect(entries()).toBe(2)
    expect(used()).toBe(101)
    reserve(1)
    expect(used()).toBe(102)
  })
})

test('the ledger and a plain list give the same sums for any entries, scopes and settlements', () => {
  const network = fc.constantFrom(undefined, home, cafe)
  const on = fc.constantFrom('free' as const, 'metered' as const)
  const stream = fc.constantFrom(undefined, 'mail', 'screens')
  const streams = fc.option(fc.subarray(['mail', 'screens', 'pointer'], { minLength: 1 }), { nil: undefined })
  const entry = fc.record({ laterMs: fc.integer({ min: 0, max: 40 * dayMs }), bytes: fc.nat(1000), more: fc.nat(500), spent: fc.option(fc.double({ min: 0, max: 1, noNaN: true })), network, on, streams })
  const scope = fc.record({ network, on: fc.option(on, { nil: undefined }), stream })
  const known = <T extends object>(fields: T) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  fc.assert(fc.property(fc.array(entry, { maxLength: 40 }), scope, fc.nat(600), (entries, asked, daysAgo) => {
    const { ledger } = openLedger()
    const memory = new MemoryUsage()
    let at = now
    for (const { laterMs, bytes, more, spent, ...where } of entries) {
      at += laterMs
      const id = ledger.reserve({ now: at, queue: 'q', pack: 'p', bytes, ...known(where), on: where.on })
      if (more > 0) ledger.extend(id, more, at)
      const used = spent === null ? bytes + more : Math.floor(spent * (bytes + more))
      if (spent !== null) ledger.settle(id, used)
      memory.add(at, used, { ...known(where), on: where.on })
    }
    const since = at - daysAgo * dayMs
    const wanted: Scope = known(asked)
    // Beyond what periods reach, sums are of whole days.
    if (daysAgo <= 428) {
      expect(ledger.usedSince(since, wanted)).toBe(memory.usedSince(since, wanted))
      expect(ledger.oldestSince(since, wanted)).toBe(memory.oldestSince(since, wanted))
    } else expect(ledger.usedSince(since, wanted)).toBeGreaterThanOrEqual(memory.usedSince(since, wanted))
    expect(ledger.usedSince(0, wanted)).toBe(memory.usedSince(0, wanted))
  }))
})
