import { randomBytes } from 'node:crypto'
import { readdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { freePort } from '../../bench/lib/port.ts'
import { startCollector } from '../../src/collector/collector.ts'
import { openFolderStore } from '../../src/collector/folder-store.ts'
import type { ListenAddress } from '../../src/collector/listen-address.ts'
import type { CollectorStore } from '../../src/collector/store.ts'
import type { CollectorEvent } from '../../src/observe/collector-events.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { uploadId } from '../../src/collector/upload-id.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { pathToFileURL } from 'node:url'
import { tusDestination } from '../../src/transfer/tus.ts'
import { chainOf, contentOf, packOf, putCounting, type TestPack } from '../transfer/packs.ts'
import { plainLink, patient } from '../transfer/tus-bench.ts'
import { creation, refusalIn, startBench, type Bench } from './bench.ts'
import { openRaw, statusesIn } from './raw-socket.ts'

const waiting = { timeout: 20_000, interval: 20 }
const partsOf = (bench: Bench): Promise<string[]> => readdir(join(bench.folder, '.collector/incoming/laptop-1'))

async function offsetAt(bench: Bench, pack: TestPack, url = bench.url): Promise<number> {
  const answer = await bench.ask(`uploads/${uploadId(pack.name)}`, { method: 'HEAD', url })
  return answer.ok ? Number(answer.headers.get('upload-offset')) : -answer.status
}

describe('an upload', () => {
  test('goes on after the collector was started anew', async () => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(300_000))
    await bench.send(pack, { to: 123_456 })
    await bench.collector.stop()
    const next = await bench.another()
    const created = await bench.ask('', { ...creation(pack), url: next.url })
    expect([created.status, created.headers.get('upload-offset')]).toEqual([201, '123456'])
    expect(created.headers.get('location')).toBe(`uploads/${uploadId(pack.name)}`)
    expect((await bench.send(pack, { from: 123_456, create: false, url: next.url })).status).toBe(204)
    expect(await bench.list('laptop-1')).toEqual([pack.name])
  })

  test('whose last byte came to a collector that died then is put into the log by the next', async () => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(10_000))
    await bench.send(pack, { to: 9000 })
    const [part = ''] = await partsOf(bench)
    const { appendFile } = await import('node:fs/promises')
    await appendFile(join(bench.folder, '.collector/incoming/laptop-1', part), pack.bytes.subarray(9000))
    expect(await offsetAt(bench, pack)).toBe(pack.sizeBytes)
    expect(await bench.list('laptop-1')).toEqual([pack.name])
  })

  test('goes from one collector to another and back while it is sent', async () => {
    const bench = await startBench()
    const urls = [bench.url, (await bench.another()).url]
    const pack = packOf(1, randomBytes(200_000))
    await bench.ask('', creation(pack))
    for (let from = 0, turn = 0; from < pack.sizeBytes; from += 30_000, turn++) {
      const url = urls[turn % 2] ?? ''
      expect(await offsetAt(bench, pack, url)).toBe(from)
      const to = Math.min(from + 30_000, pack.sizeBytes)
      expect((await bench.send(pack, { from, to, create: false, url })).status).toBe(204)
    }
    const written = folderDestination(pathToFileURL(bench.folder).href, realDisk)
    expect((await contentOf(written, pack.name)).equals(pack.bytes)).toBe(true)
  })

  test('written at two collectors at once arrives whole', async () => {
    const bench = await startBench()
    const other = await bench.another()
    const pack = packOf(1, randomBytes(2 << 20))
    const credential = await bench.enrol()
    const sender = (url: string) => tusDestination({
      url: new URL(url), link: plainLink(), uploads: new Map(), now: Date.now, patience: patient, credential: () => credential,
    })
    await Promise.all([bench.url, other.url, bench.url, other.url].map((url) => sender(url).put(pack)))
    const written = folderDestination(pathToFileURL(bench.folder).href, realDisk)
    expect((await contentOf(written, pack.name)).equals(pack.bytes)).toBe(true)
    expect(await putCounting(sender(other.url), pack)).toBe(0)
  })

  test('that is deleted is gone, and begins anew', async () => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(10_000))
    await bench.send(pack, { to: 5000 })
    expect((await bench.ask(`uploads/${uploadId(pack.name)}`, { method: 'DELETE' })).status).toBe(204)
    expect(await offsetAt(bench, pack)).toBe(-404)
    expect(await partsOf(bench)).toEqual([])
    expect((await bench.send(pack)).status).toBe(204)
  })

  test('expires when nothing is added to it, tells when, and is swept', async () => {
    const hour = 3600_000
    const bench = await startBench({ limits: { uploadsExpireMs: hour } })
    const [idle, busy] = [packOf(1, randomBytes(10_000)), packOf(1, randomBytes(10_000))]
    for (const pack of [idle, busy]) {
      const answer = await bench.send(pack, { to: 5000 })
      const expires = Date.parse(answer.headers.get('upload-expires') ?? '')
      expect(Math.abs(expires - Date.now() - hour)).toBeLessThan(hour / 2)
    }
    const long = new Date(Date.now() - hour - 60_000)
    const file = (await partsOf(bench)).find((name) => name.includes(idle.name.hash)) ?? ''
    await utimes(join(bench.folder, '.collector/incoming/laptop-1', file), long, long)
    expect(await offsetAt(bench, idle)).toBe(-410)
    await bench.another()
    expect(await offsetAt(bench, idle)).toBe(-404)
    expect(await offsetAt(bench, busy)).toBe(5000)
    expect(bench.events).toContainEqual({ event: 'upload.discarded', device: 'laptop-1', seq: 1, cause: 'expired' })
    const created = await bench.ask('', creation(idle))
    expect(created.headers.get('upload-offset')).toBe('0')
  })

  test('of a seq that is in the log meanwhile is swept with it', async () => {
    const bench = await startBench()
    const [winner, loser] = [packOf(1, randomBytes(10_000)), packOf(1, randomBytes(10_000))]
    await bench.send(loser, { to: 5000 })
    await bench.send(winner)
    expect(await partsOf(bench)).toEqual([])
    expect(await offsetAt(bench, loser)).toBe(-404)
  })
})

