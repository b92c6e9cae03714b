/** What changes while a transfer is under way, or while something waits, counts from then on. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { updateSettings } from '../../src/journal/settings.ts'
import { SluiceError } from '../../src/observe/error.ts'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { PauseKeeper } from '../../src/scheduler/pause-keeper.ts'
import { sliceBytes } from '../../src/transfer/destination.ts'
import { noise } from '../pack/make-log.ts'
import { makePlace, type Place } from './harness.ts'
import { goLive, type Live, type LiveOptions } from './live.ts'

const held = (code: string) => (event: SluiceEvent): boolean => event.event === 'send.held' && event.reasons.includes(code)

/** A service in the middle of one large pack: so many slices of it have gone. */
async function midway(options: LiveOptions & { readonly more?: string; readonly before?: (place: Place) => void } = {}): Promise<Live & { readonly place: Place }> {
  const { more = '', before, ...rest } = options
  const place = await makePlace({ more })
  mkdirSync(place.state)
  writeFileSync(join(place.log, 'a.log'), noise('midway', 2_000_000))
  before?.(place)
  const live = await goLive(place, { sealBytes: 8 << 20, permits: 2, ...rest })
  await live.gate.until(() => live.gate.slices.length === 2)
  return { ...live, place }
}

test('a cap that is set during a transfer is not exceeded by it', async () => {
  const { place, gate, event } = await midway()
  const limitBytes = 5 * sliceBytes
  updateSettings(place.state, (old) => ({ ...old, caps: [{ id: 'day', per: 'day', limitBytes }] }))
  await vi.waitFor(() => expect(gate.active).toBe(1))
  await sleep(300) // the settings' watch has no event to wait for
  gate.allow(Infinity)
  await event(held('cap-day'))
  expect(gate.bytes).toBeLessThanOrEqual(limitBytes)
  expect(gate.bytes).toBeGreaterThan(2 * sliceBytes)
})

test('bytes after midnight count for the new day, also those of a transfer that began before it', async () => {
  const clock = { ahead: Date.UTC(2026, 10, 23, 23, 59, 58) - Date.now() }
  const now = (): number => Date.now() + clock.ahead
  const { gate, service, event } = await midway({ now, more: 'caps: [{ limit: 1 MB, per: day }]' })
  clock.ahead += 60_000
  service.wake()
  gate.allow(Infinity)
  await event(held('cap-day'))
  expect(gate.bytes - 2 * sliceBytes).toBeLessThanOrEqual(1_000_000)
})

test('a transfer on a metered network stops when the wish to send now ends', async () => {
  const until = Date.now() + 2000
  const { gate, event } = await midway({
    network: { cost: 'metered' },
    before: (place) => void updateSettings(place.state, (old) => ({ ...old, sendNow: { since: Date.now(), until } })),
  })
  await event(held('metered'))
  gate.allow(Infinity)
  await vi.waitFor(() => expect(gate.active).toBe(0))
  expect(gate.slices.length).toBe(2)
})

test('run --once stops for a metered network as the service does', async () => {
  const { gate, network, ended } = await midway({ once: true })
  network.set({ cost: 'metered' })
  await vi.waitFor(() => expect(gate.active).toBe(1))
  await sleep(100)
  gate.allow(Infinity)
  expect((await ended).get('any')?.reasons).toMatchObject([{ code: 'metered' }])
  expect(gate.slices.length).toBe(2)
})

test('a machine that is about to sleep begins nothing, and goes on when it woke up', async () => {
  const { gate, service, event } = await midway()
  service.suspend()
  gate.allow(Infinity)
  await vi.waitFor(() => expect(gate.active).toBe(0))
  for (let ticks = 0; ticks < 50; ticks++) {
    service.wake()
    await setImmediate()
  }
  expect(gate.slices.length).toBe(2)
  service.resume()
  await event((told) => told.event === 'pack.sent')
})

test('another network is tried at once, whatever the last one said about coming back', async () => {
  let failures = 0
  const place = await makePlace()
  mkdirSync(place.state)
  writeFileSync(join(place.log, 'a.log'), noise('portal', 20_000))
  const live = await goLive(place, {
    beforePut: () => {
      if (failures++ === 0) throw new SluiceError('captive-portal', 'a login page', { transient: true, data: { retryAfterMs: 3_600_000 } })
    },
  })
  await live.event(held('captive-portal'))
  live.network.set({ cost: 'free', id: '0123456789ab' })
  await live.event((told) => told.event === 'pack.sent')
})

test('a transfer that ends for want of bytes is not begun again until there are more', async () => {
  let puts = 0
  const place = await makePlace()
  mkdirSync(place.state)
  writeFileSync(join(place.log, 'a.log'), noise('refused', 20_000))
  const live = await goLive(place, {
    beforePut: () => {
      puts++
      throw new SluiceError('aborted', 'a data cap leaves no room', { transient: true })
    },
  })
  await vi.waitFor(() => expect(puts).toBe(1))
  for (let ticks = 0; ticks < 50; ticks++) {
    live.service.wake()
    await setImmediate()
  }
  expect(puts).toBe(1)
})

test('a disk that is full when a pause ends is waited out', async () => {
  let tries = 0
  const place = await makePlace()
  mkdirSync(place.state)
  writeFileSync(join(place.log, 'a.log'), noise('full', 20_000))
  updateSettings(place.state, (old) => ({ ...old, pause: { since: Date.now(), until: Date.now() + 300, captures: 'hold' } }))
  const pauses = new PauseKeeper({
    capture: {
      pause: () => {}, drawLine: async () => {}, dropBetween: async () => [], dropMissed: async () => [], openLines: () => [], goOn: () => {},
    }, emit: () => {}, publish: () => {},
    update: (change) => {
      if (tries++ === 0) throw new SluiceError('state-full', 'the disk is full', { transient: true })
      return updateSettings(place.state, change)
    },
  })
  const live = await goLive(place, { instead: { pauses } })
  await live.event(held('state-full'))
  await live.event((told) => told.event === 'pack.sent')
})
