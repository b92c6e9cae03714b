/** A service whose destination fails: what it says, when it tries again, and what a try costs. */
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { updateSettings } from '../../src/journal/settings.ts'
import { SluiceError } from '../../src/observe/error.ts'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { explain, headline, type Situation } from '../../src/scheduler/explain.ts'
import { sendingFaults } from '../../src/scheduler/faults.ts'
import { reasons } from '../../src/scheduler/reasons.ts'
import { memoryDestination } from '../../src/transfer/memory.ts'
import { openLink } from '../../src/transfer/link/link.ts'
import { sliceBytes, type Destination } from '../../src/transfer/destination.ts'
import { tusDestination } from '../../src/transfer/tus.ts'
import { noise } from '../pack/make-log.ts'
import { startTusServer } from '../transfer/tus-server.ts'
import { freely, ledgerBytes, makePlace, openParts, packAll, sluice, Sluice, type Place } from './harness.ts'
import { goLive, type Live, type LiveOptions } from './live.ts'

const held = (code: string) => (event: SluiceEvent): boolean => event.event === 'send.held' && event.reasons.includes(code)
const isSent = (event: SluiceEvent): boolean => event.event === 'pack.sent'
const hour = 3_600_000

async function placeWithCaptures(bytes = 20_000, name = 'a'): Promise<Place> {
  const place = await makePlace()
  mkdirSync(place.state, { recursive: true })
  writeFileSync(join(place.log, `${name}.log`), noise(name, bytes))
  return place
}

/** A service whose transfers fail, one after the other, with these; then they go well. */
async function failing(errors: SluiceError[], options: LiveOptions = {}): Promise<Live & { readonly place: Place; readonly tries: () => number }> {
  const place = await placeWithCaptures()
  let tries = 0
  const live = await goLive(place, {
    ...options,
    beforePut: () => {
      const error = errors[tries++]
      if (error) throw error
    },
  })
  return { ...live, place, tries: () => tries }
}

const lasting = (message = 'It does not accept it.') => new SluiceError('credential-refused', message)

function situation({ service }: Live): Situation {
  return { running: {}, queues: [...service.decisions].map(([streams, decision]) => ({ streams: [streams], decision, waiting: { bytes: 20_000 } })) }
}

describe('each thing that can be wrong on the way is said with its sentence and the next try, and goes away', () => {
  test.each(sendingFaults.map((code) => [code]))('%s', { timeout: 60_000 }, async (code) => {
    const live = await failing([new SluiceError(code, `Cannot reach https://collector.example/. Seen: ${code}.`, { data: { retryAfterMs: hour } })])
    await live.event(held(code))
    const clock = { now: Date.now(), timeZone: 'UTC' }
    const lines = explain(situation(live), clock)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
    const text = lines.map((line) => line.trim()).join(' ')
    expect(text).toContain(`${reasons[code].meaning} (${code})`)
    expect(text).toContain(`What to do: ${reasons[code].action}`)
    expect(text).toMatch(/Next change: .*, when it is tried again\./)
    expect(headline(situation(live))).toMatch(/^Nothing is sent now, because /)
    live.network.set({ cost: 'free', id: '0123456789ab' })
    await live.event(isSent)
    await live.event((event) => event.event === 'send.resumed')
    expect([...live.service.decisions.values()].flatMap((decision) => decision.reasons)).toEqual([])
  })
})

describe('what may have mended it makes it tried at once:', () => {
  test('a wish to send now', async () => {
    const live = await failing([lasting()])
    await live.event(held('credential-refused'))
    updateSettings(live.place.state, (old) => ({ ...old, sendNow: { since: Date.now(), until: Date.now() + hour } }))
    await live.event(isSent)
    expect(live.tries()).toBe(2)
  })

  test('a new credential', async () => {
    let mended = (): void => undefined
    const mends = [(onChange: () => void) => {
      mended = onChange
      return { [Symbol.dispose]: () => undefined }
    }]
    const live = await failing([lasting()], { instead: { mends } })
    await live.event(held('credential-refused'))
    mended()
    await live.event(isSent)
  })
})

