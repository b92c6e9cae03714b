// Claim: whatever the order of reserving, extending, sending, settling and crashing, no cap is ever exceeded by bytes on the wire,
// and the ledger never shows less than was sent, in any scope.
// Method: random histories against a wire that counts. Bytes are sent one slice at a time, only within a reservation that
// was granted; a crash drops everything in memory at any point, or in the middle of a transaction, and opens the database file
// anew; the clock moves forward, and in the second property also back. The last test kills a real process with SIGKILL.
// Modelled: death of the process between any two steps and within a transaction, several open reservations, several caps with
// and without a scope, networks and streams in turn, DST both ways, a year's end, reset day 31, days of suspension, clocks going
// back by up to 60 days and to 1970. Not modelled: loss of power (SQLite's synchronous=FULL is trusted), two processes, a clock
// that runs ahead of the truth (which ends a period early; no ledger can know).
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../bench/lib/random.ts'
import { grant, periodAt } from '../../src/budget/cap.ts'
import type { Cap } from '../../src/budget/cap.ts'
import { Ledger, ledgerSchema } from '../../src/budget/ledger.ts'
import type { Where } from '../../src/budget/usage.ts'
import { capsFor, capUse } from '../../src/budget/usage.ts'
import { Journal } from '../../src/journal/journal.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { sized } from '../size.ts'

const dayMs = 86_400_000
const ids = new Map([['home', '0123456789ab'], ['phone', 'ba9876543210']])

interface Place {
  readonly timeZone: string
  readonly begin: number
}

/** Around clock changes in both directions, one of them at midnight, and around a year's end. */
const places: fc.Arbitrary<Place> = fc.constantFrom(
  { timeZone: 'Europe/Berlin', begin: Date.UTC(2026, 9, 20) },
  { timeZone: 'Europe/Berlin', begin: Date.UTC(2027, 2, 24) },
  { timeZone: 'America/Havana', begin: Date.UTC(2027, 2, 10) },
  { timeZone: 'Australia/Lord_Howe', begin: Date.UTC(2026, 11, 27) },
)

const wheres: fc.Arbitrary<Where> = fc.constantFrom(
  { network: '0123456789ab', on: 'free' }, { network: 'ba9876543210', on: 'metered' },
  { network: '0123456789ab', on: 'free', streams: ['mail'] }, { on: 'metered', streams: ['screens', 'mail'] }, { on: 'free', streams: ['screens'] },
)

type Step =
  | { readonly do: 'reserve', readonly bytes: number, readonly where: Where }
  | { readonly do: 'extend', readonly which: number, readonly bytes: number }
  | { readonly do: 'send', readonly which: number, readonly bytes: number }
  | { readonly do: 'settle', readonly which: number }
  | { readonly do: 'crash', readonly amid?: 'reserve' | 'extend' | 'settle' }
  | { readonly do: 'wait', readonly ms: number }
  | { readonly do: 'clock', readonly shown: number }

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('reserve'), bytes: fc.integer({ min: 1, max: 400 }), where: wheres }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('extend'), which: fc.nat(5), bytes: fc.integer({ min: 1, max: 200 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send'), which: fc.nat(5), bytes: fc.integer({ min: 1, max: 200 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle'), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash'), amid: fc.constantFrom('reserve', 'extend', 'settle') }, { requiredKeys: ['do'] }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.oneof(fc.integer({ min: 0, max: 3 * dayMs }), fc.integer({ min: 0, max: 600_000 })) }) },
)

/** How far the clock is behind the truth, or the wrong time it stands at. */
const clockSteps: fc.Arbitrary<Step> = fc.record({ do: fc.constant('clock'), shown: fc.constantFrom(0, -dayMs, -20 * dayMs, -60 * dayMs, -Infinity) })

