import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { freePort } from '../../bench/lib/port.ts'
import type { RunningService } from '../../daemon/assemble.ts'
import type { Beside, Companion } from '../../daemon/beside/companion.ts'
import { startMetrics } from '../../daemon/beside/metrics.ts'
import { figuresOf, startSummary } from '../../daemon/beside/summary.ts'
import { Ledger } from '../../src/budget/ledger.ts'
import { Journal } from '../../src/journal/journal.ts'
import { journalPath } from '../../src/journal/open-state.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { checkEvent, type EventOf, type SluiceEvent } from '../../src/observe/events.ts'
import type { Figures } from '../../src/observe/summary-figures.ts'
import type { NetworkState, PowerState } from '../../src/scheduler/conditions.ts'
import type { Decision } from '../../src/scheduler/gate.ts'
import type { Reserved } from '../../src/scheduler/judge.ts'
import type { ReasonCode } from '../../src/scheduler/reasons.ts'
import { settable } from '../../src/scheduler/sensor.ts'
import { destinationOf, makePlace, openParts, packAll, sendAll, Sluice, type Place } from '../service/harness.ts'

type Summary = EventOf<'upload.summary'>

const minute = 60_000
const hour = 60 * minute
const start = Date.parse('2026-11-23T09:30:00Z')

afterEach(() => vi.useRealTimers())

/** A service that does nothing by itself, with a journal and sensors that a test moves, at a time of the test's. */
async function bench(more = '') {
  const place = await makePlace({ more })
  vi.useFakeTimers({ now: start, toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] })
  const journal = new Journal(join(place.folder, 'journal.sqlite'))
  onTestFinished(() => journal[Symbol.dispose]())
  const power = settable<PowerState>({ supply: 'mains', saver: 'off' }, Date.now)
  const network = settable<NetworkState>({ cost: 'free' }, Date.now)
  const decisions = new Map<string, Decision>()
  const ledger = new Ledger(journal)
  const sender: { reserved?: Reserved | undefined } = {}
  const running = { state: { journal, ledger }, sender, service: { decisions }, sensors: { power, network } } as unknown as RunningService
  const told: SluiceEvent[] = []
  const companions: Companion[] = []
  const emit = (event: SluiceEvent): void => {
    told.push(event)
    for (const companion of companions) companion.take?.(event)
  }
  const beside: Beside = { config: place.config, emit, running }
  const begin = async (starter = startSummary): Promise<Companion> => {
    const companion = await starter(beside)
    if (!companion) throw new Error('there is none')
    companions.push(companion)
    onTestFinished(async () => { await companion[Symbol.asyncDispose]() })
    return companion
  }
  const hold = (...codes: ReasonCode[]): void => {
    const held = codes.map((code) => ({ code, holds: 'both' as const, level: 'hold' as const, since: 0, evidence: '' }))
    decisions.set('any', { prepare: 'hold', send: 'hold', reasons: held, setAside: [], maxBytes: Infinity })
  }
  const seal = (bodyBytes: number): void => {
    const id = journal.nextSealNumber()
    journal.commitSeal({
      pack: { id, queue: 'any', streams: ['log'], bodyHash: Buffer.alloc(32, id), bodyBytes, rawBytes: 10 * bodyBytes, newBytes: 4 * bodyBytes, sealedAt: Date.now() },
      epoch: Buffer.alloc(16), chunks: [], ordinals: new Map(), cursors: [],
    })
  }
  const summaries = (): Summary[] => told.filter((event) => event.event === 'upload.summary')
  const figures = (): Figures => figuresOf(beside)
  return { place, journal, ledger, sender, figures, power, network, told, companions, begin, emit, hold, seal, summaries }
}