describe('a quota', () => {
  test('counts packs and what is announced, and what is over it is refused', async () => {
    const bench = await startBench({ limits: { quotaBytes: 25_000 } })
    const [first, second] = chainOf([randomBytes(10_000), randomBytes(10_000)]) as [TestPack, TestPack]
    expect((await bench.send(first)).status).toBe(204)
    expect((await bench.send(second, { to: 10 })).status).toBe(204)
    const third = packOf(2, randomBytes(5001), 'laptop-1', first)
    expect(await refusalIn(await bench.ask('', creation(third)))).toEqual({ status: 507, code: 'quota-full' })
    expect((await bench.send(second, { from: 10 })).status).toBe(204)
    expect(await refusalIn(await bench.send(packOf(3, randomBytes(5001), 'laptop-1', second)))).toEqual({ status: 507, code: 'quota-full' })
    expect((await bench.send(packOf(3, randomBytes(5000), 'laptop-1', second))).status).toBe(204)
    // Each has its own.
    expect((await bench.send(packOf(1, randomBytes(20_000), 'laptop-2'))).status).toBe(204)
  })

  test('bears so many uploads that were begun, and no more', async () => {
    const bench = await startBench()
    const statuses = []
    for (let count = 0; count < 33; count++) statuses.push((await bench.ask('', creation(packOf(1, randomBytes(200))))).status)
    expect(statuses).toEqual([...Array<number>(32).fill(201), 507])
  })
})

describe('uploads that are begun at once', () => {
  test('keep to the quota and to the number of uploads', async () => {
    for (const [limits, most] of [[{ quotaBytes: 25_000 }, 2], [{}, 32]] as const) {
      const bench = await startBench({ limits })
      await bench.enrol()
      const packs = Array.from({ length: 50 }, () => packOf(1, randomBytes(10_000)))
      const answers = await Promise.all(packs.map((pack) => bench.ask('', creation(pack))))
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(most)
      expect(await partsOf(bench)).toHaveLength(most)
    }
  })
})

