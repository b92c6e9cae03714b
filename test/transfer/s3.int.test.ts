import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { openLink, type Link } from '../../src/transfer/link/link.ts'
import { sliceBytes } from '../../src/transfer/destination.ts'
import { leastPartBytes } from '../../src/transfer/s3/wire-bytes.ts'
import { makePlace, sluice } from '../service/harness.ts'
import { describeDestination } from '../suites/destination.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { cephKeys, noCeph, startCeph, type Ceph } from './ceph.ts'
import { contentOf, packOf, putAborting, putCounting } from './packs.ts'
import { keptInParts, s3At, type S3Bench } from './s3-bench.ts'
import { plainLink } from './tus-bench.ts'

const metered = (): Link => openLink({ clock: () => performance.now(), rate: { yields: false } })

describe.skipIf(noCeph)(`Ceph${noCeph ? ` ${noCeph}` : ''}`, () => {
  let ceph: Ceph
  beforeAll(async () => { ceph = await startCeph() }, 240_000)
  afterAll(async () => { await ceph[Symbol.asyncDispose]() })

  describe.each([['a plain link', plainLink, ''], ['a metered link', metered, '/some/prefix']])('over %s', (_, linkTo, prefix) => {
    describeDestination('a bucket', async () => {
      const address = `s3://${await ceph.bucket()}${prefix}?endpoint=${ceph.endpoint}`
      const uploads = new Map<string, string>()
      const links: Link[] = []
      const reopen = () => {
        const link = linkTo()
        links.push(link)
        return s3At({ address, link, uploads })
      }
      return {
        destination: reopen(),
        reopen,
        kept: keptInParts(leastPartBytes),
        async remove() {
          for (const link of links) await link[Symbol.asyncDispose]()
        },
      }
    })
  })

  /** A bucket for one test, destinations at it, and what it holds. */
  async function bucket() {
    const name = await ceph.bucket()
    const address = `s3://${name}/a%20+b/ü?endpoint=${ceph.endpoint}`
    return {
      name, address,
      at: (bench: Partial<S3Bench> = {}) => s3At({ address, ...bench }),
      unfinished: async () => (await ceph.request('GET', `/${name}?uploads`)).split('<Upload>').length - 1,
    }
  }

  const large = 12 << 20
  const slicesOfPart = leastPartBytes / sliceBytes

  test('a large pack that is cut in the middle of its parts goes on at the part, also after a restart', async () => {
    const { at, unfinished } = await bucket()
    const uploads = new Map<string, string>()
    const pack = packOf(1, randomBytes(large))
    const kept = keptInParts(leastPartBytes)
    let there = 0
    for (const slices of [1, slicesOfPart - 1, slicesOfPart + 7, slicesOfPart, 3]) {
      there = kept(there + await putAborting(at({ uploads }), pack, slices))
    }
    expect(there).toBe(2 * leastPartBytes)
    expect(await putCounting(at({ uploads }), pack)).toBe(large - there)
    const destination = at()
    expect((await contentOf(destination, pack.name)).equals(pack.bytes)).toBe(true)
    expect(await putCounting(destination, pack)).toBe(0)
    expect(await unfinished()).toBe(0)
  })

  test('cuts anywhere cost a part each at most, whether or not the memory of the upload is kept', async () => {
    const { at, unfinished } = await bucket()
    let seq = 0
    const cut = fc.record({ slices: fc.integer({ min: 1, max: large / sliceBytes }), forgets: fc.boolean() })
    await fc.assert(fc.asyncProperty(fc.array(cut, { minLength: 1, maxLength: 3 }), async (cuts) => {
      const pack = packOf(++seq, randomBytes(large))
      let uploads = new Map<string, string>()
      let there = 0
      for (const { slices, forgets } of cuts) {
        const left = Math.ceil((large - there) / sliceBytes) - 1
        const sent = await putAborting(at({ uploads }), pack, Math.min(slices, left))
        there = Math.floor((there + sent) / leastPartBytes) * leastPartBytes
        if (forgets) uploads = new Map()
      }
      expect(await putCounting(at({ uploads }), pack)).toBe(large - there)
      expect((await contentOf(at(), pack.name)).equals(pack.bytes)).toBe(true)
    }), { numRuns: 6 })
    expect(await unfinished()).toBe(0)
  })

  test('what earlier lives left is ended at the first put, and only what is this device’s', async () => {
    const { at, unfinished } = await bucket()
    await putAborting(at(), packOf(1, randomBytes(large)), 3)
    await putAborting(at(), packOf(1, randomBytes(large), 'laptop-10'), 3)
    expect(await unfinished()).toBe(2)
    await at().put(packOf(1, randomBytes(10)))
    expect(await unfinished()).toBe(1)
  })

  test('a large pack that is given up leaves no parts, and one that is there stays', async () => {
    const { at, unfinished } = await bucket()
    for (const uploads of [new Map<string, string>(), undefined]) {
      const pack = packOf(1, randomBytes(large))
      await putAborting(at(uploads && { uploads }), pack, slicesOfPart + 3)
      expect(await at(uploads && { uploads }).abandon(pack.name)).toBe(false)
      expect(await unfinished()).toBe(0)
    }
    const pack = packOf(1, randomBytes(large))
    await at().put(pack)
    expect(await at().abandon(pack.name)).toBe(true)
  })

  test('a large pack that several send at once is there once and right', async () => {
    const { at, unfinished } = await bucket()
    const pack = packOf(1, randomBytes(large))
    const results = await Promise.allSettled([at(), at(), at()].map((destination) => destination.put(pack)))
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ transient: true })
    await at().put(pack)
    expect((await contentOf(at(), pack.name)).equals(pack.bytes)).toBe(true)
    expect(await at().list('laptop-1')).toEqual([pack.name])
    await at().put(packOf(2, randomBytes(9)))
    expect(await unfinished()).toBe(0)
  })

  test('wrong keys, a wrong clock and a bucket that is not there are told apart', async () => {
    const { at } = await bucket()
    const pack = packOf(1, randomBytes(10))
    const refusal = { code: 'credential-refused', transient: false }
    await expect(at({ keys: { ...cephKeys, secretAccessKey: 'x' } }).put(pack)).rejects.toMatchObject(refusal)
    await expect(at({ keys: { ...cephKeys, accessKeyId: 'x' } }).head('laptop-1')).rejects.toMatchObject(refusal)
    await expect(at({ now: () => Date.now() - 3 * 3600_000 }).put(pack)).rejects.toMatchObject({ code: 'clock-wrong', message: /3 h behind/ })
    await expect(at({ address: `s3://not-there?endpoint=${ceph.endpoint}` }).put(pack)).rejects.toMatchObject({ code: 'destination-missing' })
  })

  test('what the service sends is verified and rebuilt to the byte', async () => {
    const { address } = await bucket()
    const keys = join(await temporaryFolder(), 'keys')
    writeFileSync(keys, `[default]\naws_access_key_id = ${cephKeys.accessKeyId}\naws_secret_access_key = ${cephKeys.secretAccessKey}\n`)
    const place = await makePlace({ more: `s3: { credentialsFile: ${keys} }` })
    const config = readFileSync(place.configFile, 'utf8').replace(/destination: .*/, `destination: ${address}`).replace('size: 64 KiB', 'size: 16 MiB')
    writeFileSync(place.configFile, config)
    vi.stubEnv('SLUICE_CONFIG', place.configFile)
    onTestFinished(() => { vi.unstubAllEnvs() })
    writeFileSync(join(place.shots, 'large'), randomBytes(large))
    for (const line of ['one\n', 'two\n']) {
      writeFileSync(join(place.log, 'notes'), line, { flag: 'a' })
      writeFileSync(join(place.shots, line.trim()), randomBytes(100_000))
      expect(await sluice('run', '--once')).toMatchObject({ code: 0, stderr: '' })
    }
    const verified = await sluice('verify', address, '--json')
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(verified.stdout)).toMatchObject({ devices: [{ device: 'laptop-1', problems: [] }] })
    const out = join(place.folder, 'out')
    expect(await sluice('pull', address, out)).toMatchObject({ code: 0 })
    for (const [stream, folder] of [['log', place.log], ['shots', place.shots]] as const) {
      expect(readdirSync(join(out, stream)).sort()).toEqual(readdirSync(folder).sort())
      for (const name of readdirSync(folder)) {
        expect(readFileSync(join(out, stream, name)).equals(readFileSync(join(folder, name))), name).toBe(true)
      }
    }
    const shown = await sluice('config', 'show')
    expect(shown.stdout).toContain(keys)
    expect(shown.stdout).not.toContain(cephKeys.secretAccessKey)
  }, 240_000)
})
