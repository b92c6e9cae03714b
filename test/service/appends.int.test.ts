/**
 * Claim: what makes appends durable goes with the packs they are sealed in, not with the appends.
 *
 * Method: five minutes of fifty appends a second to several files, by the test's clock, through a service with its real
 * journal, over a disk that counts; packs leave after a minute. Durable commits of the journal are counted in its
 * write-ahead log, where nothing escapes: each ends with a frame that tells the size of the database (sqlite.org/fileformat2.html).
 */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { faultDisk } from '../fault-disk.ts'
import { makePlace } from './harness.ts'
import { goLive } from './live.ts'

const minutes = 5
const appendsPerSecond = 50
const files = ['pointer.jsonl', 'keys.jsonl', 'focus.jsonl']

/** Commits in a write-ahead log that was never checkpointed. */
function commits(wal: Buffer): number {
  const frameBytes = 24 + wal.readUInt32BE(8)
  let count = 0
  for (let at = 32; at + frameBytes <= wal.length; at += frameBytes) if (wal.readUInt32BE(at + 4) !== 0) count += 1
  return count
}

test('five minutes of fifty appends a second cost a handful of syncs and commits for each pack', async () => {
  const place = await makePlace()
  mkdirSync(place.state)
  const disk = faultDisk()
  let now = Date.now()
  const seal = { sizeBytes: 4 << 20, ageMs: 60_000 }
  const { parts, service, events } = await goLive(place, { disk, now: () => now, config: { ...place.config, seal } })
  parts.journal.db.exec('PRAGMA wal_checkpoint(TRUNCATE); PRAGMA wal_autocheckpoint = 0')
  const transactions = vi.spyOn(parts.journal, 'transaction')
  await service.turned()
  const operationsBefore = disk.operations.length
  const sent = (): number => events.filter(({ event }) => event === 'pack.sent').length
  const second = async (): Promise<void> => {
    now += 1_000
    await service.turned()
    await setImmediate()
  }
  let line = 0
  for (let minute = 0; minute < minutes; minute++) {
    const before = sent()
    for (let s = 0; s < 60; s++) {
      for (let n = 0; n < appendsPerSecond; n++) {
        const text = `{"t":${now},"n":${line},"text":"${'x'.repeat(line % 300)}"}\n`
        appendFileSync(join(place.log, files[line++ % files.length] as string), text)
      }
      await second()
    }
    while (sent() === before) await second()
  }
  await service.turned()
  const packs = sent()
  const syncs = disk.operations.slice(operationsBefore).filter(({ kind }) => kind === 'sync' || kind === 'syncFolder')
  expect(packs).toBeGreaterThanOrEqual(minutes)
  expect(packs).toBeLessThanOrEqual(minutes + 1)
  expect(syncs.length).toBeLessThanOrEqual(2 * packs + 2)
  expect(transactions.mock.calls.length).toBeLessThanOrEqual(4 * packs + 4)
  expect(commits(readFileSync(join(place.state, 'journal.sqlite-wal')))).toBeLessThanOrEqual(4 * packs + 4)
}, 120_000)
