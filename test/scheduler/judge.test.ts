import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { checkConfig } from '../../config/parse.ts'
import { Ledger } from '../../src/budget/ledger.ts'
import { Journal } from '../../src/journal/journal.ts'
import { emptySettings, type Settings } from '../../src/journal/settings.ts'
import type { NetworkState } from '../../src/scheduler/conditions.ts'
import type { Decisions } from '../../src/scheduler/judge.ts'
import { Judge } from '../../src/scheduler/judge.ts'
import { fixed } from '../../src/scheduler/sensor.ts'
import { sha256 } from '../../src/pack/sha256.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const now = Date.UTC(2026, 10, 23, 12)
const home = '0123456789ab'

function configOf(more: string, streams = ['log', 'shots']) {
  const checked = checkConfig(`
destination: file:///out
state: /state
conditions: { power: mains }
timeZone: UTC
network: { onMetered: send }
streams: [${streams.map((name) => `{ name: ${name}, path: /${name}, purpose: tests, files: whole }`).join(', ')}]
${more}`, '/c.yaml', { home: '/', hostname: 'h', timeZone: 'UTC', cwd: '/' })
  if ('problems' in checked) throw new Error(JSON.stringify(checked.problems))
  return checked.config
}

async function newJournal(): Promise<Journal> {
  const journal = new Journal(join(await temporaryFolder(), 'journal.sqlite'))
  onTestFinished(() => journal[Symbol.dispose]())
  return journal
}

/** A pack of half a megabyte that waits. */
function seal(journal: Journal, queue: string, streams: readonly string[]): number {
  const id = journal.nextSealNumber()
  const bodyHash = sha256(Buffer.from(`body ${id}`))
  journal.commitSeal({
    pack: { id, queue, streams, bodyHash, bodyBytes: 500_000, rawBytes: 1e6, newBytes: 1e6, sealedAt: now },
    epoch: Buffer.alloc(8), chunks: [], ordinals: new Map(), cursors: [],
  })
  return id
}

function judgeOf(journal: Journal, { more = '', streams, network = { cost: 'free', id: home }, settings = {} }: {
  readonly more?: string
  readonly streams?: string[]
  readonly network?: NetworkState
  readonly settings?: Partial<Settings>
} = {}) {
  const ledger = new Ledger(journal)
  const all = { ...emptySettings, ...settings }
  const sensors = { power: fixed({ supply: 'mains', saver: 'off' } as const, () => now), network: fixed(network, () => now) }
  const judge = new Judge({ config: configOf(more, streams), journal, ledger, sensors, wireBytes: (bytes) => bytes })
  return {
    judge, ledger, settings: all,
    queue: (name: string) => judge.queuesFor(all).find((queue) => queue.name === name)!,
    decide: async (): Promise<Decisions> => judge.decide(now, await judge.conditions(), all, []),
  }
}

const codes = (decisions: Decisions, queue: string) => decisions.get(queue)?.reasons.map(({ code }) => code)

describe('what was sealed in a shared queue', () => {
  test('is held by an exemption that names one of its streams later, until it is gone', async () => {
    const journal = await newJournal()
    const more = 'exemptions: [{ because: sensitive-work, streams: [log] }]'
    const pack = seal(journal, 'any', ['log', 'shots'])
    expect(codes(await judgeOf(journal, { more }).decide(), 'any')).toEqual(['exempt-work'])
    expect(codes(await judgeOf(journal).decide(), 'any')).toEqual([])
    journal.markSent(pack, { seq: 1, hash: Buffer.alloc(32) }, now)
    expect(codes(await judgeOf(journal, { more }).decide(), 'any')).toEqual([])
  })
  test('is held by an exemption of another of its streams than the next pack holds', async () => {
    const journal = await newJournal()
    seal(journal, 'any', ['shots'])
    seal(journal, 'any', ['log'])
    expect(codes(await judgeOf(journal, { more: 'exemptions: [{ because: sensitive-work, streams: [log] }]' }).decide(), 'any')).toEqual(['exempt-work'])
  })
  test('may use no more than a cap leaves that is set for one of its streams later, and all its bytes count for it', async () => {
    const journal = await newJournal()
    const settings = { caps: [{ id: 'day.stream.log', per: 'day', limitBytes: 300_000, stream: 'log' } as const] }
    const { judge, ledger, queue, decide } = judgeOf(journal, { settings })
    seal(journal, 'any', ['log', 'shots'])
    expect((await decide()).get('any')?.maxBytes).toBe(300_000)
    const route = judge.routeOf(queue('any'), await judge.conditions())
    ledger.reserve({ now, queue: 'any', pack: 'p', bytes: 240_000, ...route })
    const decisions = await decide()
    expect(codes(decisions, 'any')).toEqual(['cap-day'])
    expect(decisions.get('any/log')?.maxBytes).toBe(60_000)
  })
  test('that holds nothing of a capped stream is not counted for it', async () => {
    const journal = await newJournal()
    const settings = { caps: [{ id: 'day.stream.log', per: 'day', limitBytes: 300_000, stream: 'log' } as const] }
    const { judge, ledger, queue, decide } = judgeOf(journal, { settings })
    seal(journal, 'any', ['shots'])
    ledger.reserve({ now, queue: 'any', pack: 'p', bytes: 240_000, ...judge.routeOf(queue('any'), await judge.conditions()) })
    const decisions = await decide()
    expect(decisions.get('any')?.maxBytes).toBe(Infinity)
    expect(decisions.get('any/log')?.maxBytes).toBe(300_000)
  })
  test('stays while its stream is off, also when the config no longer has the stream', async () => {
    const journal = await newJournal()
    seal(journal, 'any/shots', ['shots'])
    const settings = { streamsOff: [{ stream: 'shots', since: now - 1000 }] }
    const { decide } = judgeOf(journal, { streams: ['log'], settings })
    const decisions = await decide()
    expect(codes(decisions, 'any/shots')).toEqual(['stream-off'])
    expect(codes(decisions, 'any')).toEqual([])
  })
  test('by a version that did not say of which streams may be of any: what is set for one holds it', async () => {
    const journal = await newJournal()
    const pack = seal(journal, 'any', ['shots'])
    journal.db.exec(`UPDATE pack SET streams = NULL WHERE id = ${pack}`)
    const settings = { streamsOff: [{ stream: 'gone', since: now - 1000 }] }
    const { judge, queue, decide } = judgeOf(journal, { settings })
    expect(codes(await decide(), 'any')).toEqual(['stream-off'])
    expect(judge.routeOf(queue('any'), undefined)).not.toHaveProperty('streams')
  })
})