describe('beside an idle service', () => {
  test('there is one timer, and one summary an hour and a day, each as the catalogue has it', async () => {
    const { begin, journal, summaries } = await bench()
    await begin()
    const writes = vi.spyOn(journal, 'setMeta')
    for (let hours = 0; hours < 26; hours++) {
      await vi.advanceTimersByTimeAsync(hour)
      expect(vi.getTimerCount()).toBe(1)
    }
    expect(writes).toHaveBeenCalledTimes(26)
    expect(summaries().map(({ period }) => period)).toEqual([...Array<string>(15).fill('hour'), 'day', ...Array<string>(11).fill('hour')])
    expect(summaries().flatMap(checkEvent)).toEqual([])
    expect(summaries()[0]).toMatchObject({ from: start, to: start + 30 * minute, uptimeMs: 30 * minute })
  })
  test('time on battery and on metered networks is counted from the signals of the system', async () => {
    const { begin, power, network, summaries } = await bench()
    await begin()
    await vi.advanceTimersByTimeAsync(10 * minute)
    power.set({ supply: 'battery', saver: 'off' })
    network.set({ cost: 'roaming' })
    await vi.advanceTimersByTimeAsync(5 * minute)
    network.set({ cost: 'offline' })
    await vi.advanceTimersByTimeAsync(30 * minute)
    expect(summaries()[0]).toMatchObject({ batteryMs: 20 * minute, meteredMs: 5 * minute })
  })
  test('an hour over which the machine slept is told with the first event after it', async () => {
    const { begin, emit, summaries } = await bench()
    await begin()
    vi.setSystemTime(start + 5 * hour)
    emit({ event: 'machine.resumed', sleptMs: 5 * hour })
    expect(summaries()).toMatchObject([{ from: start, to: start + 30 * minute }])
  })
})

describe('a summary', () => {
  test('tells what was packed, what waits, how long, and what holds it; of the worker’s own reasons only that they hold', async () => {
    const { begin, seal, hold, summaries, emit } = await bench('caps: [{ limit: 1 MB, per: day }]')
    await begin()
    seal(100)
    hold('paused', 'stream-off', 'metered')
    emit({ event: 'send.failed', code: 'destination-busy', message: '', retryMs: 1 })
    emit({ event: 'pack.resent', seq: 1, againBytes: 7 })
    await vi.advanceTimersByTimeAsync(30 * minute)
    expect(summaries()).toMatchObject([{
      capturedBytes: 1000, newBytes: 400, packedBytes: 100, sentBytes: 0, packs: 0, againBytes: 7, errors: { 'destination-busy': 1 },
      backlogBytes: 100, backlogPacks: 1, oldestWaitingMs: 30 * minute, heldBytes: { held: 100, metered: 100 },
      caps: [{ cap: 'policy-day', limitBytes: 1_000_000, usedBytes: 0, atRisk: false }],
    }])
  })
  test('of an hour that a crash cut counts what was packed before and after it, once', async () => {
    const { begin, seal, companions, summaries } = await bench()
    await begin()
    seal(100)
    companions.length = 0
    vi.clearAllTimers()
    await begin()
    seal(10)
    await vi.advanceTimersByTimeAsync(30 * minute)
    expect(summaries()).toMatchObject([{ from: start, packedBytes: 110 }])
  })
  test('of an hour that ended while nothing ran is told at the next start, and a stop tells the hour so far', async () => {
    const { begin, seal, companions, summaries } = await bench()
    await begin()
    seal(100)
    companions.length = 0
    vi.clearAllTimers()
    vi.setSystemTime(start + 3 * hour)
    const companion = await begin()
    seal(1)
    await companion[Symbol.asyncDispose]()
    expect(summaries()).toMatchObject([
      { from: start, to: start + 30 * minute, packedBytes: 100 },
      { from: start + 3 * hour, to: start + 3 * hour, packedBytes: 1 },
    ])
  })
  test('at a stop, which IT may bring about whenever it likes, tells nothing of what the worker holds', async () => {
    const { begin, seal, hold, summaries } = await bench()
    const companion = await begin()
    seal(100)
    hold('paused', 'metered')
    await vi.advanceTimersByTimeAsync(35 * minute)
    await companion[Symbol.asyncDispose]()
    expect(summaries().map(({ heldBytes }) => heldBytes)).toEqual([{ held: 100, metered: 100 }, { metered: 100 }])
  })
})

