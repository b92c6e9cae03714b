import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { bytesThere, makePlace, runOnce, sluice, Sluice } from './harness.ts'
import { goLive } from './live.ts'

test('a log that is written without a break is packed while it is written', async () => {
  const place = await makePlace({ more: 'network: { onUnknown: free }' })
  const service = new Sluice('run', '--json', '--config', place.configFile)
  const sentPacks = (): number => service.events.filter(({ event }) => event === 'pack.sent').length
  // The first pack may come from the look at the start. This ends also when no other follows.
  for (let written = 0; written < 300 && sentPacks() < 3; written++) {
    appendFileSync(join(place.log, 'a.log'), randomBytes(2000))
    await setTimeout(50)
  }
  expect(sentPacks()).toBeGreaterThanOrEqual(3)
  service.kill('SIGTERM')
  await service.ended
})

test('packs that were sealed under rules which the config no longer has leave by those rules', async () => {
  const place = await makePlace()
  writeFileSync(join(place.folder, 'a.bin'), randomBytes(10_000))
  renameSync(join(place.folder, 'a.bin'), join(place.shots, 'a.bin'))
  const config = readFileSync(place.configFile, 'utf8')
  const onNetwork = (network: string, networks: string): void =>
    writeFileSync(place.configFile, `${config.replace('conditions: { power: mains }', `conditions: { power: mains, network: ${network} }`).replace(', networks: [free]', networks)}network: { onMetered: send }\n`)
  onNetwork('metered', ', networks: [free]')
  expect((await runOnce(place)).code).toBe(75)
  onNetwork('metered', '')
  expect((await runOnce(place)).code).toBe(75)
  expect(JSON.parse((await sluice('status', '--json', '--config', place.configFile)).stdout)).toMatchObject({ backlog: { packs: 1 } })
  onNetwork('free', '')
  expect(await runOnce(place)).toMatchObject({ code: 0 })
  expect(bytesThere(place)).toBeGreaterThan(10_000)
})

test('what was packed with others stays when IT exempts one of the streams later, also after the journal is lost', async () => {
  const place = await makePlace()
  writeFileSync(join(place.log, 'a.log'), randomBytes(10_000))
  writeFileSync(join(place.folder, 'a.bin'), randomBytes(10_000))
  renameSync(join(place.folder, 'a.bin'), join(place.shots, 'a.bin'))
  const config = readFileSync(place.configFile, 'utf8').replace(', networks: [free]', '')
  const onNetwork = (network: string, more = ''): void =>
    writeFileSync(place.configFile, `${config.replace('conditions: { power: mains }', `conditions: { power: mains, network: ${network} }`)}${more}`)
  onNetwork('offline')
  expect((await runOnce(place)).code).toBe(75)
  onNetwork('free', 'exemptions: [{ because: sensitive-work, streams: [shots] }]\n')
  expect((await runOnce(place)).code).toBe(75)
  expect(bytesThere(place)).toBe(0)
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(place.state, `journal.sqlite${suffix}`), { force: true })
  expect((await runOnce(place)).code).toBe(75)
  expect(bytesThere(place)).toBe(0)
  onNetwork('free')
  expect((await runOnce(place)).code).toBe(0)
  expect(bytesThere(place)).toBeGreaterThan(20_000)
})

test('a transfer is not stopped by its own reservation', async () => {
  const place = await makePlace({ more: 'caps: [{ limit: 600 kB, per: day }]\nnetwork: { onUnknown: free }' })
  mkdirSync(place.state, { mode: 0o700 })
  writeFileSync(join(place.log, 'a.log'), randomBytes(1_000_000))
  const live = await goLive(place, { sealBytes: 4 << 20, permits: 2 })
  await live.gate.until(() => live.gate.slices.length === 2)
  // The rest of the cap is reserved now. However often it is decided, the slices that it allows go out in one transfer.
  for (let looks = 0; looks < 5; looks++) {
    live.service.wake()
    await setTimeout(20)
  }
  expect(live.events.filter(({ event }) => event === 'send.held')).toEqual([])
  live.gate.allow(Infinity)
  await live.event((event) => event.event === 'send.held' && event.reasons.includes('cap-day'))
  expect(live.gate.bytes).toBeLessThanOrEqual(600_000)
})