describe('caps', () => {
  test('of a network count while nobody can tell which network it is, if their class does', async () => {
    const journal = await newJournal()
    const settings = { networks: [{ id: home, name: 'home', cost: 'auto' } as const] }
    const more = 'caps: [{ limit: 1 MB, per: day, network: home }, { limit: 400 kB, per: day, network: cafe, on: metered }]'
    const maxBytes = async (network: NetworkState) => (await judgeOf(journal, { more, settings, network }).decide()).get('any')?.maxBytes
    expect(await maxBytes({ cost: 'free', id: home })).toBe(1_000_000)
    expect(await maxBytes({ cost: 'free', id: 'ba9876543210' })).toBe(Infinity)
    expect(await maxBytes({ cost: 'free' })).toBe(1_000_000)
    expect(await maxBytes({ cost: 'metered' })).toBe(400_000)
    new Ledger(journal).reserve({ now, queue: 'any', pack: 'p', bytes: 100_000, on: 'metered' })
    expect(await maxBytes({ cost: 'metered' })).toBe(300_000)
    expect(await maxBytes({ cost: 'free', id: home })).toBe(900_000)
  })
  test('are summed up once for all queues and their warnings', async () => {
    const journal = await newJournal()
    const { judge, ledger, settings, decide } = judgeOf(journal, {
      streams: ['a', 'b', 'c', 'd'],
      more: 'caps: [{ limit: 1 MB, per: day }, { limit: 1 MB, per: month, stream: a }, { limit: 1 MB, per: week, stream: b }]',
    })
    ledger.reserve({ now, queue: 'any', pack: 'p', bytes: 850_000, on: 'free', streams: ['c'] })
    const used = vi.spyOn(ledger, 'usedSince')
    expect((await decide()).size).toBe(3)
    expect(judge.warnings(now, settings).map(({ percent }) => percent)).toEqual([80])
    expect(used).toHaveBeenCalledTimes(3)
    // What was sent in the same millisecond counts at the next decision.
    ledger.reserve({ now, queue: 'any', pack: 'p', bytes: 60_000, on: 'free', streams: ['c'] })
    expect((await decide()).get('any')?.maxBytes).toBe(90_000)
    expect(judge.warnings(now, settings).map(({ percent }) => percent)).toEqual([90])
  })
  test('leave a transfer under way what is reserved for it, and other streams what they have', async () => {
    const journal = await newJournal()
    const { judge, ledger, settings } = judgeOf(journal, { more: 'caps: [{ limit: 1 MB, per: day, stream: log }, { limit: 2 MB, per: month }]' })
    const route = { on: 'free', network: home, streams: ['shots'] } as const
    ledger.reserve({ now, queue: 'any', pack: 'p', bytes: 700_000, ...route })
    const decisions = judge.decide(now, await judge.conditions(), settings, [], { ...route, bytes: 500_000 })
    expect(decisions.get('any/log')?.maxBytes).toBe(1_000_000)
    expect(decisions.get('any')?.maxBytes).toBe(1_800_000)
  })
})