describe('the endpoint', () => {
  test('is at its address again when the service begins anew', async () => {
    const port = await freePort()
    const { begin, told } = await bench(`metrics: { listen: "127.0.0.1:${port}" }`)
    for (let round = 0; round < 3; round++) {
      const companion = await begin(startMetrics)
      expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain('sluice_build_info{')
      await companion[Symbol.asyncDispose]()
    }
    expect(told.map(({ event }) => event)).toEqual(Array<string>(3).fill('metrics.listening'))
  })
})

describe('the text file', () => {
  test('is not there again because of what is heard after its end', async () => {
    const folder = (await bench()).place.folder
    const { begin, emit } = await bench(`metrics: { textfile: ${folder} }`)
    const companion = await begin(startMetrics)
    await companion[Symbol.asyncDispose]()
    emit({ event: 'service.started', device: 'a', streams: 1 })
    await vi.advanceTimersByTimeAsync(2 * minute)
    expect(existsSync(join(folder, 'sluice.prom'))).toBe(false)
  })
  test('is written at most once a minute, only when something changed, and not because of a pause', async () => {
    const folder = (await bench()).place.folder
    const { begin, hold, seal, emit } = await bench(`metrics: { textfile: ${folder} }`)
    await begin(startMetrics)
    const path = join(folder, 'sluice.prom')
    const held = (reasons: readonly string[]): void => emit({ event: 'send.held', reasons, backlogBytes: 0 })
    emit({ event: 'service.started', device: 'a', streams: 1 })
    await vi.advanceTimersByTimeAsync(0)
    const first = statSync(path).ino
    hold('paused')
    held(['paused'])
    await vi.advanceTimersByTimeAsync(10 * minute)
    expect(statSync(path).ino).toBe(first)
    expect(vi.getTimerCount()).toBe(0)
    hold('paused', 'metered')
    held(['metered', 'paused'])
    await vi.advanceTimersByTimeAsync(0)
    expect(readFileSync(path, 'utf8')).toContain('sluice_held{reason="metered"} 1\n')
    expect(readFileSync(path, 'utf8')).not.toContain('reason="held"')
    const { ino } = statSync(path)
    emit({ event: 'capture.renamed', stream: 'log' })
    await vi.advanceTimersByTimeAsync(2 * minute)
    expect(statSync(path).ino).toBe(ino)
    seal(100)
    emit({ event: 'pack.sealed', pack: '', rawBytes: 1, newBytes: 1, packBytes: 1 })
    await vi.advanceTimersByTimeAsync(0)
    expect(readFileSync(path, 'utf8')).toContain('sluice_packed_bytes_total 100\n')
    seal(11)
    emit({ event: 'pack.sealed', pack: '', rawBytes: 1, newBytes: 1, packBytes: 1 })
    await vi.advanceTimersByTimeAsync(59_000)
    expect(readFileSync(path, 'utf8')).toContain('sluice_packed_bytes_total 100\n')
    await vi.advanceTimersByTimeAsync(1000)
    expect(readFileSync(path, 'utf8')).toContain('sluice_packed_bytes_total 111\n')
  })
})

