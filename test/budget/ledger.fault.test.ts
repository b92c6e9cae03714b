// Claim: whatever the order of reserving, sending, settling and crashing, no cap is ever exceeded by bytes on the wire, and the
// ledger never shows less than was sent.
// Method: random histories against a wire that counts. Bytes are sent one slice at a time, only within a reservation that
// was granted; a crash drops everything in memory at any point and opens the database file anew; the clock moves forward, and
// in the second property also back.
// Modelled: death of the process between any two steps, several open reservations, several caps, clocks going back by up to 60
// days and to 1970. Not modelled: loss of power (SQLite's synchronous=FULL is trusted), two processes, a clock that runs ahead
// of the truth (which ends a period early; no ledger can know).
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { grant, periodAt } from '../../src/budget/cap.ts'
import type { Cap } from '../../src/budget/cap.ts'
import { Ledger, ledgerSchema } from '../../src/budget/ledger.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const dayMs = 86_400_000
const zone = 'Europe/Berlin'
const begin = Date.UTC(2026, 9, 20)

type Step =
  | { readonly do: 'reserve', readonly bytes: number }
  | { readonly do: 'send', readonly which: number, readonly bytes: number }
  | { readonly do: 'settle', readonly which: number }
  | { readonly do: 'crash' }
  | { readonly do: 'wait', readonly ms: number }
  | { readonly do: 'clock', readonly shown: number }

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('reserve'), bytes: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send'), which: fc.nat(5), bytes: fc.integer({ min: 1, max: 200 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle'), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.integer({ min: 0, max: 3 * dayMs }) }) },
)

/** How far the clock is behind the truth, or the wrong time it stands at. */
const clockSteps: fc.Arbitrary<Step> = fc.record({ do: fc.constant('clock'), shown: fc.constantFrom(0, -dayMs, -20 * dayMs, -60 * dayMs, -Infinity) })

const caps: fc.Arbitrary<Cap[]> = fc.tuple(
  fc.integer({ min: 100, max: 800 }), fc.integer({ min: 100, max: 1500 }), fc.integer({ min: 100, max: 3000 }), fc.integer({ min: 1, max: 31 }),
).map(([day, week, month, resetDay]) => [
  { id: 'd', per: 'day', limitBytes: day },
  { id: 'w', per: 'week', limitBytes: week },
  { id: 'm', per: 'month', limitBytes: month, resetDay },
])

interface Open { readonly id: number, readonly bytes: number, readonly at: number, sent: number }

/** Plays a history; `check` is called after each step with the true time and every byte that was really sent. */
function play(path: string, limits: readonly Cap[], history: readonly Step[], check: Check): void {
  let db = new DatabaseSync(path)
  db.exec('DROP TABLE IF EXISTS ledger')
  db.exec(ledgerSchema)
  let ledger = new Ledger(db)
  let open: Open[] = []
  let truth = begin
  let behind = 0
  const wire: { at: number, bytes: number }[] = []
  const shown = () => (behind === -Infinity ? truth - begin : truth + behind)
  for (const step of history) {
    switch (step.do) {
      case 'reserve': {
        const bytes = grant(step.bytes, limits.map((cap) => ledger.use(cap, shown(), zone)))
        if (bytes > 0) open.push({ id: ledger.reserve({ now: shown(), queue: 'q', pack: 'p', bytes }), bytes, at: truth, sent: 0 })
        break
      }
      case 'send': {
        const entry = open[step.which]
        const bytes = entry ? Math.min(step.bytes, entry.bytes - entry.sent) : 0
        if (entry) entry.sent += bytes
        // Sent when reserved: what a reservation carries over a period's end belongs to the period that granted it.
        if (entry) wire.push({ at: entry.at, bytes })
        break
      }
      case 'settle': {
        const [entry] = open.splice(step.which, 1)
        if (entry) expect(ledger.settle(entry.id, entry.sent)).toBe(0)
        break
      }
      case 'crash':
        open = []
        db.close()
        db = new DatabaseSync(path)
        ledger = new Ledger(db)
        break
      case 'wait':
        truth += step.ms
        break
      case 'clock':
        behind = step.shown
        break
    }
    check({ ledger, truth, shown: shown(), sentSince: (at) => wire.reduce((sum, sent) => sum + (sent.at >= at ? sent.bytes : 0), 0) })
  }
  db.close()
}

type Check = (state: { ledger: Ledger, truth: number, shown: number, sentSince: (at: number) => number }) => void

test('no cap is exceeded and nothing is under-counted, with crashes at any point', async () => {
  const path = join(await temporaryFolder(), 'ledger.sqlite')
  fc.assert(fc.property(caps, fc.array(steps, { maxLength: 60 }), (limits, history) => {
    play(path, limits, history, ({ ledger, truth, sentSince }) => {
      for (const cap of limits) {
        const { start } = periodAt(cap, truth, zone)
        expect(sentSince(start)).toBeLessThanOrEqual(ledger.usedSince(start))
        expect(ledger.usedSince(start)).toBeLessThanOrEqual(cap.limitBytes)
      }
    })
  }), { numRuns: 60 })
})

test('a clock that goes back frees no byte of the period that it showed before', async () => {
  const path = join(await temporaryFolder(), 'ledger.sqlite')
  const history = fc.array(fc.oneof({ weight: 5, arbitrary: steps }, { weight: 1, arbitrary: clockSteps }), { maxLength: 60 })
  fc.assert(fc.property(caps, history, (limits, played) => {
    let latestShown = 0
    play(path, limits, played, ({ ledger, shown }) => {
      latestShown = Math.max(latestShown, shown)
      for (const cap of limits) {
        const { start } = periodAt(cap, latestShown, zone)
        expect(ledger.usedSince(start)).toBeLessThanOrEqual(cap.limitBytes)
        expect(ledger.use(cap, shown, zone).usedBytes).toBeGreaterThanOrEqual(ledger.usedSince(start))
      }
    })
  }), { numRuns: 60 })
})
