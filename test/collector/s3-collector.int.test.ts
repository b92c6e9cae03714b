import { writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkCollectorConfig } from '../../config/collector-options.ts'
import { isDeviceName } from '../../src/pack/header.ts'
import { sliceBytes } from '../../src/transfer/destination.ts'
import { openLink, type Link } from '../../src/transfer/link/link.ts'
import { json, root, runProcess } from '../cli/run.ts'
import { environment } from '../config/sample.ts'
import { describePutting } from '../suites/destination-put.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { noCeph, startCeph, type Ceph } from '../transfer/ceph.ts'
import { contentOf, packOf, putAborting, putCounting, type TestPack } from '../transfer/packs.ts'
import { tusAt } from '../transfer/tus-bench.ts'
import { perDevice } from './per-device.ts'
import { running, s3Place } from './s3-bench.ts'
import { s3Programs } from './s3-program.ts'

describe.skipIf(noCeph)(`a collector on a bucket${noCeph ? ` (${noCeph})` : ''}`, { timeout: 120_000 }, () => {
  let ceph: Ceph
  beforeAll(async () => { ceph = await startCeph() }, 240_000)
  afterAll(() => ceph[Symbol.asyncDispose]())

  describePutting('a collector on Ceph', async () => {
    const { store, written } = await s3Place(ceph)
    const { url, credentialOf, collector } = await running(store)
    const uploads = new Map<string, string>()
    const links: Link[] = []
    const reopen = () => perDevice(url, async (device) => {
      const link = openLink({ clock: () => performance.now(), rate: { yields: false } })
      links.push(link)
      const credential = await credentialOf(isDeviceName(device) ? device : 'laptop-1')
      return tusAt({ url, link, uploads, credential: () => credential })
    })
    return {
      destination: reopen(),
      reopen,
      list: (device) => written.list(device),
      content: (name) => contentOf(written, name),
      async remove() {
        for (const link of links) await link[Symbol.asyncDispose]()
        await collector.stop()
      },
    }
  })

  test('goes on with what another one on the bucket has begun, at its byte, again and again', async () => {
    const { start, credential, written, leftovers } = await s3Programs(ceph)
    const programs = [await start(), await start()]
    let last: TestPack | undefined
    for (let seq = 1; seq <= 3; seq++) {
      const pack = packOf(seq, randomBytes(20 * sliceBytes + 7), 'laptop-1', last)
      let sent = 0
      for (let at = 0; at < 4; at++) sent += await putAborting(tusAt({ url: programs[(seq + at) % 2]?.url ?? '', credential: () => credential }), pack, 3)
      sent += await putCounting(tusAt({ url: programs[seq % 2]?.url ?? '', credential: () => credential }), pack)
      expect(sent).toBe(pack.sizeBytes)
      expect((await contentOf(written, pack.name)).equals(pack.bytes)).toBe(true)
      last = pack
    }
    expect((await written.list('laptop-1')).map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(await leftovers()).toEqual([])
    for (const program of programs) expect([await program.end('SIGTERM'), program.stderr()]).toEqual([0, ''])
  })

  test('lists its devices, lets them in and refuses them by commands on its config', async () => {
    const { config } = await s3Programs(ceph)
    const sluice = (...parameters: string[]) => runProcess(process.execPath, [join(root, 'cli/launch.mjs'), 'collector', ...parameters, '--config', config])
    expect((await sluice('token', '--device', 'laptop-9')).stdout.trim().length).toBeGreaterThan(20)
    expect(json(await sluice('devices', '--json'))).toMatchObject({ devices: [{ device: 'laptop-1', headSeq: 0 }] })
    expect((await sluice('devices', 'revoke', 'laptop-1')).code).toBe(0)
    expect((await sluice('devices')).stdout).toMatch(/laptop-1 .* revoked/)
  })

  test('that is not there ends in words, with no key in them', async () => {
    const config = join(await temporaryFolder(), 'collector.yaml')
    await writeFile(config, `store: s3://no-such-bucket?endpoint=${ceph.endpoint}\ns3: { credentialProcess: "echo no keys" }\n`)
    const { code, stderr } = await runProcess(process.execPath, [join(root, 'cli/launch.mjs'), 'collector', '--config', config])
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/^sluice: There are no keys for the store/)
  })
})

describe('the config of a collector on a bucket', () => {
  const read = (text: string) => checkCollectorConfig(text, '/etc/sluice/collector.yaml', environment)

  test('has the address in canonical form, and keys where a device has them', () => {
    const s3 = { endpoint: 'https://store.example.com', region: 'eu-central-1', credentialsFile: '/etc/sluice/keys' }
    const text = 'store: s3://packs/all/\ndirect: yes\ns3: { endpoint: "https://store.example.com/", region: eu-central-1, credentialsFile: keys }'
    expect(read(text)).toMatchObject({ store: 's3://packs/all', direct: true, s3 })
    expect(read('folder: x')).toMatchObject({ direct: false, s3: {} })
  })

  test.each([
    ['listen: 127.0.0.1:80', ['folder']],
    ['folder: x\nstore: s3://packs', ['folder']],
    ['store: https://packs', ['store']],
    ['store: s3://packs?key=x', ['store']],
    ['folder: x\ndirect: yes', ['direct']],
    ['store: s3://packs\ns3: { partSize: 5 MiB }', ['s3.partSize']],
  ])('%j is refused at %j', (text, keys) => {
    const result = read(text)
    expect('problems' in result && result.problems.map((problem) => problem.key)).toEqual(keys)
  })
})
