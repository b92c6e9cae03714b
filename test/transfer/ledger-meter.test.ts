import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Ledger } from '../../src/budget/ledger.ts'
import { Journal } from '../../src/journal/journal.ts'
import { LedgerMeter } from '../../src/transfer/ledger-meter.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const noon = Date.UTC(2026, 10, 23, 12)
const midnight = Date.UTC(2026, 10, 24)

async function meterOf(maxBytes: number, start = noon) {
  const journal = new Journal(join(await temporaryFolder(), 'journal.sqlite'))
  onTestFinished(() => journal[Symbol.dispose]())
  const ledger = new Ledger(journal)
  const clock = { now: start }
  const meter = new LedgerMeter({ journal, ledger, now: () => clock.now, route: { on: 'free' }, queue: 'any', pack: 'p', maxBytes })
  const settle = () => journal.transaction(() => meter.settle())
  return { meter, ledger, journal, clock, settle, used: (since = 0) => ledger.usedSince(since, {}) }
}

test('what passes is reserved before it passes, and settled to the byte', async () => {
  const { meter, used, settle } = await meterOf(10_000_000)
  expect(meter.charge(1000)).toBe(true)
  expect(used()).toBeGreaterThanOrEqual(1000)
  for (let slice = 0; slice < 100; slice++) {
    expect(meter.charge(65_536)).toBe(true)
    expect(used()).toBeGreaterThanOrEqual(1000 + (slice + 1) * 65_536)
  }
  settle()
  settle()
  expect(used()).toBe(1000 + 100 * 65_536)
})

test('no byte passes beyond the limit, also when it becomes less on the way', async () => {
  const { meter, used, settle } = await meterOf(1000)
  expect([meter.charge(600), meter.charge(401), meter.charge(300)]).toEqual([true, false, true])
  meter.limit(50)
  expect([meter.charge(51), meter.charge(50), meter.charge(1)]).toEqual([false, true, false])
  meter.limit(1e9)
  expect(meter.charge(1)).toBe(false)
  settle()
  expect(used()).toBe(950)
})

test('a correction beyond the limit ends the transfer and counts at once, for it has moved', async () => {
  const { meter, used, settle } = await meterOf(1000)
  expect(meter.charge(900)).toBe(true)
  expect(meter.correct(500)).toBe(false)
  expect(used()).toBe(1400)
  settle()
  expect(used()).toBe(1400)
})

test('a correction of what nobody had charged counts too', async () => {
  const { meter, used, settle } = await meterOf(1000)
  expect(meter.correct(70)).toBe(true)
  expect(used()).toBe(70)
  settle()
  expect(used()).toBe(70)
})

test('bytes that move after midnight count for the new day, although the transfer began before it', async () => {
  const { meter, clock, used, settle, journal } = await meterOf(10_000_000, midnight - 60_000)
  journal.transaction(() => meter.reserve(5_000_000))
  expect(meter.charge(300_000)).toBe(true)
  clock.now = midnight + 1000
  expect(meter.charge(200_000)).toBe(true)
  expect(used(midnight)).toBeGreaterThanOrEqual(200_000)
  settle()
  expect([used(), used(midnight)]).toEqual([500_000, 200_000])
})

test('where the ledger cannot be written nothing passes, and the cause is kept', async () => {
  const { meter, journal } = await meterOf(1e9)
  journal.db.exec('PRAGMA query_only = ON')
  expect(meter.charge(1)).toBe(false)
  expect(meter.failure).toBeInstanceOf(Error)
  journal.db.exec('PRAGMA query_only = OFF')
  expect(meter.charge(1)).toBe(false)
})
