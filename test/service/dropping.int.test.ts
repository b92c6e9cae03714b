/** A pause that drops, lived through by the whole service: what was captured in it never arrives, everything else does. */
import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { readSettings } from '../../src/journal/settings.ts'
import { noise } from '../pack/make-log.ts'
import { destinationOf, makePlace, readStored, runOnce, sluice, Sluice, type Place } from './harness.ts'
import { untilPaused } from './paused.ts'

const before = noise('before', 50_000)
const secret = noise('secret', 60_000)
const after = noise('after', 70_000)

const pause = (place: Place, ...words: readonly string[]) => sluice('pause', ...words, '--config', place.configFile)
const resume = (place: Place) => sluice('resume', '--config', place.configFile)

/** Until what was captured in the pause has been dropped. */
const untilDropped = (place: Place) => vi.waitFor(() => {
  expect(readSettings(place.state)).toMatchObject({ dropped: [], droppedBefore: [{}] })
}, { timeout: 60_000, interval: 20 })

/** Contents that arrived, the largest first. */
async function arrived(place: Place): Promise<Buffer[]> {
  const { captured, problems } = await readStored(destinationOf(place))
  expect(problems).toEqual([])
  return captured.map(({ bytes }) => Buffer.from(bytes)).sort((a, b) => b.length - a.length)
}

test.each(['run', 'run --once'])('%s never sends what was captured while it was paused with --drop', async (how) => {
  const place = await makePlace()
  const log = join(place.log, 'a.log')
  writeFileSync(log, before)
  const service = how === 'run' ? new Sluice('run', '--json', '--config', place.configFile) : undefined
  if (service) await service.event(({ event }) => event === 'pack.sent')
  expect((await pause(place, '--drop')).code).toBe(0)
  if (service) await untilPaused(place.state)
  appendFileSync(log, secret)
  writeFileSync(join(place.log, 'b.log'), secret)
  expect((await resume(place)).code).toBe(0)
  if (service) await untilDropped(place)
  else expect((await runOnce(place)).code).toBe(0)
  appendFileSync(log, after)
  if (service) {
    const from = service.events.length
    await service.event(({ event }) => event === 'pack.sent', from)
    service.kill('SIGTERM')
    await service.ended
  }
  expect((await runOnce(place)).code).toBe(0)
  const [last, ...others] = await arrived(place)
  expect(last?.equals(after)).toBe(true)
  // A run that was not there when the pause began cannot tell how much of the file was written before it.
  expect(others.map((bytes) => bytes.equals(before))).toEqual(how === 'run' ? [true] : [])
  expect(readSettings(place.state)).toMatchObject({ dropped: [], droppedBefore: [{}] })
})

test('a journal that is lost after such a pause is rebuilt without what was dropped', async () => {
  const place = await makePlace()
  const log = join(place.log, 'a.log')
  writeFileSync(log, before)
  expect((await runOnce(place)).code).toBe(0)
  await pause(place, '--drop')
  appendFileSync(log, secret)
  await resume(place)
  expect((await runOnce(place)).code).toBe(0)
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(place.state, `journal.sqlite${suffix}`), { force: true })
  expect((await runOnce(place)).code).toBe(0)
  expect((await arrived(place)).map((bytes) => bytes.equals(before))).toEqual([true])
})

test('a dropping pause is as long as was asked for', async () => {
  const place = await makePlace()
  const { stdout } = await sluice('pause', '1h', '--drop', '--json', '--config', place.configFile)
  const { since, until } = JSON.parse(stdout) as { since: number; until: number }
  expect(until - since).toBe(3_600_000)
})

test('settings that are deleted in a dropping pause, damaged or not, give nothing of it away', async () => {
  const place = await makePlace()
  const service = new Sluice('run', '--json', '--config', place.configFile)
  await service.event(({ event }) => event === 'service.started')
  await pause(place, '--drop')
  await untilPaused(place.state)
  writeFileSync(join(place.log, 'a.log'), secret)
  writeFileSync(join(place.state, 'settings.json'), '{')
  await service.event((event) => event.event === 'send.held' && event.reasons.includes('settings-damaged'))
  rmSync(join(place.state, 'settings.json'))
  await untilDropped(place)
  writeFileSync(join(place.log, 'b.log'), after)
  await service.event(({ event }) => event === 'pack.sent')
  service.kill('SIGTERM')
  await service.ended
  expect((await runOnce(place)).code).toBe(0)
  expect((await arrived(place)).map((bytes) => bytes.equals(after))).toEqual([true])
})
