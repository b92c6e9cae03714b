/**
 * What a service that lost a part of its state still knows. The journal is damaged page by page by hand, or a body in the
 * spool is removed; nothing else is touched. No cap may have more left than before, and nothing may be missing in the end.
 */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import { Ledger } from '../../src/budget/ledger.ts'
import { putAside } from '../../src/journal/aside.ts'
import { Journal } from '../../src/journal/journal.ts'
import { journalPath } from '../../src/journal/open-state.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { toHex } from '../../src/pack/sha256.ts'
import { memoryDestination } from '../../src/transfer/memory.ts'
import { parsePackFileName, type Destination } from '../../src/transfer/destination.ts'
import { noise } from '../pack/make-log.ts'
import { startStore } from '../transfer/s3-store.ts'
import { startTusServer } from '../transfer/tus-server.ts'
import { freely, makePlace, nextPack, openParts, packAll, readStored, runOnce, sendAll, sluice, type Parts, type Place, type PlaceOptions } from './harness.ts'

const now = Date.UTC(2026, 10, 23, 12)

async function newPlace(options: PlaceOptions = {}): Promise<Place> {
  const place = await makePlace(options)
  mkdirSync(place.state, { recursive: true })
  return place
}

/** A destination that takes packs and tells nothing, as a plain tus server. */
function silent(): { readonly inner: Destination; readonly destination: Destination } {
  const inner = memoryDestination()
  return { inner, destination: { ...inner, reading: 'refused', head: async () => 'untold' } }
}

async function open(place: Place, destination?: Destination, at = now): Promise<Parts & { readonly events: SluiceEvent[] }> {
  const events: SluiceEvent[] = []
  const url = destination ? { config: { ...place.config, destination: destination.url }, destination } : {}
  const parts = await openParts(place, { ...url, now: () => at, emit: (event) => events.push(event) })
  onTestFinished(() => {
    if (parts.journal.db.isOpen) parts.journal[Symbol.dispose]()
  })
  return { ...parts, events }
}

/** Overwrites the first page of each of these tables and indexes in a journal that was closed. */
function damage(path: string, ...names: string[]): void {
  const journal = new Journal(path, 'read')
  const size = Number(journal.db.prepare('PRAGMA page_size').get()?.['page_size'])
  const roots = names.map((name) => Number(journal.db.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(name)?.['rootpage']))
  journal[Symbol.dispose]()
  const bytes = readFileSync(path)
  for (const root of roots) bytes.fill(0x5a, (root - 1) * size, root * size)
  writeFileSync(path, bytes)
}

const used = ({ ledger }: Parts) => ledger.usedSince(0)

