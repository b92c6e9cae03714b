import { spawn } from 'node:child_process'
import fs, { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { seededRandom } from '../../bench/lib/random.ts'
import { endPause } from '../../src/journal/pause.ts'
import { updateSettings } from '../../src/journal/settings.ts'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { sliceBytes } from '../../src/transfer/destination.ts'
import { makePlace, openParts, readStored, type Place } from './harness.ts'
import { goLive, type Live } from './live.ts'

const random = seededRandom(3)
const noise = (bytes: number): Buffer => Buffer.from(Uint8Array.from({ length: bytes }, () => random() * 256))

async function newPlace(more = ''): Promise<Place> {
  const place = await makePlace({ more })
  mkdirSync(place.state)
  mkdirSync(join(place.folder, 'staging'))
  return place
}

/** A whole file, moved into place. */
function shoot(place: Place, name: string, bytes: Buffer): void {
  writeFileSync(join(place.folder, 'staging', name), bytes)
  renameSync(join(place.folder, 'staging', name), join(place.shots, name))
}

const held = (code: string) => (event: SluiceEvent): boolean => event.event === 'send.held' && event.reasons.includes(code)
const is = (name: SluiceEvent['event']) => (event: SluiceEvent): boolean => event.event === name

/** Bytes of every pack that arrived. */
async function arrivedBytes({ gate }: Live): Promise<number> {
  let bytes = 0
  for (const name of await gate.inner.list('laptop-1')) {
    await using pack = await gate.inner.open(name)
    bytes += pack.sizeBytes
  }
  return bytes
}

async function expectWhole(live: Live, files: Readonly<Record<string, Buffer>>): Promise<void> {
  const { captured, problems, repeated } = await readStored(live.gate.inner)
  expect({ problems, repeated }).toEqual({ problems: [], repeated: [] })
  expect(Object.fromEntries(captured.map(({ path, bytes }) => [path, bytes.length]))).toEqual(
    Object.fromEntries(Object.entries(files).map(([path, bytes]) => [path, bytes.length])),
  )
  for (const { path, bytes } of captured) expect(files[path]?.equals(bytes), path).toBe(true)
}

/** Waits until packs have arrived that stand for so many bytes of capture files. */
async function untilSent(live: Live, rawBytes: number): Promise<void> {
  for (let from = 0; live.parts.journal.totals().rawBytes < rawBytes; from++) from = await live.event(is('pack.sent'), from)
}

const never = { since: Date.now(), captures: 'hold' as const }

describe('while a pack is on its way', () => {
  test.each<[string, string, (live: Live, place: Place) => void, (live: Live, place: Place) => void]>([
    ['a pause', 'paused',
      (_, place) => void updateSettings(place.state, (settings) => ({ ...settings, pause: never })),
      (_, place) => void updateSettings(place.state, (settings) => endPause(settings, Date.now()))],
    ['unplugging', 'battery', ({ power }) => power.set({ supply: 'battery', percent: 30, saver: 'off' }), ({ power }) => power.set({ supply: 'mains', saver: 'off' })],
    ['a metered network', 'metered', ({ network }) => network.set({ cost: 'metered' }), ({ network }) => network.set({ cost: 'free' })],
  ])('%s lets no further slice go once it is decided, and the transfer resumes at its byte', async (_, code, begin, end) => {
    const place = await newPlace()
    const content = noise(1_000_000)
    writeFileSync(join(place.log, 'a.log'), content)
    const live = await goLive(place, { sealBytes: 1 << 20, permits: 3 })
    const { gate } = live
    await gate.until(() => gate.slices.length === 3)
    begin(live, place)
    const from = await live.event(held(code))
    gate.allow(Infinity)
    await gate.until(() => gate.active === 0)
    expect(gate.slices.length).toBe(3)
    expect(gate.bytes).toBe(3 * sliceBytes)
    end(live, place)
    await live.event(is('pack.sent'), from)
    expect(gate.bytes).toBe(await arrivedBytes(live))
    expect(live.parts.ledger.usedSince(0)).toBe(gate.bytes)
    await expectWhole(live, { 'a.log': content })
  })

  test('stopping the service hands over no further slice, and the next one goes on at that byte', async () => {
    const place = await newPlace()
    writeFileSync(join(place.log, 'a.log'), noise(1_000_000))
    const live = await goLive(place, { sealBytes: 1 << 20, permits: 5 })
    await live.gate.until(() => live.gate.slices.length === 5)
    live.stop()
    live.gate.allow(Infinity)
    await live.ended
    expect(live.gate.slices.length).toBe(5)
    expect(live.parts.journal.stamped()).toBeDefined()
    expect(live.parts.ledger.usedSince(0)).toBe(live.gate.bytes)
    expect(live.gate.active).toBe(0)
  })
})

test('a cap is never exceeded over many packs, and sending goes on in the next period', async () => {
  const place = await newPlace('caps: [{ limit: 300 kB, per: day }]')
  const day = 24 * 3_600_000
  let time = Math.ceil(Date.now() / day) * day + day / 2
  const contents = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [`${name}.bin`, noise(280_000)]))
  for (const [name, bytes] of Object.entries(contents)) shoot(place, name, bytes)
  const live = await goLive(place, { now: () => time, sealBytes: 100_000 })
  const { gate } = live
  const isAllSent = (): boolean => live.parts.journal.totals().rawBytes === 4 * 280_000
  for (let days = 0, from = 0; days < 10; days++, time += day, live.service.wake()) {
    const isDone = (event: SluiceEvent): boolean => event.event === 'pack.sent' && isAllSent()
    from = 1 + await live.event((event) => held('cap-day')(event) || isDone(event), from)
    const used = gate.slices.filter(({ at }) => at >= time - (time % day)).reduce((sum, { bytes }) => sum + bytes, 0)
    expect(used).toBeLessThanOrEqual(300_000)
    expect(used).toBe(live.parts.ledger.usedSince(time - (time % day)))
    if (isAllSent()) break
    // The cap was worth using: less than a slice of it is left.
    expect(used).toBeGreaterThan(300_000 - sliceBytes)
  }
  expect(isAllSent()).toBe(true)
  expect(gate.bytes).toBe(await arrivedBytes(live))
  await expectWhole(live, contents)
})