describe('the figures behind it', () => {
  test('are the same for one who has looked before as for one who looks first', async () => {
    const { journal, seal, figures } = await bench()
    const used = figures()
    let sent = 0
    const send = (): void => {
      const { id } = journal.nextOf('any') ?? { id: 0 }
      sent++
      journal.transaction(() => {
        journal.stamp(id, sent, Buffer.alloc(1))
        journal.markSent(id, { seq: sent, hash: Buffer.alloc(32) }, Date.now())
      })
    }
    for (const doNow of [() => seal(100), send, () => seal(30), () => seal(7), send, send, () => seal(2)]) {
      doNow()
      expect(used.counters()).toEqual(figures().counters())
    }
    expect(used.counters()).toMatchObject({ capturedBytes: 1390, packedBytes: 139, sentPackBytes: 137, packs: 3 })
  })
  test('count on the wire what went out, not what is set aside for it', async () => {
    const { figures, ledger, sender } = await bench()
    const id = ledger.reserve({ now: start, queue: 'any', pack: 'a', bytes: 1000 })
    sender.reserved = { bytes: 600, on: 'free' }
    expect(figures().counters().sentBytes).toBe(400)
    sender.reserved = undefined
    ledger.settle(id, 400)
    expect(figures().counters().sentBytes).toBe(400)
  })
  test('never go back when the kernel says that less went out than was thought', async () => {
    const { figures, ledger, sender } = await bench()
    const looking = figures()
    ledger.reserve({ now: start, queue: 'any', pack: 'a', bytes: 1000 })
    const seen = [600, 700, 650, 500].map((bytes) => {
      sender.reserved = { bytes, on: 'free' }
      return looking.counters().sentBytes
    })
    expect(seen).toEqual([400, 400, 400, 500])
  })
  test('of parts of a pack that were sent twice are told when the pack has arrived', async () => {
    const place = await makePlace()
    mkdirSync(place.state, { mode: 0o700 })
    writeFileSync(join(place.log, 'a.log'), 'a line\n')
    const told: SluiceEvent[] = []
    const real = destinationOf(place)
    let tries = 0
    const parts = await openParts(place, {
      emit: (event) => told.push(event),
      destination: {
        ...real, wireBytes: (bytes) => real.wireBytes(bytes), head: (...all) => real.head(...all), put: async (pack, options) => {
          if (tries++ > 0) return await real.put(pack, options)
          options?.onSent?.(40)
          throw new SluiceError('destination-unreachable', 'cut', { transient: true })
        },
      },
    })
    onTestFinished(() => parts.journal[Symbol.dispose]())
    await packAll(parts)
    await expect(sendAll(parts)).rejects.toThrow('cut')
    expect(told.filter(({ event }) => event === 'pack.resent')).toEqual([])
    await sendAll(parts)
    expect(told.filter(({ event }) => event === 'pack.resent')).toEqual([{ event: 'pack.resent', seq: 1, againBytes: 40 }])
  })
})

const summariesOf = (service: Sluice): Summary[] => service.events.filter((event) => event.event === 'upload.summary')

async function sendOne(place: Place, name: string): Promise<Sluice> {
  writeFileSync(join(place.log, name), `${name} `.repeat(3000))
  const service = new Sluice('run', '--json', '--config', place.configFile)
  await service.event(({ event }) => event === 'pack.sent')
  return service
}

test('the hours of a service that was killed and started again add up to what journal and ledger have', { timeout: 60_000 }, async () => {
  const place = await makePlace()
  const killed = await sendOne(place, 'a.log')
  killed.kill('SIGKILL')
  await killed.ended
  const service = await sendOne(place, 'b.log')
  service.kill('SIGTERM')
  expect((await service.ended).code).toBe(0)
  using journal = new Journal(journalPath(place.state), 'read')
  const { rawBytes, packBytes, packs } = journal.totals()
  const hours = [...summariesOf(killed), ...summariesOf(service)].filter(({ period }) => period === 'hour')
  const sum = (of: (one: Summary) => number): number => hours.reduce((all, one) => all + of(one), 0)
  expect(sum((one) => one.capturedBytes)).toBe(rawBytes)
  expect(sum((one) => one.sentPackBytes)).toBe(packBytes)
  expect(sum((one) => one.packs)).toBe(packs)
  expect(sum((one) => one.sentBytes)).toBe(new Ledger(journal).usedSince(0, {}))
  expect(sum((one) => one.cpuSeconds)).toBeGreaterThan(0)
})