describe('a journal that is damaged', () => {
  test('leaves what was used as it was, where its ledger can be read', async () => {
    const place = await newPlace()
    const { destination } = silent()
    writeFileSync(join(place.log, 'a.log'), noise('a', 150_000))
    const first = await open(place, destination)
    await packAll(first)
    await sendAll(first)
    const home = first.ledger.reserve({ now: now - 1000, queue: 'any', pack: 'p', bytes: 5000, network: '0123456789ab', on: 'metered' })
    first.ledger.settle(home, 3000)
    first.ledger.reserve({ now, queue: 'any', pack: 'open', bytes: 700, on: 'free' })
    const before = [used(first), first.ledger.networks(), first.ledger.usedSince(0, { on: 'metered' })]
    first.journal[Symbol.dispose]()
    damage(journalPath(place.state), 'cursor', 'ledger_use')
    const second = await open(place, destination)
    expect([used(second), second.ledger.networks(), second.ledger.usedSince(0, { on: 'metered' })]).toEqual(before)
    expect(second.events).toMatchObject([{ event: 'journal.rebuilt', use: 'ledger' }])
  })

  test('while it was in use: what stands in its log alone counts too', async () => {
    const place = await newPlace()
    const { destination } = silent()
    const first = await open(place, destination)
    first.journal.db.exec('PRAGMA wal_autocheckpoint = 0')
    first.ledger.reserve({ now, queue: 'any', pack: 'p', bytes: 12_345 })
    await putAside(journalPath(place.state), realDisk)
    const second = await open(place, destination)
    expect(used(second)).toBe(12_345)
    second.journal[Symbol.dispose]()
    // It was replaced: it counts once, and is kept under another name.
    expect(readdirSync(place.state).filter((name) => name.startsWith('journal.damaged')).sort())
      .toEqual([`journal.damaged-${now}.sqlite`, `journal.damaged-${now}.sqlite-wal`])
    expect(used(await open(place, destination))).toBe(12_345)
  })

  test('put aside by a process that died before it moved the log: the log counts all the same', async () => {
    const place = await newPlace()
    const { destination } = silent()
    const first = await open(place, destination)
    first.journal.db.exec('PRAGMA wal_autocheckpoint = 0')
    first.ledger.reserve({ now, queue: 'any', pack: 'p', bytes: 12_345 })
    const dying = { ...realDisk, rename: async (from: string, to: string) => {
      if (from.endsWith('-wal')) throw new Error('died')
      await realDisk.rename(from, to)
    } }
    await expect(putAside(journalPath(place.state), dying)).rejects.toThrow('died')
    expect(used(await open(place, destination))).toBe(12_345)
  })

  test.each(['its ledger too', 'all of it', 'emptied', 'deleted'])('%s, at a destination that cannot be read: no cap has anything left in this period', async (what) => {
    const place = await newPlace({ more: 'caps: [{ limit: 5 MB, per: day }, { limit: 20 MB, per: month }]' })
    const { destination } = silent()
    writeFileSync(join(place.log, 'a.log'), noise('a', 150_000))
    const first = await open(place, destination)
    await packAll(first)
    await sendAll(first)
    first.journal[Symbol.dispose]()
    const path = journalPath(place.state)
    if (what === 'deleted') rmSync(path)
    else if (what === 'emptied') truncateSync(path, 0)
    else if (what === 'all of it') truncateSync(path, 5000)
    else damage(path, 'ledger')
    const second = await open(place, destination)
    expect(used(second)).toBeGreaterThanOrEqual(20_000_000)
    expect(second.events).toMatchObject([{ event: 'journal.rebuilt', use: 'unknown' }])
    for (const scope of [{ on: 'free' }, { network: '0123456789ab' }, { stream: 'log' }] as const) {
      expect(second.ledger.usedSince(now, scope)).toBe(20_000_000)
    }
    second.journal[Symbol.dispose]()
    // Told once: the next start goes on with it.
    expect(used(await open(place, destination, now + 1000))).toBe(20_000_000)
  })

  test('at a destination that can be read, counts neither less than its ledger nor less than the log, and nothing twice', async () => {
    const place = await newPlace()
    writeFileSync(join(place.log, 'a.log'), noise('a', 150_000))
    const first = await open(place)
    await packAll(first)
    await sendAll(first)
    const log = used(first)
    first.ledger.reserve({ now, queue: 'any', pack: 'wire', bytes: 9000 })
    first.journal.db.exec('DELETE FROM ledger WHERE id = 1')
    const ledger = used(first)
    first.journal[Symbol.dispose]()
    damage(journalPath(place.state), 'cursor')
    const second = await open(place)
    expect(ledger).toBeLessThan(log + 9000)
    expect(used(second)).toBe(log + 9000)
    second.journal[Symbol.dispose]()
    damage(journalPath(place.state), 'cursor')
    expect(used(await open(place))).toBe(log + 9000)
  })

  test('in a new state folder nothing counts', async () => {
    const place = await newPlace({ more: 'caps: [{ limit: 5 MB, per: day }]' })
    const { ledger, events } = await open(place, silent().destination)
    expect([ledger.usedSince(0), events]).toEqual([0, []])
  })
})

test('a ledger that is read from a damaged journal says so', async () => {
  const place = await newPlace()
  const { journal, ledger } = await open(place)
  const entry = { queue: 'any', pack: 'p', bytes: 1, network: '0123456789ab', on: 'free' } as const
  journal.transaction(() => Array.from({ length: 2000 }, (_, at) => ledger.reserve({ ...entry, now: now + at })))
  journal.db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  journal.releaseMemory()
  const bytes = readFileSync(journal.path)
  writeFileSync(journal.path, bytes.fill(0x5a, 4096))
  for (const read of [() => ledger.usedSince(0), () => ledger.oldestSince(0), () => ledger.networks()]) {
    expect(read).toThrow(expect.objectContaining({ code: 'journal-damaged' }))
  }
})

