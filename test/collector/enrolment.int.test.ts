import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { Accounts } from '../../src/collector/accounts.ts'
import type { Records } from '../../src/collector/store.ts'
import { isSecretOf, hashOf, parseAuthorization } from '../../src/collector/secrets.ts'
import { parseUploadId, uploadId } from '../../src/collector/upload-id.ts'
import { packOf } from '../transfer/packs.ts'
import { refusalIn, startBench, type Bench } from './bench.ts'

const hour = 3600_000

async function enrol(bench: Bench, device: string, token: string, url = bench.url): Promise<Response> {
  return await fetch(new URL('enrol', url), {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ device, token }),
  })
}

async function credentialIn(answer: Response): Promise<string> {
  expect(answer.status).toBe(201)
  expect(answer.headers.get('cache-control')).toBe('no-store')
  return (await answer.json() as { readonly credential: string }).credential
}

describe('a token', () => {
  test('is swapped for a credential, once', async () => {
    const bench = await startBench()
    const token = await bench.collector.accounts.makeToken({ uses: 1, expiresAt: Date.now() + hour })
    const credential = await credentialIn(await enrol(bench, 'laptop-17', token))
    expect(credential).toMatch(/^slc1\.laptop-17\.[\w-]{43}$/)
    expect((await bench.ask('logs/laptop-17/head', { credential })).status).toBe(204)
    expect(await refusalIn(await enrol(bench, 'laptop-18', token))).toEqual({ status: 403, code: 'token-refused' })
    expect(await refusalIn(await enrol(bench, 'laptop-17', token))).toEqual({ status: 403, code: 'token-refused' })
    expect(bench.events.filter(({ event }) => event === 'enrolment.refused')).toHaveLength(2)
  })

  test('for five is used by five of twenty who come at once, at two collectors', async () => {
    const bench = await startBench()
    const other = await bench.another()
    const token = await bench.collector.accounts.makeToken({ uses: 5, expiresAt: Date.now() + hour })
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => enrol(bench, `laptop-${at}`, token, at % 2 ? bench.url : other.url)))
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array<number>(5).fill(201), ...Array<number>(15).fill(403)])
    expect(await other.accounts.devices()).toHaveLength(5)
  })

  test('that has expired, is unknown, or for another device is refused', async () => {
    let now = Date.now()
    const bench = await startBench({ now: () => now })
    const { accounts } = bench.collector
    const token = await accounts.makeToken({ uses: 1, expiresAt: now + hour })
    const named = await accounts.makeToken({ device: 'laptop-1', uses: 1, expiresAt: now + 9 * hour })
    now += hour
    const refused = { status: 403, code: 'token-refused' }
    for (const [device, text] of [['laptop-1', token], ['laptop-2', named], ['laptop-1', `slt1.${'A'.repeat(43)}`], ['laptop-1', '../../x'], ['laptop-1', '']] as const) {
      expect(await refusalIn(await enrol(bench, device, text)), text).toEqual(refused)
    }
    expect((await enrol(bench, 'laptop-1', named)).status).toBe(201)
  })

  test('that has expired is gone after the next sweep', async () => {
    let now = Date.now()
    const bench = await startBench({ now: () => now })
    await bench.collector.accounts.makeToken({ uses: 1, expiresAt: now + hour })
    const kept = await bench.collector.accounts.makeToken({ uses: 1, expiresAt: now + 9 * hour })
    now += 2 * hour
    await bench.another()
    const files = (await readdir(join(bench.folder, '.collector/records'), { recursive: true })).filter((name) => name.endsWith('token.json'))
    expect(files).toEqual([`tokens/${hashOf(kept)}/token.json`])
  })
})