const limits = fc.integer({ min: 100, max: 2000 })
const caps: fc.Arbitrary<Cap[]> = fc.tuple(limits, limits, limits, limits, limits, limits, limits, fc.constantFrom(1, 15, 29, 31)).map(
  ([day, week, month, rolling, home, metered, mail, resetDay]) => [
    { id: 'd', per: 'day', limitBytes: day },
    { id: 'w', per: 'week', limitBytes: week, pace: true },
    { id: 'm', per: 'month', limitBytes: 2 * month, resetDay },
    { id: 'r', per: 'rolling', days: 2, limitBytes: rolling },
    { id: 'h', per: 'day', limitBytes: home, network: 'home' },
    { id: 'e', per: 'week', limitBytes: metered, on: 'metered' },
    { id: 's', per: 'day', limitBytes: mail, stream: 'mail' },
  ],
)

/** One of the steps in which bytes of an entry were set aside. What is sent uses up the first one first. */
interface Part { readonly bytes: number, readonly at: number }
interface Open { readonly id: number, readonly where: Where, readonly parts: Part[], sent: number }
interface Sent { readonly at: number, readonly bytes: number, readonly where: Where }

/** Plays a history; `check` is called after each step with the true time and every byte that was really sent. */
function play(path: string, { timeZone, begin }: Place, limited: readonly Cap[], history: readonly Step[], check: Check): void {
  let db = new DatabaseSync(path)
  db.exec('DROP TABLE IF EXISTS ledger')
  db.exec(ledgerSchema.join(''))
  let ledger = new Ledger({ db, guarded: (work) => work() })
  let open: Open[] = []
  let truth = begin
  let behind = 0
  const wire: Sent[] = []
  const shown = () => (behind === -Infinity ? truth - begin : truth + behind)
  const granted = (bytes: number, where: Where) => grant(bytes, capsFor(limited, where, ids)
    .map((cap) => capUse(cap, shown(), timeZone, ledger, ids)))
  for (const step of history) {
    switch (step.do) {
      case 'reserve': {
        const bytes = granted(step.bytes, step.where)
        if (bytes > 0) {
          const id = ledger.reserve({ now: shown(), queue: 'q', pack: 'p', bytes, ...step.where })
          open.push({ id, where: step.where, parts: [{ bytes, at: truth }], sent: 0 })
        }
        break
      }
      case 'extend': {
        const entry = open[step.which]
        const bytes = entry ? granted(step.bytes, entry.where) : 0
        if (entry && bytes > 0) {
          ledger.extend(entry.id, bytes, shown())
          entry.parts.push({ bytes, at: truth })
        }
        break
      }
      case 'send': {
        const entry = open[step.which]
        if (entry) wire.push(...sendFrom(entry, step.bytes))
        break
      }
      case 'settle': {
        const [entry] = open.splice(step.which, 1)
        if (entry) expect(ledger.settle(entry.id, entry.sent)).toBe(0)
        break
      }
      case 'crash': {
        const [entry] = open
        if (step.amid) db.exec('BEGIN IMMEDIATE')
        if (step.amid === 'reserve') ledger.reserve({ now: shown(), queue: 'q', pack: 'p', bytes: 5000, on: 'free' })
        if (step.amid === 'extend' && entry) ledger.extend(entry.id, 5000, shown())
        if (step.amid === 'settle' && entry) ledger.settle(entry.id, 0)
        open = []
        db.close()
        db = new DatabaseSync(path)
        ledger = new Ledger({ db, guarded: (work) => work() })
        break
      }
      case 'wait':
        truth += step.ms
        break
      case 'clock':
        behind = step.shown
        break
    }
    const sentSince = (at: number, cap?: Cap) =>
      wire.reduce((sum, sent) => sum + (sent.at >= at && (!cap || capsFor([cap], sent.where, ids).length > 0) ? sent.bytes : 0), 0)
    check({ ledger, truth, shown: shown(), sentSince })
  }
  db.close()
}

/** Sent when reserved: what a reservation carries over a period's end belongs to the period that granted it. */
function sendFrom(entry: Open, wantedBytes: number): Sent[] {
  const sent: Sent[] = []
  let before = 0
  let wanted = wantedBytes
  for (const { bytes, at } of entry.parts) {
    const now = Math.max(0, Math.min(wanted, before + bytes - entry.sent))
    if (now > 0) sent.push({ at, bytes: now, where: entry.where })
    entry.sent += now
    wanted -= now
    before += bytes
  }
  return sent
}