describe('a pack that is gone from the spool', () => {
  const bodyOf = (parts: Parts, pack = nextPack(parts)) => join(parts.spool.folder, `${toHex(pack?.bodyHash ?? new Uint8Array())}.body`)

  /** Everything sealed, of two queues; sending begins when a test says so. */
  async function packedPlace(): Promise<{ readonly place: Place; readonly parts: Parts; readonly contents: Readonly<Record<string, Buffer>> }> {
    const place = await newPlace()
    const contents = { 'a.log': noise('a', 150_000), 'b.log': noise('b', 90_000), 'shot.bin': noise('shot', 30_000) }
    for (const [name, bytes] of Object.entries(contents)) writeFileSync(join(name.endsWith('.log') ? place.log : place.shots, name), bytes)
    const parts = await open(place)
    await packAll(parts)
    return { place, parts, contents }
  }

  async function expectAll(parts: Parts, contents: Readonly<Record<string, Buffer>>): Promise<void> {
    const { captured, problems } = await readStored(parts.destination)
    expect(problems).toEqual([])
    for (const [name, bytes] of Object.entries(contents)) {
      expect(captured.some((version) => version.path === name && version.bytes.equals(bytes)), name).toBe(true)
    }
  }

  test.each(['gone', 'cut short'])('or there and %s: its captures are taken again, the journal stays and with it what was used', async (what) => {
    const { place, parts: first, contents } = await packedPlace()
    await sendAll(first, 1)
    const before = used(first)
    const path = bodyOf(first)
    if (what === 'gone') rmSync(path)
    else truncateSync(path, 10)
    await expect(sendAll(first)).rejects.toMatchObject({ code: 'spool-damaged' })
    first.journal[Symbol.dispose]()
    const second = await open(place)
    expect(second.events.map(({ event }) => event).filter((event) => event !== 'spool.swept')).toEqual(['spool.lost'])
    expect(used(second)).toBe(before)
    expect(second.isNew).toBe(false)
    expect(second.journal.unsent().some(({ queue }) => queue === 'free')).toBe(true)
    await packAll(second)
    await sendAll(second)
    await expectAll(second, contents)
  })

  test('when it was half sent: its place is given to another, and its partial bytes are removed', async () => {
    const { place, parts: first, contents } = await packedPlace()
    const stop = new AbortController()
    const pack = nextPack(first)!
    expect(await first.sender.send(pack, { ...freely(stop.signal), onSent: () => stop.abort() })).toBe(false)
    rmSync(bodyOf(first))
    first.journal[Symbol.dispose]()
    const second = await open(place)
    await expect(sendAll(second)).rejects.toMatchObject({ code: 'spool-damaged' })
    expect(second.journal.stamped()).toBeUndefined()
    expect(readdirSync(join(place.packs, 'laptop-1'))).toEqual([])
    second.journal[Symbol.dispose]()
    const third = await open(place)
    await packAll(third)
    await sendAll(third)
    await expectAll(third, contents)
  })

  test('when it had arrived and nobody was told: it is sent, and nothing is taken again', async () => {
    const { place, contents } = await packedPlace()
    const { inner, destination } = silent()
    const losing = { ...destination, put: async (...all: Parameters<Destination['put']>) => {
      await inner.put(...all)
      throw new Error('the answer was lost')
    } }
    rmSync(place.state, { recursive: true })
    mkdirSync(place.state)
    const first = await open(place, losing)
    await packAll(first)
    await expect(first.sender.send(nextPack(first)!, freely())).rejects.toThrow('the answer was lost')
    rmSync(bodyOf(first))
    first.journal[Symbol.dispose]()
    const second = await open(place, destination)
    await packAll(second)
    await sendAll(second)
    expect(second.events.map(({ event }) => event)).not.toContain('spool.lost')
    await expectAll({ ...second, destination: inner }, contents)
  })

  test('is told by the real service, which goes on without it', async () => {
    const place = await newPlace({ more: 'caps: [{ limit: 1 MB, per: day }]' })
    writeFileSync(join(place.log, 'a.log'), noise('a', 100_000))
    const hold = readFileSync(place.configFile, 'utf8')
    writeFileSync(place.configFile, hold.replace('power: mains', 'power: mains, network: metered'))
    expect((await runOnce(place)).code).toBe(75)
    for (const name of readdirSync(join(place.state, 'spool'))) rmSync(join(place.state, 'spool', name))
    writeFileSync(place.configFile, hold)
    const { code, stderr } = await runOnce(place)
    expect([code, stderr]).toEqual([0, expect.stringContaining('cannot be sent, for the spool has lost packs')])
    expect(readdirSync(place.state).filter((name) => name.includes('damaged'))).toEqual([])
    const pulled = join(place.folder, 'out')
    expect((await sluice('pull', place.packs, pulled)).code).toBe(0)
  })

  test('is found by the real service when it sends on, which begins again without it', async () => {
    const { place, parts, contents } = await packedPlace()
    const stop = new AbortController()
    await parts.sender.send(nextPack(parts)!, { ...freely(stop.signal), onSent: () => stop.abort() })
    rmSync(bodyOf(parts))
    parts.journal[Symbol.dispose]()
    const { code, stderr } = await runOnce(place)
    expect([code, stderr]).toEqual([0, expect.stringContaining('the spool has lost packs')])
    await expectAll(parts, contents)
  })
})