describe('a rate limit', () => {
  test('for a device does not touch others', async () => {
    const bench = await startBench({ limits: { requestsPerMinutePerDevice: 5 } })
    const statuses = []
    for (let count = 0; count < 7; count++) statuses.push((await bench.ask('logs/laptop-1/head')).status)
    expect(statuses).toEqual([204, 204, 204, 204, 204, 429, 429])
    const refused = await bench.ask('logs/laptop-1/head')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await refusalIn(refused)).toEqual({ status: 429, code: 'rate-limited' })
    expect((await bench.ask('logs/laptop-2/head', { device: 'laptop-2' })).status).toBe(204)
  })

  test('for an address counts those that are nobody, too', async () => {
    const bench = await startBench({ limits: { requestsPerMinutePerAddress: 3 } })
    const statuses = []
    for (let count = 0; count < 4; count++) statuses.push((await bench.ask('logs/laptop-1/head', { credential: 'nobody' })).status)
    expect(statuses).toEqual([401, 401, 401, 429])
    expect((await bench.ask('health')).status).toBe(200)
  })
})

describe('behind a proxy', () => {
  test('a client cannot choose the address by which it is counted and told', async () => {
    const bench = await startBench({ behindProxy: true, limits: { requestsPerMinutePerAddress: 3 } })
    const statuses = []
    for (let count = 0; count < 5; count++) {
      const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-for': `198.51.100.${count}, 203.0.113.9` }
      statuses.push((await bench.ask('logs/laptop-1/head', { credential: 'nobody', headers })).status)
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429])
    expect(bench.events.filter((event) => 'address' in event && event.address !== '203.0.113.9')).toEqual([])
  })
})

describe('a sweep', () => {
  test('goes on where a part of it fails, with the store first', async () => {
    const bench = await startBench()
    const real = await openFolderStore(bench.folder, realDisk, Date.now)
    const did: string[] = []
    const store: CollectorStore = {
      ...within(real),
      sweep: () => { did.push('store'); return Promise.reject(new Error('no store')) },
      incoming: () => { did.push('uploads'); return Promise.reject(new Error('no uploads')) },
      records: { ...real.records, list: (prefix) => { did.push(prefix); return Promise.reject(new Error('no records')) } },
    }
    const events: CollectorEvent[] = []
    await (await startCollector({ store, emit: (event) => { events.push(event) } })).stop()
    expect(did).toEqual(['store', 'uploads', 'tokens/'])
    expect(events.filter(({ event }) => event === 'collector.failed')).toHaveLength(3)
  })
})

describe('a collector that cannot listen', () => {
  test.each(['metrics', 'devices'])('for %s ends, and leaves no other address open', async (which) => {
    const taken = (await startBench()).collector.port
    const folder = await temporaryFolder()
    const store = await openFolderStore(join(folder, 'packs'), realDisk, Date.now)
    const free = await freePort()
    const [listen, metrics] = [taken, free].map((port) => ({ host: '127.0.0.1', port })) as [ListenAddress, ListenAddress]
    const events: CollectorEvent[] = []
    const started = startCollector({
      store, ...(which === 'metrics' ? { listen: metrics, metrics: { listen } } : { listen, metrics: { listen: metrics } }),
      emit: (event) => { events.push(event) },
    })
    await expect(started).rejects.toMatchObject({ code: 'config-invalid' })
    await expect(fetch(`http://127.0.0.1:${free}/health`)).rejects.toThrow()
    expect(events).toEqual([])
  })
})