test('a second failure of the same kind tells the next try anew', { timeout: 60_000 }, async () => {
  const unreachable = (data = {}) => new SluiceError('destination-unreachable', 'It did not answer.', { transient: true, data })
  const live = await failing([unreachable(), unreachable({ retryAfterMs: hour })])
  const isFailed = (event: SluiceEvent): boolean => event.event === 'send.failed'
  await live.event(isFailed, 1 + await live.event(isFailed))
  const kept = (key: string) => JSON.parse(live.parts.journal.meta(key) ?? '[]') as unknown
  await vi.waitFor(() => expect(kept('faults')).toMatchObject([{ code: 'destination-unreachable', retry: { attempts: 2, isAsked: true } }]))
  const untils = JSON.stringify(kept('decisions')).matchAll(/"until":(\d+)/g)
  expect(Math.max(...[...untils].map(([, until]) => Number(until)))).toBeGreaterThan(Date.now() + hour / 2)
})

test('a start soon tries again what failed before it, and remembers that it failed', { timeout: 60_000 }, async () => {
  const live = await failing([lasting()])
  await live.event(held('credential-refused'))
  live.stop()
  await live.ended
  // The last moment of the minute over which the tries of a start are spread.
  const late = await goLive(live.place, { instead: { random: () => 0.999 } })
  await late.event(held('credential-refused'))
  const untils = [...late.service.decisions.values()].flatMap(({ reasons: found }) => found.map(({ until }) => until ?? Infinity))
  expect(Math.max(...untils)).toBeLessThanOrEqual(Date.now() + 60_000)
  late.stop()
  await late.ended
  const again = await goLive(live.place)
  await again.event(isSent)
  await vi.waitFor(() => expect(again.parts.journal.meta('faults')).toBe('[]'))
})

describe('a destination that takes a pack and loses it', () => {
  /** Forgets what it took while `forgets` is set. */
  function forgetful() {
    const inner = memoryDestination()
    const state = { forgets: true, heads: 0 }
    const destination: Destination = {
      ...inner,
      head: async (device) => {
        state.heads++
        return state.forgets ? undefined : inner.head(device)
      },
    }
    return { state, destination }
  }

  async function withPacks(count: number) {
    const place = await placeWithCaptures(1000, '0')
    const { state, destination } = forgetful()
    const parts = await openParts(place, { destination, config: { ...place.config, destination: destination.url } })
    onTestFinished(() => parts.journal[Symbol.dispose]())
    for (let pack = 0; pack < count; pack++) {
      writeFileSync(join(place.log, `${pack}.log`), noise(`pack ${pack}`, 1000))
      await packAll(parts)
    }
    const send = async () => {
      const pack = parts.journal.stamped() ?? parts.journal.nextOf('any')
      return pack ? await parts.sender.send(pack, freely()) : undefined
    }
    return { parts, state, send }
  }

  test('is found out at the first pack after a start, which stays here and is sent once it keeps what it takes', async () => {
    const { parts, state, send } = await withPacks(1)
    await expect(send()).rejects.toMatchObject({ code: 'destination-behind' })
    expect(parts.journal.unsent()).toHaveLength(1)
    state.forgets = false
    expect(await send()).toBe(true)
    expect(parts.journal.unsent()).toEqual([])
  })

  test('is asked again after sixteen small packs, not at each', async () => {
    const { parts, state, send } = await withPacks(20)
    state.forgets = false
    await send()
    const asked = state.heads
    for (let pack = 0; pack < 15; pack++) await send()
    expect(state.heads).toBe(asked)
    state.forgets = true
    await expect(send()).rejects.toMatchObject({ code: 'destination-behind' })
    expect(state.heads).toBe(asked + 1)
    expect(parts.journal.unsent()).toHaveLength(4)
  })
})