describe('a journal that is lost, at a bucket', { timeout: 60_000 }, () => {
  async function bucketPlace() {
    const store = await startStore()
    onTestFinished(() => store[Symbol.asyncDispose]())
    const place = await newPlace()
    const keys = join(place.folder, 'keys')
    writeFileSync(keys, '[default]\naws_access_key_id = a\naws_secret_access_key = b\n', { mode: 0o600 })
    const address = `s3://packs/laptops?endpoint=${store.endpoint}`
    const base = `${readFileSync(place.configFile, 'utf8').replace(/^destination: .*$/m, `destination: ${address}`)}s3: { credentialsFile: ${keys} }\n`
    const hold = (isHeld: boolean): void => writeFileSync(place.configFile, isHeld ? base.replace('power: mains', 'power: mains, network: metered') : base)
    hold(false)
    const readable = memoryDestination()
    /** The bucket as it is now. */
    const stored = async () => {
      for (const [key, bytes] of store.objects) {
        const [, device = '', file = ''] = key.split('/')
        const name = parsePackFileName(device, file)
        if (name) await readable.put({ name, sizeBytes: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) })
      }
      return await readStored(readable)
    }
    return { place, store, hold, stored }
  }

  const lose = ({ state }: Place): void => ['', '-wal', '-shm'].forEach((suffix) => rmSync(`${journalPath(state)}${suffix}`, { force: true }))

  test('reads no pack back, asks nothing while sending is held, and then sends what is still there in a new epoch', async () => {
    const { place, store, hold, stored } = await bucketPlace()
    writeFileSync(join(place.log, 'sent.log'), noise('sent', 150_000))
    expect((await runOnce(place)).code).toBe(0)
    hold(true)
    writeFileSync(join(place.log, 'waiting.log'), noise('waiting', 150_000))
    expect((await runOnce(place)).code).toBe(75)
    lose(place)
    store.requests.length = 0
    const { code, stderr } = await runOnce(place)
    expect([code, stderr, store.requests]).toEqual([75, expect.stringContaining('journal rebuilt'), []])
    hold(false)
    expect((await runOnce(place)).code).toBe(0)
    expect(store.requests.filter((request) => /^GET [^?]+\.pack/.test(request))).toEqual([])
    const { captured, problems, packs } = await stored()
    expect(problems).toEqual([])
    expect(packs).toBe(store.objects.size)
    for (const name of ['sent', 'waiting']) expect(captured.some(({ path, bytes }) => path === `${name}.log` && bytes.equals(noise(name, 150_000))), name).toBe(true)
  })

  test('and no ledger left: what was used of caps is not known, so they have nothing left', async () => {
    const { place, store } = await bucketPlace()
    appendFileSync(place.configFile, 'caps: [{ limit: 1 MB, per: month }]\n')
    writeFileSync(join(place.log, 'a.log'), noise('a', 150_000))
    expect((await runOnce(place)).code).toBe(0)
    lose(place)
    store.requests.length = 0
    const { code, stderr } = await runOnce(place)
    expect([code, stderr, store.requests]).toEqual([75, expect.stringContaining('cap'), []])
  })
})

test('a damaged journal at a real tus server: the next run does not send what the cap no longer allows', async () => {
  const place = await newPlace({ more: 'caps: [{ limit: 300 kB, per: month }]' })
  const server = await startTusServer({ folder: join(place.folder, 'store') })
  onTestFinished(() => server[Symbol.asyncDispose]())
  writeFileSync(place.configFile, readFileSync(place.configFile, 'utf8').replace(/^destination: .*$/m, `destination: ${server.url}`))
  const { config } = await loadConfig(place.configFile)
  writeFileSync(join(place.log, 'a.log'), noise('a', 150_000))
  expect((await runOnce(place)).code).toBe(0)
  const sent = server.bodyBytes
  damage(journalPath(config.stateFolder), 'cursor')
  const { code, stderr } = await runOnce(place)
  expect([code, stderr]).toEqual([75, expect.stringContaining('cap')])
  using journal = new Journal(journalPath(config.stateFolder), 'read')
  expect(new Ledger(journal).usedSince(0)).toBeLessThanOrEqual(300_000)
  expect(server.bodyBytes).toBeLessThan(2 * sent)
})