describe('a device that is known', () => {
  test('enrols again only with a token made for it by name, and its old credential ends', async () => {
    const bench = await startBench()
    const { accounts } = bench.collector
    const old = await bench.enrol('laptop-1')
    const anybody = await accounts.makeToken({ uses: 10, expiresAt: Date.now() + hour })
    expect(await refusalIn(await enrol(bench, 'laptop-1', anybody))).toEqual({ status: 409, code: 'device-known' })
    const named = await accounts.makeToken({ device: 'laptop-1', uses: 1, expiresAt: Date.now() + hour })
    const credential = await credentialIn(await enrol(bench, 'laptop-1', named))
    expect((await bench.ask('logs/laptop-1/head', { credential: old })).status).toBe(401)
    expect((await bench.ask('logs/laptop-1/head', { credential })).status).toBe(204)
  })

  test('enrolled at two collectors at once with one token for many is let in at one', async () => {
    const bench = await startBench()
    const other = await bench.another()
    const token = await bench.collector.accounts.makeToken({ uses: 10, expiresAt: Date.now() + hour })
    const answers = await Promise.all([bench.url, other.url, bench.url, other.url].map((url) => enrol(bench, 'laptop-1', token, url)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409])
  })

  test('and revoked stays out until a token is made for it', async () => {
    const bench = await startBench({ limits: { credentialMs: 0 } })
    const { accounts } = bench.collector
    const old = await bench.enrol('laptop-1')
    expect(await accounts.revoke('laptop-1')).toBe(true)
    expect(await accounts.revoke('laptop-2')).toBe(false)
    expect(await refusalIn(await bench.ask('logs/laptop-1/head', { credential: old }))).toEqual({ status: 401, code: 'credential-refused' })
    const anybody = await accounts.makeToken({ uses: 1, expiresAt: Date.now() + hour })
    expect((await enrol(bench, 'laptop-1', anybody)).status).toBe(409)
    const named = await accounts.makeToken({ device: 'laptop-1', uses: 1, expiresAt: Date.now() + hour })
    expect((await enrol(bench, 'laptop-1', named)).status).toBe(201)
    expect((await accounts.devices()).map(({ device, revokedAt }) => [device, revokedAt])).toEqual([['laptop-1', undefined]])
  })
})

test('neither tokens nor credentials nor what comes with a request are in any event, or on disk', async () => {
  const bench = await startBench()
  const token = await bench.collector.accounts.makeToken({ uses: 1, expiresAt: Date.now() + hour })
  const credential = await credentialIn(await enrol(bench, 'laptop-1', token))
  const wrong = `slc1.laptop-1.${randomBytes(32).toString('base64url')}`
  await bench.ask(`logs/laptop-1/head?secret=in-a-query&token=${token}`, { credential })
  await bench.ask('logs/laptop-1/head', { credential: wrong })
  await bench.ask(`nothing/${token}?${token}`, { credential })
  await bench.ask(`uploads/${token}`, { credential, method: 'DELETE' })
  await bench.ask('', { credential, method: 'POST', headers: { 'upload-length': '1', 'upload-metadata': `device ${Buffer.from(token).toString('base64')}` } })
  await enrol(bench, 'laptop-1', token)
  await enrol(bench, token.toLowerCase().slice(0, 40).replaceAll('_', '-'), 'x')
  await bench.send(packOf(1, randomBytes(500)), { credential })
  await bench.collector.stop()
  let told = JSON.stringify(bench.events)
  for (const name of await readdir(join(bench.folder, '.collector/records'), { recursive: true })) {
    const path = join(bench.folder, '.collector/records', name)
    told += name + ((await stat(path)).isFile() ? await readFile(path, 'utf8') : '')
  }
  for (const secret of [token, credential, wrong, 'in-a-query', 'Bearer', token.slice(5, 25), credential.slice(-20)]) expect(told).not.toContain(secret)
  expect(bench.events.length).toBeGreaterThan(8)
})

test('what is not one’s secret is never taken for it', () => {
  fc.assert(fc.property(fc.string(), fc.string(), (one, other) => {
    expect(isSecretOf(one, hashOf(one))).toBe(true)
    expect(isSecretOf(other, hashOf(one))).toBe(one === other)
    expect(isSecretOf(one, other)).toBe(false)
  }))
})

test('an Authorization header is read in one form only', () => {
  fc.assert(fc.property(fc.string(), (text) => { expect(parseAuthorization(text)).toBeUndefined() }))
  const secret = 'a'.repeat(43)
  expect(parseAuthorization(`Bearer slc1.a.b-c_d.${secret}`)).toEqual({ device: 'a.b-c_d', text: `slc1.a.b-c_d.${secret}` })
})

