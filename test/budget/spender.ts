// Run as a process of its own, to be killed: `node spender.ts JOURNAL WIRE SEED`. Reserves, extends, sends and settles without
// end. Every slice that is sent is a line in WIRE with its bytes and the stream they count for.
import { appendFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { seededRandom } from '../../bench/lib/random.ts'
import { Ledger } from '../../src/budget/ledger.ts'
import { Journal } from '../../src/journal/journal.ts'

const [journalFile = '', wireFile = '', seed = '0'] = process.argv.slice(2)
const random = seededRandom(Number(seed))
const upTo = (max: number) => Math.floor(random() * max)
using journal = new Journal(journalFile)
const ledger = new Ledger(journal)

function send(bytes: number, stream: string): void {
  if (bytes > 0) appendFileSync(wireFile, `${bytes} ${stream}\n`)
}

function transfer(): void {
  const stream = random() < 0.5 ? 'mail' : 'screens'
  let reserved = 1 + upTo(500)
  let sent = 0
  const id = journal.transaction(() => ledger.reserve({ now: Date.now(), queue: 'any', pack: 'p', bytes: reserved, on: 'free', streams: [stream] }))
  for (let slice = upTo(5); slice >= 0; slice--) {
    const bytes = 1 + upTo(300)
    if (sent + bytes > reserved) {
      const more = sent + bytes - reserved + upTo(100)
      // Some a day later, so that they become entries of their own.
      ledger.extend(id, more, Date.now() + (random() < 0.3 ? 86_400_000 : 0))
      reserved += more
    }
    sent += bytes
    send(bytes, stream)
  }
  if (random() < 0.5) journal.transaction(() => ledger.settle(id, sent))
  else ledger.settle(id, sent)
}

process.stdout.write('ready\n')
for (;;) {
  transfer()
  await setImmediate()
}
