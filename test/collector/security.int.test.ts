import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { uploadId } from '../../src/collector/upload-id.ts'
import { chainOf, packOf } from '../transfer/packs.ts'
import { creation, metadataText, refusalIn, startBench, type Bench } from './bench.ts'

describe('a device', () => {
  test('cannot create, look at, write, delete or ask for anything of another', async () => {
    const bench = await startBench()
    const theirs = packOf(1, randomBytes(1000), 'victim')
    expect((await bench.send(theirs, { to: 500 })).status).toBe(204)
    const forbidden = { status: 403, code: 'forbidden' }
    const as = { device: 'thief' }
    const path = `uploads/${uploadId(theirs.name)}`
    const patch = { ...as, method: 'PATCH', body: 'x', headers: { 'content-type': 'application/offset+octet-stream', 'upload-offset': '500' } }
    expect(await refusalIn(await bench.ask('', { ...as, ...creation(theirs) }))).toEqual(forbidden)
    expect((await bench.ask(path, { ...as, method: 'HEAD' })).status).toBe(403)
    expect(await refusalIn(await bench.ask(path, patch))).toEqual(forbidden)
    expect(await refusalIn(await bench.ask(path, { ...as, method: 'DELETE' }))).toEqual(forbidden)
    expect(await refusalIn(await bench.ask('logs/victim/head', as))).toEqual(forbidden)
    // What is not there looks the same as what is.
    const missing = uploadId(packOf(1, randomBytes(10), 'nobody').name)
    expect((await bench.ask(`uploads/${missing}`, { ...as, method: 'HEAD' })).status).toBe(403)
    expect((await bench.send(theirs, { from: 500, create: false })).status).toBe(204)
    expect(await bench.list('victim')).toEqual([theirs.name])
  })

  test('can neither read, list, overwrite nor delete a pack that is complete', async () => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(1000))
    await bench.send(pack)
    const path = `uploads/${uploadId(pack.name)}`
    for (const address of [path, 'uploads', 'uploads/', '', 'logs/laptop-1', 'logs/laptop-1/', 'laptop-1', '.collector']) {
      expect(await refusalIn(await bench.ask(address)), address).toEqual({ status: 404, code: 'unknown-address' })
    }
    expect(await refusalIn(await bench.ask(path, { method: 'DELETE' }))).toEqual({ status: 403, code: 'forbidden' })
    const again = await bench.send(pack, { create: false })
    expect(await refusalIn(again)).toEqual({ status: 409, code: 'offset-conflict', head: { seq: 1, hash: pack.name.hash } })
    const created = await bench.ask('', creation(pack))
    expect([created.status, created.headers.get('upload-offset')]).toEqual([201, String(pack.sizeBytes)])
    expect(await readFile(join(bench.folder, 'laptop-1', `0000000001-${pack.name.hash}.pack`))).toEqual(pack.bytes)
  })

  test('cannot use a credential that is not its own, or none, or one cut short', async () => {
    const bench = await startBench()
    const own = await bench.enrol('laptop-1')
    const other = await bench.enrol('laptop-2')
    const pack = packOf(1, randomBytes(1000))
    const secretOf = (credential: string): string => credential.slice(-43)
    const wrong = [
      '', 'x', own.slice(0, -1), `${own}x`, own.replace('laptop-1', 'laptop-3'), `slc1.laptop-1.${secretOf(other)}`, own.replace('slc1', 'slc2'),
      `slc1.laptop-1.${'A'.repeat(43)}`, `slc1.${'x'.repeat(500)}.${secretOf(own)}`, `slc1.__proto__.${secretOf(own)}`, `slc1.../laptop-1.${secretOf(own)}`,
    ]
    for (const credential of wrong) {
      const refused = await bench.ask('', { ...creation(pack), credential })
      expect(await refusalIn(refused), credential).toEqual({ status: 401, code: 'credential-refused' })
    }
    expect((await bench.ask('', { ...creation(pack), credential: other })).status).toBe(403)
    expect((await bench.ask('', { ...creation(pack), headers: { ...creation(pack).headers, authorization: `Basic ${own}` } })).status).toBe(401)
    expect((await bench.ask('', { ...creation(pack), credential: own })).status).toBe(201)
  })

  test('that is revoked is refused within seconds, in mid-upload too, and goes on where it was once it is let in again', async () => {
    const bench = await startBench({ limits: { credentialMs: 50 } })
    const pack = packOf(1, randomBytes(500_000))
    await bench.ask('', creation(pack))
    let feed: ReadableStreamDefaultController<Uint8Array> | undefined
    const body = new ReadableStream<Uint8Array>({ start(controller) { feed = controller } })
    const old = await bench.enrol()
    const request: RequestInit & { readonly duplex: 'half' } = {
      method: 'PATCH', body, duplex: 'half',
      headers: {
        'authorization': `Bearer ${old}`, 'tus-resumable': '1.0.0', 'upload-offset': '0', 'content-type': 'application/offset+octet-stream',
      },
    }
    const answer = fetch(new URL(`uploads/${uploadId(pack.name)}`, bench.url), request)
    feed?.enqueue(pack.bytes.subarray(0, 300_000))
    const elsewhere = await bench.another()
    await elsewhere.accounts.revoke('laptop-1')
    expect(await refusalIn(await answer)).toEqual({ status: 401, code: 'credential-refused' })
    expect(await refusalIn(await bench.send(pack, { credential: old }))).toEqual({ status: 401, code: 'credential-refused' })
    await bench.enrol()
    const found = await bench.ask(`uploads/${uploadId(pack.name)}`, { method: 'HEAD' })
    expect(found.headers.get('upload-offset')).toBe('300000')
    expect((await bench.send(pack, { from: 300_000 })).status).toBe(204)
    expect(await bench.list('laptop-1')).toEqual([pack.name])
  })
})