describe('a collector that stops', () => {
  test('does not wait for ever for a store that hangs', async () => {
    const folder = await temporaryFolder()
    const real = await openFolderStore(join(folder, 'packs'), realDisk, Date.now)
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
    const store: CollectorStore = { ...within(real), head: () => { ask(); return new Promise(() => undefined) } }
    const collector = await startCollector({ store, limits: { drainMs: 10 } })
    const token = await collector.accounts.makeToken({ uses: 1, expiresAt: Date.now() + 60_000 })
    const { credential } = await collector.accounts.enrol('laptop-1', token)
    const begun = fetch(collector.url, {
      ...creation(packOf(1, randomBytes(1000))), headers: { ...creation(packOf(1, randomBytes(1000))).headers, 'authorization': `Bearer ${credential}`, 'tus-resumable': '1.0.0' },
    }).catch(() => undefined)
    await asked
    await collector.stop()
    expect(await begun).toBeUndefined()
  }, 60_000)

  test('lets what runs end, and answers what is new with 503', async () => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(100_000))
    await bench.ask('', creation(pack))
    const credential = await bench.enrol()
    const head = `PATCH /uploads/${uploadId(pack.name)} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${credential}\r\ntus-resumable: 1.0.0\r\n`
      + `upload-offset: 0\r\ncontent-type: application/offset+octet-stream\r\ncontent-length: ${pack.sizeBytes}\r\n\r\n`
    const health = 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n'
    const [running, kept] = [await openRaw(bench.collector.port, head), await openRaw(bench.collector.port, 'GET /health HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n')]
    running.write(pack.bytes.subarray(0, 50_000))
    await vi.waitFor(async () => { expect((await bench.ask('health')).status).toBe(200) })
    await vi.waitFor(async () => { expect(await partSize(bench)).toBeGreaterThan(0) }, waiting)
    const stopped = bench.collector.stop()
    await vi.waitFor(() => { expect(bench.events.some(({ event }) => event === 'collector.stopping')).toBe(true) })
    const answers = { running: '', kept: '' }
    kept.setEncoding('latin1').on('data', (text: string) => { answers.kept += text })
    running.setEncoding('latin1').on('data', (text: string) => { answers.running += text })
    kept.write(`hello${health}`)
    running.write(pack.bytes.subarray(50_000))
    await stopped
    await vi.waitFor(() => { expect(statusesIn(answers.running)).toEqual([204]) }, waiting)
    expect(statusesIn(answers.kept).at(-1)).toBe(503)
    expect(await bench.list('laptop-1')).toEqual([pack.name])
    await expect(bench.ask('health')).rejects.toThrow()
    expect(bench.events.at(-1)).toEqual({ event: 'collector.stopped', cutRequests: 0 })
  })

  test('cuts what does not end in time, and keeps what arrived', async () => {
    const bench = await startBench({ limits: { drainMs: 100 } })
    const pack = packOf(1, randomBytes(100_000))
    await bench.ask('', creation(pack))
    const credential = await bench.enrol()
    const head = `PATCH /uploads/${uploadId(pack.name)} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${credential}\r\ntus-resumable: 1.0.0\r\n`
      + `upload-offset: 0\r\ncontent-type: application/offset+octet-stream\r\ncontent-length: ${pack.sizeBytes}\r\n\r\n`
    const socket = await openRaw(bench.collector.port, Buffer.concat([Buffer.from(head), pack.bytes.subarray(0, 40_000)]))
    await vi.waitFor(async () => { expect(await partSize(bench)).toBe(40_000) }, waiting)
    await bench.collector.stop()
    socket.destroy()
    expect(bench.events.at(-1)).toEqual({ event: 'collector.stopped', cutRequests: 1 })
    expect(await offsetAt(bench, pack, (await bench.another()).url)).toBe(40_000)
  })
})

async function partSize(bench: Bench): Promise<number> {
  const { stat } = await import('node:fs/promises')
  const [part] = await partsOf(bench)
  return part === undefined ? 0 : (await stat(join(bench.folder, '.collector/incoming/laptop-1', part))).size
}

/** A store whose parts can be replaced. */
function within(store: CollectorStore): CollectorStore {
  return {
    records: store.records, check: () => store.check(), head: (device) => store.head(device), sizeOf: (name) => store.sizeOf(name),
    usage: (device) => store.usage(device), begin: (name, sizeBytes) => store.begin(name, sizeBytes), find: (name) => store.find(name),
    incoming: (device) => store.incoming(device), append: (incoming, offset, bytes) => store.append(incoming, offset, bytes),
    discard: (name) => store.discard(name), commit: (incoming, check, follows) => store.commit(incoming, check, follows), sweep: () => store.sweep(),
  }
}
