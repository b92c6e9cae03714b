import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openS3Store } from '../../src/collector/s3-store.ts'
import { isDeviceName } from '../../src/pack/header.ts'
import { packFileName } from '../../src/transfer/destination.ts'
import { openLink, type Link } from '../../src/transfer/link/link.ts'
import { directWireBytes, mostDirectBytes } from '../../src/transfer/s3/wire-bytes.ts'
import { sluice } from '../service/harness.ts'
import { describePutting } from '../suites/destination-put.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { noCeph, startCeph, type Ceph } from '../transfer/ceph.ts'
import { contentOf, packOf, putAborting, putCounting, type TestPack } from '../transfer/packs.ts'
import { plainLink } from '../transfer/tus-bench.ts'
import { directAt } from './direct-bench.ts'
import { perDevice } from './per-device.ts'
import { bucketAt, running, s3Place } from './s3-bench.ts'

const metered = (): Link => openLink({ clock: () => performance.now(), rate: { yields: false } })

describe.skipIf(noCeph)(`packs that go straight into the collector’s store${noCeph ? ` (${noCeph})` : ''}`, { timeout: 120_000 }, () => {
  let ceph: Ceph
  beforeAll(async () => { ceph = await startCeph() }, 240_000)
  afterAll(() => ceph[Symbol.asyncDispose]())

  describe.each([['a plain link', plainLink], ['a metered link', metered]])('over %s', (_, linkTo) => {
    describePutting('a collector with direct uploads', async () => {
      const { store, written } = await s3Place(ceph)
      const { url, credentialOf, collector } = await running(store, { direct: true })
      const uploads = new Map<string, string>()
      const reopen = () => perDevice(url, async (device) => {
        const credential = await credentialOf(isDeviceName(device) ? device : 'laptop-1')
        return directAt({ url, credential, uploads, linkTo })
      }, directWireBytes)
      return {
        destination: reopen(),
        reopen,
        list: (device) => written.list(device),
        content: (name) => contentOf(written, name),
        kept: () => 0,
        remove: () => collector.stop(),
      }
    })
  })

  /** A collector with direct uploads on a bucket of its own, and what a device may ask it. */
  async function place() {
    const at = await s3Place(ceph)
    const { collector, url, events, credentialOf } = await running(at.store, { direct: true })
    onTestFinished(() => collector.stop())
    const ask = async (path: string, json: unknown, device = 'laptop-1'): Promise<Response> => fetch(new URL(path, url), {
      method: 'POST', body: JSON.stringify(json), headers: { 'content-type': 'application/json', 'authorization': `Bearer ${await credentialOf(device)}` },
    })
    const begin = (pack: TestPack, device?: string) => ask('direct', { name: packFileName(pack.name), sizeBytes: pack.sizeBytes }, device)
    const commit = (pack: TestPack, device?: string) => ask('direct/commit', { name: packFileName(pack.name) }, device)
    const urlFor = async (pack: TestPack): Promise<string> => ((await (await begin(pack)).json()) as { readonly url: string }).url
    return { ...at, collector, url, events, credentialOf, ask, begin, commit, urlFor }
  }

  const put = (url: string, bytes: Uint8Array, headers: Record<string, string> = { 'if-none-match': '*' }): Promise<number> =>
    fetch(url, { method: 'PUT', body: new Blob([new Uint8Array(bytes)]), headers }).then(({ status }) => status)

  test('do not pass through the collector, which keeps them once they are announced, put and committed', async () => {
    const { begin, commit, written, leftovers, events } = await place()
    const pack = packOf(1, randomBytes(300_000))
    const begun = await begin(pack)
    const { offset, url, expiresAt } = await begun.json() as { readonly offset: number, readonly url: string, readonly expiresAt: number }
    expect([begun.status, offset, begun.headers.get('location')]).toEqual([201, 0, `uploads/laptop-1-${packFileName(pack.name).slice(0, -5)}`])
    expect(expiresAt).toBeGreaterThan(Date.now() + 10 * 60_000)
    expect((await commit(pack)).status).toBe(409)
    expect(await put(url, pack.bytes)).toBe(200)
    expect(await written.list('laptop-1')).toEqual([])
    expect([(await commit(pack)).status, (await commit(pack)).status]).toEqual([204, 204])
    expect(await written.list('laptop-1')).toEqual([pack.name])
    expect((await contentOf(written, pack.name)).equals(pack.bytes)).toBe(true)
    expect(await leftovers()).toEqual([])
    expect(events.map(({ event }) => event)).not.toContain('upload.received')
    expect(await (await begin(pack)).json()).toEqual({ offset: pack.sizeBytes })
  })

  test('of another device cannot be named, nor put by a changed URL', async () => {
    const { urlFor, begin, commit, leftovers, bucket, written } = await place()
    const pack = packOf(1, randomBytes(5000))
    const url = await urlFor(pack)
    const other = packOf(1, pack.bytes, 'laptop-2')
    const tampered = [
      url.replace('/laptop-1/', '/laptop-2/'),
      url.replace('.collector/incoming/laptop-1/', 'laptop-1/').replace(`.${pack.sizeBytes}/00000000`, ''),
      url.replace('/00000000', '/00000001'),
      url.replace('.pack.', '.pack./../'),
      url.replace(/X-Amz-Expires=\d+/, 'X-Amz-Expires=604800'),
      url.replace('content-length%3Bhost', 'host'),
      url.replace('%3Bif-none-match', ''),
      `${url}&partNumber=1&uploadId=x`,
    ]
    for (const wrong of tampered) {
      expect(wrong).not.toBe(url)
      expect(await put(wrong, pack.bytes), wrong.replace(/Signature=.*/, '')).toBe(403)
    }
    for (const method of ['GET', 'DELETE']) expect((await fetch(url, { method })).status).toBe(403)
    expect((await commit(pack, 'laptop-2')).status).toBe(404)
    expect((await begin(other, 'laptop-2')).status).toBe(201)
    expect(await put(url, pack.bytes)).toBe(200)
    expect((await commit(other, 'laptop-2')).status).toBe(409)
    expect((await bucket.list('')).filter(({ key }) => key.includes('laptop-2/')).map(({ key }) => key.split('/').at(-1))).toEqual(['begun'])
    expect([await written.list('laptop-1'), await written.list('laptop-2')]).toEqual([[], []])
    expect((await leftovers()).length).toBe(3)
  })

  test('are refused by the store with another length, without the condition, twice, or too late', async () => {
    const { urlFor, address, store } = await place()
    const pack = packOf(1, randomBytes(5000))
    const url = await urlFor(pack)
    expect(await put(url, Buffer.concat([pack.bytes, Buffer.of(0)]))).toBe(403)
    expect(await put(url, pack.bytes.subarray(1))).toBe(403)
    expect(await put(url, pack.bytes, {})).toBe(403)
    expect([await put(url, pack.bytes), await put(url, pack.bytes)]).toEqual([200, 412])
    const key = decodeURIComponent(new URL(url).pathname).replace(/^.*\.collector/, '.collector')
    await store.discard(pack.name)
    const signedAgo = async (minutes: number): Promise<string> =>
      (await bucketAt(address, () => Date.now() - minutes * 60_000).presignCreate(key, pack.sizeBytes, 15 * 60)).href
    expect(await put(await signedAgo(16), pack.bytes)).toBe(403)
    expect(await put(await signedAgo(10), pack.bytes)).toBe(200)
  })

  test('put again after they were committed change nothing, and are cleared away', async () => {
    const { urlFor, commit, written, leftovers, bucket, store } = await place()
    const pack = packOf(1, randomBytes(5000))
    const url = await urlFor(pack)
    await put(url, pack.bytes)
    await commit(pack)
    expect(await put(url, randomBytes(pack.sizeBytes))).toBe(200)
    expect((await commit(pack)).status).toBe(204)
    expect((await contentOf(written, pack.name)).equals(pack.bytes)).toBe(true)
    expect(await store.incoming()).toEqual([])
    await store.sweep()
    expect(await leftovers()).toHaveLength(1)
    await (await openS3Store(bucket, () => Date.now() + 2 * 3600_000)).sweep()
    expect(await leftovers()).toEqual([])
  })

  test('are checked as others are: wrong bytes, a wrong place in the log, a size, a quota', async () => {
    const { urlFor, begin, commit, ask, store, written } = await place()
    const pack = packOf(1, randomBytes(5000))
    expect(await put(await urlFor(pack), randomBytes(pack.sizeBytes))).toBe(200)
    const refused = async (answer: Response): Promise<unknown> => [answer.status, (await answer.json() as { readonly code: string }).code]
    expect(await refused(await commit(pack))).toEqual([460, 'hash-mismatch'])
    expect([await store.incoming(), await written.list('laptop-1')]).toEqual([[], []])
    expect(await refused(await begin(packOf(2, randomBytes(500))))).toEqual([409, 'log-gap'])
    expect(await refused(await ask('direct', { name: packFileName(pack.name), sizeBytes: 65 << 20 }))).toEqual([413, 'pack-too-large'])
    for (const json of [{}, [], null, { name: 'x', sizeBytes: 9 }, { name: packFileName(pack.name) }, { name: `../laptop-2/${packFileName(pack.name)}`, sizeBytes: 999 }]) {
      expect(await refused(await ask('direct', json))).toEqual([400, 'request-invalid'])
    }
    await put(await urlFor(pack), pack.bytes)
    await commit(pack)
    const rival = packOf(2, randomBytes(5000))
    await put(await urlFor(rival), rival.bytes)
    expect(await refused(await commit(rival))).toEqual([409, 'log-forked'])
  })

  test('that are larger, or were begun by tus, go by tus', async () => {
    const { url, credentialOf, begin, written, events } = await place()
    const destination = directAt({ url, credential: await credentialOf('laptop-1') })
    const large = packOf(1, randomBytes(mostDirectBytes + 1))
    expect(await (await begin(large)).json()).toEqual({ offset: 0 })
    const sent = await putAborting(destination, large, 3)
    expect(await putCounting(destination, large)).toBe(large.sizeBytes - sent)
    expect(events.filter(({ event }) => event === 'upload.received').length).toBeGreaterThan(0)
    expect(await written.list('laptop-1')).toEqual([large.name])
  })

  test('whose answer was lost are committed by whoever asks next, and not sent again', async () => {
    const { url, urlFor, credentialOf, written } = await place()
    const first = packOf(1, randomBytes(5000))
    const second = packOf(2, randomBytes(5000), 'laptop-1', first)
    const uploads = new Map<string, string>()
    const destination = directAt({ url, credential: await credentialOf('laptop-1'), uploads })
    await put(await urlFor(first), first.bytes)
    expect(await putCounting(destination, first)).toBe(0)
    await putAborting(destination, second, 0)
    await put(await urlFor(second), second.bytes)
    expect(await destination.abandon(second.name)).toBe(true)
    expect(await written.list('laptop-1')).toEqual([first.name, second.name])
  })

  test('of a service whose config says so, with nothing but a token at hand', async () => {
    const { url, collector, events, written } = await place()
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'captures'))
    await writeFile(join(folder, 'captures/a.log'), 'what was captured\n')
    await writeFile(join(folder, 'token'), await collector.accounts.makeToken({ uses: 1, expiresAt: Date.now() + 60_000 }), { mode: 0o600 })
    await writeFile(join(folder, 'sluice.yaml'), `
device: laptop-1
state: ./state
destination: ${url}
enrolment: { tokenFile: ./token }
connection: { direct: yes }
streams: [{ name: log, path: ./captures, purpose: tests, files: append }]
conditions: { power: mains, network: free }
timeZone: UTC
`)
    const { code, stderr } = await sluice('run', '--once', '--config', join(folder, 'sluice.yaml'))
    expect(code, stderr).toBe(0)
    expect((await written.list('laptop-1')).map(({ seq }) => seq)).toEqual([1])
    const told = events.map(({ event }) => event)
    expect(told).toEqual(expect.arrayContaining(['upload.created', 'pack.accepted']))
    expect(told).not.toContain('upload.received')
  })

  test('leave the signature in no event and no error, whatever goes wrong', async () => {
    const { url, urlFor, credentialOf, events, commit, collector } = await place()
    const pack = packOf(1, randomBytes(70_000))
    const signed = new URL(await urlFor(pack))
    const broken = { ...pack, read: async () => { throw new Error('spool is gone') } }
    const errors: unknown[] = []
    const destination = directAt({ url, credential: await credentialOf('laptop-1') })
    await destination.put(broken).catch((error: unknown) => { errors.push(error) })
    await destination.put(pack, { meter: { charge: () => false, correct: () => true } }).catch((error: unknown) => { errors.push(error) })
    await commit(pack)
    await collector.stop()
    await destination.put(pack).catch((error: unknown) => { errors.push(error) })
    expect(errors).toHaveLength(3)
    for (const secret of ['X-Amz-', signed.searchParams.get('X-Amz-Signature') ?? 'X-Amz-']) {
      expect(inspect([events, errors], { depth: 20, showHidden: true })).not.toContain(secret)
    }
  })
})