describe('a log', () => {
  const refusedLog = async (bench: Bench): Promise<unknown> => {
    expect(bench.events.filter(({ event }) => event === 'pack.accepted')).toHaveLength(1)
    return await bench.list('laptop-1')
  }

  test.each([
    ['a seq that leaves a gap', 3, 'log-gap'],
    ['a seq far away', Number.MAX_SAFE_INTEGER, 'log-gap'],
    ['a seq that is taken', 1, 'log-forked'],
  ])('takes no pack with %s, and says where it ends', async (_, seq, code) => {
    const bench = await startBench()
    const first = packOf(1, randomBytes(1000))
    await bench.send(first)
    const head = { seq: 1, hash: first.name.hash }
    expect(await refusalIn(await bench.send(packOf(seq, randomBytes(500), 'laptop-1', first)))).toEqual({ status: 409, code, head })
    expect(await refusedLog(bench)).toEqual([first.name])
  })

  test('of nothing tells that it ends nowhere', async () => {
    const bench = await startBench()
    expect(await refusalIn(await bench.send(packOf(2, randomBytes(500))))).toEqual({ status: 409, code: 'log-gap', head: null })
    expect((await bench.ask('logs/laptop-1/head')).status).toBe(204)
  })

  test('takes no pack whose header says another seq, device or predecessor than its place', async () => {
    const bench = await startBench()
    const [first, second] = chainOf([randomBytes(1000), randomBytes(1000)]) as [ReturnType<typeof packOf>, ReturnType<typeof packOf>]
    await bench.send(first)
    const forgedSeq = { ...second, name: { ...packOf(9, randomBytes(900), 'laptop-1', first).name, seq: 2 } }
    const late = packOf(9, randomBytes(900), 'laptop-1', first)
    const seqInName = { ...late, name: { ...late.name, seq: 2 } }
    const stranger = packOf(2, randomBytes(900), 'laptop-9', first)
    const deviceInName = { ...stranger, name: { ...stranger.name, device: 'laptop-1' } }
    const orphan = packOf(2, randomBytes(900), 'laptop-1', packOf(1, randomBytes(5)))
    expect(await refusalIn(await bench.send(forgedSeq))).toEqual({ status: 460, code: 'hash-mismatch' })
    expect(await refusalIn(await bench.send(seqInName))).toEqual({ status: 422, code: 'header-mismatch' })
    expect(await refusalIn(await bench.send(deviceInName))).toEqual({ status: 422, code: 'header-mismatch' })
    expect(await refusalIn(await bench.send(orphan))).toMatchObject({ status: 409, code: 'log-forked' })
    expect(bench.events.filter(({ event }) => event === 'pack.refused')).toHaveLength(4)
    expect(await refusedLog(bench)).toEqual([first.name])
    expect(await readdir(join(bench.folder, '.collector/incoming/laptop-1'))).toEqual([])
    expect((await bench.send(second)).status).toBe(204)
  })

  test('takes no pack of which a byte is wrong, wherever it is, and the pack can begin anew', async () => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(200_000))
    for (const at of [0, 8, 40, 60, 120, 150, 1000, 199_999]) {
      const bytes = Buffer.from(pack.bytes)
      bytes[at] = (bytes[at] ?? 0) ^ 1
      expect(await refusalIn(await bench.send({ ...pack, bytes })), `byte ${at}`).toEqual({ status: 460, code: 'hash-mismatch' })
    }
    expect(await bench.list('laptop-1')).toEqual([])
    expect((await bench.send(pack)).status).toBe(204)
  })

  test('takes no pack that is longer or shorter than its header says', async () => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(10_000))
    const longer = { ...pack, bytes: Buffer.concat([pack.bytes, randomBytes(1)]), sizeBytes: pack.sizeBytes + 1 }
    const shorter = { ...pack, bytes: pack.bytes.subarray(0, 9000), sizeBytes: 9000 }
    for (const wrong of [longer, shorter]) expect(await refusalIn(await bench.send(wrong))).toEqual({ status: 460, code: 'hash-mismatch' })
    expect((await bench.send(pack)).status).toBe(204)
  })

  test('that a pack was sent to twice has it once', async () => {
    const bench = await startBench()
    const packs = chainOf([randomBytes(500), randomBytes(500), randomBytes(500)])
    for (const pack of packs) expect((await bench.send(pack)).status).toBe(204)
    const replayed = packs[0] as ReturnType<typeof packOf>
    expect(await refusalIn(await bench.send(replayed))).toMatchObject({ status: 409, code: 'log-forked', head: { seq: 3 } })
    expect(await bench.list('laptop-1')).toEqual(packs.map(({ name }) => name))
  })
})