test('a stream that waits for a free network is overtaken by another, and goes whole when the network is free', async () => {
  const place = await newPlace('network: { onMetered: send }')
  const shot = noise(600_000)
  const log = noise(70_000)
  shoot(place, 'a.bin', shot)
  const live = await goLive(place, { sealBytes: 1 << 20, permits: 2 })
  const { gate, network, parts } = live
  await gate.until(() => gate.slices.length === 2)
  const first = gate.slices[0]?.name
  network.set({ cost: 'metered' })
  const from = await live.event(held('stream-network'))
  gate.allow(Infinity)
  writeFileSync(join(place.log, 'a.log'), log)
  await live.event(is('pack.sent'), from)
  expect(gate.abandoned).toEqual([first])
  expect((await gate.inner.list('laptop-1')).map(({ seq }) => seq)).toEqual([1])
  expect(parts.journal.backlog()).toMatchObject([{ queue: 'free', packs: 1 }])
  expect(gate.slices.slice(2).every(({ name }) => name.hash !== first?.hash)).toBe(true)
  network.set({ cost: 'free' })
  const resumed = await live.event(is('send.resumed'), from)
  await live.event(is('pack.sent'), resumed)
  expect(parts.journal.backlog()).toEqual([])
  expect(parts.ledger.usedSince(0)).toBe(gate.bytes)
  await expectWhole(live, { 'a.bin': shot, 'a.log': log })
})

/** Counts the files below a folder that are opened, until the test ends. */
function countOpens(folder: string): () => number {
  const real = fs.openSync
  let opened = 0
  fs.openSync = (path, flags, mode) => {
    // Capture opens with flags as a number; what the test writes is opened by name of the flags.
    if (path.toString().startsWith(`${folder}/`) && typeof flags === 'number') opened++
    return real(path, flags, mode)
  }
  syncBuiltinESMExports()
  onTestFinished(() => {
    fs.openSync = real
    syncBuiltinESMExports()
  })
  return () => opened
}

test('while it is paused no capture file is opened, whatever happens to them', async () => {
  const place = await newPlace()
  const opened = countOpens(join(place.folder, 'captures'))
  updateSettings(place.state, (settings) => ({ ...settings, pause: never }))
  const content = noise(200_000)
  writeFileSync(join(place.log, 'a.log'), content)
  const live = await goLive(place)
  await live.event(held('paused'))
  const more = noise(200_000)
  appendFileSync(join(place.log, 'a.log'), more)
  shoot(place, 'a.bin', content)
  live.network.set({ cost: 'metered' })
  const from = await live.event(held('metered'))
  live.network.set({ cost: 'free' })
  await live.event((event) => held('paused')(event) && !held('metered')(event), from)
  for (let ticks = 0; ticks < 100; ticks++) {
    live.service.wake()
    await setImmediate()
  }
  expect(opened()).toBe(0)
  updateSettings(place.state, (settings) => endPause(settings, Date.now()))
  await live.gate.until(() => live.gate.bytes > 600_000)
  expect(opened()).toBeGreaterThan(0)
})