test('bytes that arrive, not a mere connection, end a series of failures', async () => {
  const place = await placeWithCaptures(10 * sliceBytes)
  const inner = memoryDestination()
  let there = 0
  const destination: Destination = {
    ...inner,
    put: async (_pack, options) => {
      options?.onArrived?.(there)
      throw new SluiceError('destination-unreachable', 'The connection was cut.', { transient: true })
    },
  }
  const parts = await openParts(place, { destination, sealBytes: 8 << 20, config: { ...place.config, destination: destination.url } })
  onTestFinished(() => parts.journal[Symbol.dispose]())
  await packAll(parts)
  let progress = 0
  const attempt = async (): Promise<number> => {
    const pack = parts.journal.stamped() ?? parts.journal.nextOf('any')
    await expect(parts.sender.send(pack!, { ...freely(), onArrived: () => void progress++ })).rejects.toMatchObject({ code: 'destination-unreachable' })
    return progress
  }
  expect(await attempt()).toBe(0) // what was there before tells nothing
  expect(await attempt()).toBe(0)
  there = sliceBytes
  expect(await attempt()).toBe(1)
  there = 0 // the server lost it: having it again is no progress
  expect(await attempt()).toBe(1)
  there = sliceBytes
  expect(await attempt()).toBe(1)
  there = 2 * sliceBytes
  expect(await attempt()).toBe(2)
})

test('a try at a dead server is charged to the caps, and a week of them costs little', async () => {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  await new Promise<void>((resolve) => { listener.close(() => { resolve() }) })
  const place = await placeWithCaptures(200_000)
  await using link = openLink({ clock: () => performance.now(), rate: { yields: false } })
  const url = new URL(`http://127.0.0.1:${port}/`)
  const destination = tusDestination({ url, link, uploads: new Map<string, string>(), now: Date.now })
  const parts = await openParts(place, { destination, config: { ...place.config, destination: destination.url } })
  await packAll(parts)
  const used: number[] = []
  for (let tries = 0; tries < 3; tries++) {
    const pack = parts.journal.stamped() ?? parts.journal.nextOf('any')
    await expect(parts.sender.send(pack!, freely())).rejects.toMatchObject({ code: 'destination-unreachable' })
    used.push(parts.ledger.usedSince(0))
  }
  parts.journal[Symbol.dispose]()
  const [first = 0, second = 0, third = 0] = used
  expect(first).toBeGreaterThan(0)
  expect([second, third]).toEqual([2 * first, 3 * first])
  expect(ledgerBytes(place)).toBe(third)
  const triesInAWeek = 100 // test/scheduler/retry-plan.test.ts
  expect(first * triesInAWeek).toBeLessThan(200_000)
})

test('`sluice send-now` tries at once what failed, through a real server', { timeout: 60_000 }, async () => {
  const place = await placeWithCaptures()
  let forbids = true
  const server = await startTusServer({
    folder: join(place.folder, 'store'),
    intercept: (_, response) => {
      if (forbids) response.writeHead(403).end()
      return forbids
    },
  })
  onTestFinished(() => server[Symbol.asyncDispose]())
  writeFileSync(place.configFile, readFileSync(place.configFile, 'utf8').replace(/^destination: .*$/m, `destination: ${server.url}`))
  const service = new Sluice('run', '--json', '--config', place.configFile)
  await service.event(held('destination-forbidden'))
  const why = await sluice('why', '--config', place.configFile)
  expect(why.stdout).toContain('(destination-forbidden)')
  expect(why.stdout).toMatch(/Next change: .*, when it is tried again\./)
  forbids = false
  const asked = await sluice('send-now', '--yes', '--config', place.configFile)
  expect(asked).toMatchObject({ code: 0 })
  expect(asked.stdout).toMatch(/^tried now the destination forbids it/m)
  await service.event(isSent)
})