describe('names in a request', () => {
  const pack = packOf(1, randomBytes(1000))
  test.each([
    ...['..', '../x', '/etc', 'a/b', 'a\\b', '.hidden', 'UPPER', 'a\0b', 'x'.repeat(65), 'ä', '\u202egnp', 'a b', '', '%2e%2e', 'con\n'].map((device) => ({ device })),
    ...['0', '-1', '1.5', '1e3', '01', ' 1', '9007199254740993', '99999999999999999999', '0x1', ''].map((seq) => ({ seq })),
    ...['', 'a', 'A'.repeat(64), 'g'.repeat(64), `${'a'.repeat(63)}/`, 'a'.repeat(65), '../'.repeat(21)].map((hash) => ({ hash })),
  ])('metadata %j is refused, and nothing is written', async (changed) => {
    const bench = await startBench()
    const before = await readdir(bench.folder, { recursive: true })
    await bench.enrol()
    const { code } = await refusalIn(await bench.ask('', creation(pack, changed)))
    expect(code).toBe('request-invalid')
    expect((await readdir(bench.folder, { recursive: true })).filter((path) => !path.startsWith('.collector/records'))).toEqual(
      before.filter((path) => !path.startsWith('.collector/records')))
  })

  test.each([
    'nonsense', 'device', 'device =', 'device bGFw,device bGFw', `device ${'A'.repeat(20)}!`, `${'x'.repeat(100)} `, ',', 'constructor bGFw', '__proto__ bGFw',
  ])('metadata %j that is none is refused', async (text) => {
    const bench = await startBench()
    const { code } = await refusalIn(await bench.ask('', { method: 'POST', headers: { 'upload-length': '1000', 'upload-metadata': text } }))
    expect(code).toBe('request-invalid')
  })

  test('metadata may hold more than is asked for, and it counts for nothing', async () => {
    const bench = await startBench()
    const { device, seq, hash } = pack.name
    const text = metadataText({ device, seq: String(seq), hash, filename: '../../etc/passwd', other: '' })
    expect((await bench.ask('', { method: 'POST', headers: { 'upload-length': '1000', 'upload-metadata': text } })).status).toBe(201)
  })

  test.each([
    '..', '%2e%2e', '..%2f..%2fetc%2fpasswd', '%00', 'x%00y', '%F0%9F%92%A9', 'a'.repeat(146), 'a'.repeat(5000), `laptop-1-0000000001-${'A'.repeat(64)}`,
    `laptop-1-1-${'a'.repeat(64)}`, `laptop-1-0000000000-${'a'.repeat(64)}`, `..-0000000001-${'a'.repeat(64)}`, '%', '%zz', '.collector', '*',
  ])('the upload %j is none', async (id) => {
    const bench = await startBench()
    for (const method of ['HEAD', 'PATCH', 'DELETE']) {
      const answer = await bench.ask(`uploads/${id}`, { method, headers: { 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' } })
      expect([400, 403, 404, 414], method).toContain(answer.status)
    }
  })

  test.each(['..', '%2e%2e', 'laptop-1%2f..%2fvictim', 'LAPTOP-1', 'laptop-1%00', 'x'.repeat(300)])('the log of %j is nobody’s', async (device) => {
    const bench = await startBench()
    expect([403, 404, 414]).toContain((await bench.ask(`logs/${device}/head`)).status)
  })
})

describe('a request', () => {
  test.each([
    ['no Upload-Length', {}, 400, 'request-invalid'],
    ['a length of 0', { 'upload-length': '0' }, 400, 'request-invalid'],
    ['a length of 95', { 'upload-length': '95' }, 400, 'request-invalid'],
    ['a negative length', { 'upload-length': '-1' }, 400, 'request-invalid'],
    ['a length that is none', { 'upload-length': '1e4' }, 400, 'request-invalid'],
    ['a length beyond what a pack may have', { 'upload-length': String((64 << 20) + 1) }, 413, 'pack-too-large'],
    ['an absurd length', { 'upload-length': '9007199254740991' }, 413, 'pack-too-large'],
    ['a length that is not told yet', { 'upload-defer-length': '1' }, 400, 'request-invalid'],
    ['a concatenation', { 'upload-length': '1000', 'upload-concat': 'partial' }, 400, 'request-invalid'],
    ['another version of tus', { 'upload-length': '1000', 'tus-resumable': '0.9.0' }, 400, 'request-invalid'],
    ['no version of tus', { 'upload-length': '1000', 'tus-resumable': '' }, 412, 'request-invalid'],
  ])('that creates with %s is refused', async (_, headers, status, code) => {
    const bench = await startBench()
    const { 'upload-metadata': metadata = '' } = creation(packOf(1, randomBytes(1000))).headers ?? {}
    expect(await refusalIn(await bench.ask('', { method: 'POST', headers: { 'upload-metadata': metadata, ...headers } }))).toEqual({ status, code })
  })

  test.each([
    ['at another offset', { 'upload-offset': '1' }, 409, 'offset-conflict'],
    ['without an offset', {}, 400, 'request-invalid'],
    ['at an offset that is none', { 'upload-offset': '-0' }, 400, 'request-invalid'],
    ['of another type', { 'upload-offset': '0', 'content-type': 'text/plain' }, 400, 'request-invalid'],
    ['without a type', { 'upload-offset': '0', 'content-type': '' }, 415, 'request-invalid'],
  ])('that writes %s is refused, and nothing is kept', async (_, headers, status, code) => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(1000))
    const path = `uploads/${uploadId(pack.name)}`
    await bench.ask('', creation(pack))
    const type = { 'content-type': 'application/offset+octet-stream' }
    expect(await refusalIn(await bench.ask(path, { method: 'PATCH', body: pack.bytes, headers: { ...type, ...headers } }))).toMatchObject({ status, code })
    expect((await bench.ask(path, { method: 'HEAD' })).headers.get('upload-offset')).toBe('0')
  })

  test('that brings more than it announced is refused, and the pack begins anew', async () => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(1000))
    await bench.ask('', creation(pack))
    const bytes = Buffer.concat([pack.bytes, randomBytes(10)])
    const more = { ...pack, bytes, sizeBytes: bytes.length }
    expect(await refusalIn(await bench.send(more, { create: false }))).toEqual({ status: 413, code: 'pack-too-large' })
    expect((await bench.send(pack)).status).toBe(204)
  })

  test('with a method that is not known here is refused', async () => {
    const bench = await startBench()
    for (const method of ['PUT', 'GET', 'PROPFIND', 'LOCK']) expect([404], method).toContain((await bench.ask('uploads/x', { method })).status)
    for (const method of ['PUT', 'DELETE', 'PATCH']) expect((await bench.ask('', { method, headers: { 'content-type': 'application/json' }, body: '{}' })).status).toBe(404)
    expect((await bench.ask('enrol', { headers: { 'x-http-method-override': 'POST' } })).status).toBe(404)
  })
})