test('while sending is held nothing is sealed for its age; a pack that is full is', async () => {
  const place = await newPlace()
  let skewMs = 0
  const live = await goLive(place, { now: () => Date.now() + skewMs, sealBytes: place.config.seal.sizeBytes })
  live.network.set({ cost: 'metered' })
  await live.event(held('metered'))
  const small = noise(1000)
  shoot(place, 'small.bin', small)
  // Days later something else changes, twice: each is a tick that sees a small pack that waits.
  for (const saver of ['on', 'off'] as const) {
    const from = live.events.length
    skewMs += 24 * 3_600_000
    live.power.set({ supply: 'mains', saver })
    await live.event((event) => event.event === 'send.held' && event.reasons.includes('power-saver') === (saver === 'on'), from)
  }
  const large = noise(100_000)
  shoot(place, 'large.bin', large)
  await live.event(is('pack.sealed'))
  live.network.set({ cost: 'free' })
  await untilSent(live, small.length + large.length)
  expect(live.events.filter(({ event }) => event === 'pack.sealed')).not.toContainEqual(expect.objectContaining({ rawBytes: small.length }))
  await expectWhole(live, { 'small.bin': small, 'large.bin': large })
})

test('the spool stays within its limit while sending is held, and what did not fit goes later', async () => {
  const place = await newPlace()
  const contents = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [`${name}.bin`, noise(90_000)]))
  let skewMs = 0
  const live = await goLive(place, { now: () => Date.now() + skewMs, maxSpoolBytes: 200_000, permits: 0, sealBytes: 64 << 10 })
  live.network.set({ cost: 'metered' })
  await live.event(held('metered'))
  for (const [name, bytes] of Object.entries(contents)) shoot(place, name, bytes)
  const backlog = (): number => live.parts.journal.backlog().reduce((sum, { bytes }) => sum + bytes, 0)
  for (let from = 0, tries = 0; tries < 5; tries++) {
    // Each time its wait is over it is tried again, and must not take in one pack more.
    from = 1 + await live.event((event) => event.event === 'send.failed' && event.code === 'spool-full', from)
    skewMs += 10 * 60_000
    live.service.wake()
  }
  expect(backlog()).toBeLessThan(200_000 + 2 * 90_000)
  live.network.set({ cost: 'free' })
  live.gate.allow(Infinity)
  await untilSent(live, 5 * 90_000)
  await expectWhole(live, contents)
})

test('a single run sends all and ends; held, it ends with the reasons and what it packed stays for the next', async () => {
  const place = await newPlace()
  const content = noise(300_000)
  shoot(place, 'a.bin', content)
  const live = await goLive(place, { once: true })
  expect([...(await live.ended).values()].flatMap(({ reasons }) => reasons)).toEqual([])
  await expectWhole(live, { 'a.bin': content })
})

test.each([
  ['that has sent everything', 'pack.sent'],
  ['that has nothing to send since something failed before it', 'send.held'],
])('an idle service %s keeps no timer', { timeout: 30_000 }, async (_, last) => {
  const place = await newPlace()
  if (last === 'pack.sent') appendFileSync(join(place.log, 'a.log'), noise(1000))
  else {
    const { journal } = await openParts(place)
    const retry = { attempts: 1, until: 0, delayMs: 1000, isAsked: false }
    journal.setMeta('faults', JSON.stringify([{ code: 'destination-failing', since: 0, evidence: 'It failed.', retry }]))
    journal[Symbol.dispose]()
  }
  const script = `
    import { loadConfig } from './config/load.ts'
    import { assemble } from './daemon/assemble.ts'
    Math.random = () => 0 // what failed is tried at once
    const stop = new AbortController()
    const { config } = await loadConfig(${JSON.stringify(place.configFile)})
    let looks = 0
    const look = () => {
      const active = process.getActiveResourcesInfo()
      if (active.includes('Timeout') && ++looks < 200) return setTimeout(look, 50).unref()
      process.stdout.write((looks < 200 ? 'idle ' : 'busy ') + JSON.stringify(active))
      stop.abort()
    }
    await using running = await assemble({ config, emit: ({ event }) => { if (event === '${last}') setTimeout(look, 50).unref() } })
    await running.service.run(stop.signal)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: join(import.meta.dirname, '../..'), stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  child.stdout.on('data', (text: Buffer) => (output += text.toString()))
  expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0)
  expect(output).toMatch(/^idle \[/)
})
