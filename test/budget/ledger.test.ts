import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import type { Cap } from '../../src/budget/cap.ts'
import { Ledger, ledgerSchema } from '../../src/budget/ledger.ts'

const dayMs = 86_400_000
const now = Date.UTC(2026, 10, 23, 12)
const month: Cap = { id: 'month', limitBytes: 1000, per: 'month' }

function openLedger() {
  const db = new DatabaseSync(':memory:')
  db.exec(ledgerSchema)
  const ledger = new Ledger(db)
  return {
    db,
    ledger,
    reserve: (bytes: number, at = now) => ledger.reserve({ now: at, queue: 'default', pack: 'p1', bytes }),
    used: (at = now) => ledger.use(month, at, 'UTC').usedBytes,
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
  test('a use names the cap, its period and what was used of it', () => {
    const { ledger, reserve } = openLedger()
    reserve(300)
    expect(ledger.use(month, now, 'UTC')).toEqual({ ...month, start: Date.UTC(2026, 10, 1), end: Date.UTC(2026, 11, 1), usedBytes: 300 })
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