type Check = (state: { ledger: Ledger, truth: number, shown: number, sentSince: (at: number, cap?: Cap) => number }) => void

test('no cap is exceeded and nothing is under-counted, with crashes at any point', async () => {
  const path = join(await temporaryFolder(), 'ledger.sqlite')
  fc.assert(fc.property(places, caps, fc.array(steps, { maxLength: 60 }), (place, limited, history) => {
    play(path, place, limited, history, ({ ledger, truth, sentSince }) => {
      for (const cap of limited) {
        const { usedBytes, start, today } = capUse(cap, truth, place.timeZone, ledger, ids)
        expect(sentSince(start, cap)).toBeLessThanOrEqual(usedBytes)
        expect(usedBytes).toBeLessThanOrEqual(cap.limitBytes)
        if (today) expect(today.usedBytes).toBeLessThanOrEqual(today.shareBytes)
      }
      expect(sentSince(0)).toBeLessThanOrEqual(ledger.usedSince(0))
    })
  }), { numRuns: 60 })
})

test('a clock that goes back frees no byte of the period that it showed before', async () => {
  const path = join(await temporaryFolder(), 'ledger.sqlite')
  const history = fc.array(fc.oneof({ weight: 5, arbitrary: steps }, { weight: 1, arbitrary: clockSteps }), { maxLength: 60 })
  fc.assert(fc.property(places, caps, history, (place, limited, played) => {
    let latestShown = 0
    play(path, place, limited, played, ({ ledger, shown }) => {
      latestShown = Math.max(latestShown, shown)
      for (const cap of limited) {
        const latest = capUse(cap, latestShown, place.timeZone, ledger, ids)
        expect(latest.start).toBe(periodAt(cap, latestShown, place.timeZone).start)
        expect(latest.usedBytes).toBeLessThanOrEqual(cap.limitBytes)
        expect(capUse(cap, shown, place.timeZone, ledger, ids).usedBytes).toBeGreaterThanOrEqual(latest.usedBytes)
      }
    })
  }), { numRuns: 60 })
})

const seed = Number(process.env['KILL_SEED'] ?? Date.now() % 1_000_000)
const kills = sized({ quick: 8, ci: 60, long: 60 })

test(`a process that is killed ${kills} times (KILL_SEED=${seed}) never sent more than its ledger shows`, async () => {
  const folder = await temporaryFolder()
  const [path, wire] = [join(folder, 'journal.sqlite'), join(folder, 'wire')]
  writeFileSync(wire, '')
  const random = seededRandom(seed)
  let transfers = 0
  for (let killed = 0; killed < kills; killed++) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'spender.ts'), path, wire, String(seed + killed)], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    await Promise.race([once(child.stdout, 'data'), ended])
    await sleep(random() * 150)
    child.kill('SIGKILL')
    expect((await ended)[1]).toBe('SIGKILL')
    using journal = new Journal(path)
    const ledger = new Ledger(journal)
    const lines = readFileSync(wire, 'latin1').split('\n').slice(0, -1).map((line) => line.split(' '))
    for (const stream of ['mail', 'screens', undefined]) {
      const sent = lines.reduce((sum, [bytes, of]) => sum + (stream === undefined || of === stream ? Number(bytes) : 0), 0)
      const used = ledger.usedSince(0, stream === undefined ? {} : { stream })
      expect(used).toBeGreaterThanOrEqual(sent)
      // Each kill leaves one reservation open at most: what was set aside for a transfer, extensions and all.
      expect(used - sent).toBeLessThanOrEqual((killed + 1) * 3000)
    }
    transfers = Number(journal.db.prepare('SELECT count(*) AS n FROM ledger').get()?.['n'])
  }
  expect(transfers).toBeGreaterThan(kills)
})