test('an id names one pack and no other text does', () => {
  const names = fc.record({
    device: fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,63}$/), seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), hash: fc.stringMatching(/^[0-9a-f]{64}$/),
  })
  fc.assert(fc.property(names, (name) => { expect(parseUploadId(uploadId(name))).toEqual(name) }))
  fc.assert(fc.property(names, fc.nat(), fc.stringMatching(/^[0-9a-z./-]$/), (name, at, letter) => {
    const id = uploadId(name)
    const changed = id.slice(0, at % id.length) + letter + id.slice(at % id.length + 1)
    const parsed = parseUploadId(changed)
    if (parsed) expect(uploadId(parsed)).toBe(changed)
  }))
})

test('who sends nonsense does not fill the log: refusals beyond so many a minute are counted', async () => {
  let now = 0
  const { quieter } = await import('../../src/collector/quieter.ts')
  const emit = vi.fn()
  const told = quieter(emit, () => now)
  for (let count = 0; count < 1000; count++) told({ event: 'request.refused', code: 'unknown-address', address: '::1' })
  told({ event: 'pack.accepted', device: 'a', seq: 1, packBytes: 1 })
  expect(emit).toHaveBeenCalledTimes(301)
  now += 60_000
  told({ event: 'pack.accepted', device: 'a', seq: 2, packBytes: 1 })
  expect(emit).toHaveBeenCalledWith({ event: 'refusals.omitted', count: 700 })
})

describe('a damaged record', () => {
  test('stops neither the list, nor the sweep, nor the metrics, and is told once without its content', async () => {
    let now = Date.now()
    const bench = await startBench({ now: () => now, metrics: { listen: { host: '127.0.0.1', port: 0 } } })
    const { accounts, metricsUrl = '' } = bench.collector
    const credential = await bench.enrol('laptop-1')
    await bench.enrol('laptop-2')
    const records = join(bench.folder, '.collector/records')
    for (const text of ['', '{"device":"laptop-1","private', 'null', '{}']) await writeFile(join(records, 'devices/laptop-1.json'), text)
    const kept = await accounts.makeToken({ uses: 1, expiresAt: now + hour })
    await writeFile(join(records, `tokens/${hashOf(kept)}/token.json`), '{"private')
    const expired = await accounts.makeToken({ uses: 1, expiresAt: now + 1 })
    now += hour
    for (let round = 0; round < 2; round++) {
      expect((await accounts.devices()).map(({ device }) => device)).toEqual(['laptop-2'])
      await accounts.sweep()
    }
    expect(await readdir(join(records, 'tokens', hashOf(expired))).catch(() => [])).toEqual([])
    expect(await (await fetch(metricsUrl)).text()).toContain('sluice_collector_devices 1')
    const told = bench.events.flatMap((event) => event.event === 'collector.failed' ? [event.message] : [])
    expect(told).toHaveLength(2)
    expect(told.join()).toContain('devices/laptop-1.json')
    expect(told.join()).not.toContain('private')
    expect(await refusalIn(await bench.ask('logs/laptop-1/head', { credential }))).toEqual({ status: 503, code: 'store-unreachable' })
    // A token made for it by name mends it.
    const named = await accounts.makeToken({ device: 'laptop-1', uses: 1, expiresAt: now + hour })
    expect((await enrol(bench, 'laptop-1', named)).status).toBe(201)
    expect((await accounts.devices()).map(({ device }) => device)).toEqual(['laptop-1', 'laptop-2'])
  })
})

test('when a device was last seen is noted again after a note that failed', async () => {
  const texts = new Map<string, string>()
  let isFull = true
  const records: Records = {
    read: (key) => Promise.resolve(texts.get(key)), create: () => Promise.resolve(true), remove: () => Promise.resolve(), list: () => Promise.resolve([]),
    replace: (key, text) => isFull ? Promise.reject(new Error('full')) : Promise.resolve(void texts.set(key, text)),
  }
  const accounts = new Accounts(records, () => 1_000_000, 0)
  await expect(accounts.note('laptop-1')).rejects.toThrow('full')
  isFull = false
  await accounts.note('laptop-1')
  expect([...texts.values()]).toEqual(['1000000'])
})
