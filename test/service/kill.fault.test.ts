/**
 * Claim: however often the service is killed, at whatever moment, nothing that capture tools wrote is lost, nothing is captured
 * twice, no chunk is stored twice in an epoch, and the ledger never shows less than what lies at the destination.
 *
 * Method: real processes (`run` and `run --once`) over a folder destination are killed with SIGKILL at random moments, while a
 * writer appends to files, rotates, truncates, moves whole files and screenshots into place and writes some slowly. After each kill the ledger
 * is compared with the destination; after the last one a single `run --once` must end with 0, and then the device log is
 * compared with everything that was ever written. KILL_SEED repeats the choices of a run, not its timing.
 *
 * The one loss that is allowed: what was truncated away before it was read. Of a truncated generation any beginning may have
 * been captured, once. Of a whole file that is still being written, `run --once` may take states on the way as versions.
 *
 * Not modelled: loss of power (test/service/seal-cut.fault.test.ts does), a writer that rewrites bytes in place, files that
 * are deleted, truncation of a file larger than one read (1 MiB).
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { seededRandom } from '../../bench/lib/random.ts'
import { bytesThere, destinationOf, ledgerBytes, makePlace, readStored, runOnce, sluice, Sluice } from './harness.ts'
import { differences, Writer } from './written.ts'
import { sized } from '../size.ts'

const seed = Number(process.env['KILL_SEED'] ?? Date.now() % 1_000_000)
const kills = sized({ quick: 12, ci: 200, long: 200 })
/** Between two writes; some hundred kilobytes a second in all. */
const writeEveryMs = 25

test(`killed ${kills} times (KILL_SEED=${seed}), nothing is lost, nothing is there twice, and the ledger is never behind`, { timeout: 15 * 60_000 }, async () => {
  const random = seededRandom(seed)
  const place = await makePlace({ shots: 'fidelity: pixels' })
  const staging = join(place.folder, 'staging')
  mkdirSync(staging)
  const writer = new Writer({ ...place, staging }, seededRandom(seed + 1))
  const writing = setInterval(() => writer.step(), writeEveryMs)
  const events = new Map<string, number>()
  try {
    for (let killed = 0; killed < kills; ) {
      const isOnce = random() < 0.35
      const service = new Sluice('run', ...(isOnce ? ['--once'] : ['--json']), '--config', place.configFile)
      // Half of the kills come after it has begun its work, the others also while it starts.
      if (!isOnce && random() < 0.7) await service.event((event) => event.event === 'service.started')
      await Promise.race([sleep(random() * (isOnce ? 1500 : 1200)), service.ended])
      service.kill()
      const { code, signal } = await service.ended
      if (signal === 'SIGKILL') killed++
      else expect(code, service.stderr).toBe(0)
      for (const { event } of service.events) events.set(event, (events.get(event) ?? 0) + 1)
      expect(ledgerBytes(place)).toBeGreaterThanOrEqual(bytesThere(place))
    }
  } finally {
    clearInterval(writing)
  }
  writer.finish()

  const last = await runOnce(place)
  expect(last, last.stderr).toMatchObject({ code: 0 })
  const stored = await readStored(destinationOf(place))
  expect(stored.problems).toEqual([])
  expect(differences(writer.generations, stored.captured)).toEqual([])
  expect(stored.repeated).toEqual([])
  expect(ledgerBytes(place)).toBeGreaterThanOrEqual(bytesThere(place))
  expect((await sluice('verify', place.config.destination)).code).toBe(0)
  const out = join(place.folder, 'out')
  expect((await sluice('pull', place.config.destination, out)).code).toBe(0)
  const complete = stored.captured.filter((version) => version.complete)
  for (const stream of ['log', 'shots']) {
    const pulled = readdirSync(join(out, stream)).map((name) => readFileSync(join(out, stream, name)).toString('latin1')).sort()
    const expected = complete.filter((version) => version.stream === stream).map((version) => version.bytes.toString('latin1')).sort()
    expect(pulled.length).toBe(expected.length)
    expect(pulled.every((text, index) => text === expected[index])).toBe(true)
  }
  // The run was worth something only if much was under way when it was killed.
  expect(stored.packs).toBeGreaterThan(kills)
  expect(events.get('pack.sent') ?? 0).toBeGreaterThan(0)
})
