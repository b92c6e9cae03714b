/**
 * Claim: whatever a store answers, or something in its place, becomes one error that says what happened, whether waiting
 * helps, and no secret; a pack counts as there only when it is there whole; and once it is over the pack arrives.
 *
 * Method: a store in memory whose answers to chosen requests are replaced: refusals of Amazon and others, answers that
 * are cut, hostile, or no store's, conditions that it does not know, entity tags that are no MD5, an upload that vanishes.
 *
 * Not modelled: whether signatures are right (Ceph checks them, in s3.int.test.ts), loss and delay on the wire.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { Agent } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SluiceError } from '../../src/observe/error.ts'
import { packFileName, sliceBytes, type OutgoingPack } from '../../src/transfer/destination.ts'
import { contentOf, packOf, putAborting, putCounting } from './packs.ts'
import { s3At, type S3Bench } from './s3-bench.ts'
import { refuse, startStore, xml, type StoreOptions, type StoreRequest } from './s3-store.ts'
import { patient, plainLink } from './tus-bench.ts'

const now = Date.parse('2026-11-23T12:00:00Z')
const partBytes = 4 * sliceBytes

async function serve(options: StoreOptions = {}, bucket = 'packs/some/where') {
  const store = await startStore(options)
  onTestFinished(() => store[Symbol.asyncDispose]())
  const address = `s3://${bucket}?endpoint=${store.endpoint}`
  const at = (bench: Partial<S3Bench> = {}) => s3At({ address, now: () => now, partBytes, ...bench })
  return { store, at }
}

const keyOf = (pack: OutgoingPack): string => `some/where/${pack.name.device}/${packFileName(pack.name)}`

/** The error of some work, which shows no secret. */
async function errorOf(work: Promise<unknown>): Promise<SluiceError> {
  const error: unknown = await work.then(() => undefined, (thrown: unknown) => thrown)
  if (!(error instanceof SluiceError)) throw new Error('no SluiceError', { cause: error })
  expect(`${error.message} ${JSON.stringify(error.data)}`).not.toMatch(/hidden|TESTKEY|TESTSECRET|Signature=/i)
  expect(error.message).toMatch(/[.?]$/)
  return error
}

type Reply = (response: ServerResponse, request: StoreRequest) => void

/** Answers requests of a kind as told, as long as `on` says so. */
function faking(isMeant: (request: StoreRequest) => boolean, reply: Reply) {
  const state = { on: true, count: 0 }
  const intercept = (request: StoreRequest, response: ServerResponse) => {
    if (!state.on || !isMeant(request)) return false
    state.count++
    reply(response, request)
    return true
  }
  return { state, intercept }
}

const isPut = ({ method, query }: StoreRequest) => method === 'PUT' && !query.has('partNumber')
const isPart = ({ query }: StoreRequest) => query.has('partNumber')
const isComplete = ({ method, query }: StoreRequest) => method === 'POST' && query.has('uploadId')
const isList = ({ method, key, query }: StoreRequest) => method === 'GET' && key === '' && !query.has('uploads')

const says = (status: number, code: string, more = '', headers: Record<string, string> = {}): Reply =>
  (response) => { refuse(response, status, code, more, headers) }
const plain = (status: number, headers: Record<string, string> = {}, body = ''): Reply =>
  (response) => { response.removeHeader('x-amz-request-id'); response.writeHead(status, headers).end(body) }
const html = { 'content-type': 'text/html' }

const answers: readonly (readonly [what: string, reply: Reply, error: object, words: RegExp])[] = [
  ['a clock that is ahead', says(403, 'RequestTimeTooSkewed', '', { date: 'Mon, 23 Nov 2026 09:00:00 GMT' }), { code: 'clock-wrong' }, /3 h ahead/],
  ['a clock that is behind', says(403, 'RequestTimeTooSkewed', '', { date: 'Mon, 23 Nov 2026 12:30:00 GMT' }), { code: 'clock-wrong' }, /30 min behind/],
  ['no such bucket', says(404, 'NoSuchBucket'), { code: 'destination-missing', transient: false }, /no such bucket/],
  ['no access', says(403, 'AccessDenied'), { code: 'destination-forbidden', transient: false }, /not allowed/],
  ['an unknown key', says(403, 'InvalidAccessKeyId'), { code: 'credential-refused', transient: false }, /access key/],
  ['a wrong secret', says(403, 'SignatureDoesNotMatch', `<StringToSign>${'x'.repeat(9000)}</StringToSign>`), { code: 'credential-refused' }, /secret|access key/],
  ['an expired token', says(400, 'ExpiredToken'), { code: 'credential-refused', transient: true }, /expired/],
  ['a request to slow down', says(503, 'SlowDown', '', { 'retry-after': '7' }), { code: 'destination-busy', transient: true, data: { status: 503, s3Code: 'SlowDown', retryAfterMs: 7000 } }, /less often/],
  ['trouble', says(500, 'InternalError'), { code: 'destination-failing', transient: true }, /trouble/],
  ['trouble of a gateway', plain(502, html, '<html>hidden'), { code: 'destination-failing', transient: true }, /502/],
  ['too large', says(400, 'EntityTooLarge'), { code: 'pack-too-large', transient: false }, /seal\.size/],
  ['a quota', says(403, 'QuotaExceeded'), { code: 'destination-full', transient: true }, /no room/],
  ['a full store', plain(507), { code: 'destination-full', transient: true }, /no room/],
  ['another region', says(301, 'PermanentRedirect', '<Endpoint>packs.s3.eu-west-1.amazonaws.com</Endpoint>', { 'x-amz-bucket-region': 'eu-west-1' }), { code: 'destination-refused', transient: false }, /region eu-west-1, not us-east-1/],
  ['another region in the signature', says(400, 'AuthorizationHeaderMalformed', '<Region>eu-west-2</Region>'), { code: 'destination-refused' }, /region eu-west-2/],
  ['another endpoint', says(307, 'TemporaryRedirect', '<Endpoint>x.example.com</Endpoint>'), { code: 'destination-refused' }, /endpoint is x\.example\.com/],
  ['damage on the way', says(400, 'BadDigest'), { code: 'destination-unreachable', transient: true }, /not what was sent/],
  ['a body that came too slowly', says(400, 'RequestTimeout'), { code: 'destination-unreachable', transient: true }, /too long/],
  ['a conflict', says(409, 'OperationAborted'), { code: 'destination-busy', transient: true }, /another request/],
  ['a word nobody knows', says(418, 'Teapot'), { code: 'destination-refused', transient: false }, /S3-compatible/],
  ['a redirect to a login page', plain(302, { location: 'http://portal.example/?hidden' }), { code: 'captive-portal', transient: true }, /portal\.example/],
  ['a web page', plain(200, html, '<html>Welcome'), { code: 'captive-portal', transient: true }, /web page/],
  ['success without a word', plain(200), { code: /unreachable|refused/, transient: true }, /S3-compatible/],
]

describe.each([
  ['putting a small pack', isPut, sliceBytes], ['putting a part', isPart, 2 * partBytes], ['completing', isComplete, 2 * partBytes],
] as const)('in answer to %s', (_, isMeant, size) => {
  test.each(answers)('%s is what it is, and the pack arrives once it is over', async (_what, reply, error, words) => {
    const { state, intercept } = faking(isMeant, reply)
    const { store, at } = await serve({ intercept })
    const destination = at()
    const pack = packOf(1, randomBytes(size))
    const found = await errorOf(destination.put(pack))
    const { code, ...rest } = error as { code: string | RegExp }
    expect(found).toMatchObject(rest)
    expect(found.code).toMatch(code)
    expect(found.message).toMatch(words)
    expect(store.objects.size).toBe(0)
    state.on = false
    await destination.put(pack)
    expect(store.objects.get(keyOf(pack))?.equals(pack.bytes)).toBe(true)
    expect(store.uploads.size).toBe(0)
  })
})

test('what HEAD cannot say a second request asks for', async () => {
  const { intercept } = faking(({ method }) => method === 'HEAD', (response) => { response.writeHead(403).end() })
  const words = faking(({ headers }) => headers.range === 'bytes=0-0', says(403, 'InvalidAccessKeyId'))
  const { at } = await serve({ intercept: (request, response) => intercept(request, response) || words.intercept(request, response) })
  expect(await errorOf(at().put(packOf(1, randomBytes(9))))).toMatchObject({ code: 'credential-refused' })
  expect(words.state.count).toBe(1)
})

describe('a store that knows no conditions', () => {
  test.each([
    ['501', says(501, 'NotImplemented')], ['501 and nothing else', plain(501)], ['400', says(400, 'InvalidArgument')], ['400 and nothing else', plain(400)],
  ])('and answers %s is asked beforehand, once and for all', async (_, reply) => {
    const { state, intercept } = faking(({ headers }) => headers['if-none-match'] !== undefined, reply)
    const { store, at } = await serve({ intercept })
    const destination = at()
    const [small, large, next] = [packOf(1, randomBytes(sliceBytes)), packOf(2, randomBytes(2 * partBytes)), packOf(3, randomBytes(9))]
    for (const pack of [small, large, next]) await destination.put(pack)
    expect(state.count).toBe(1)
    for (const pack of [small, large, next]) expect(await contentOf(destination, pack.name)).toEqual(pack.bytes)
    expect(await putCounting(at(), next)).toBe(0)
    expect(store.requests.filter((request) => request.startsWith('HEAD')).length).toBeGreaterThan(1)
  })

  test('is not concluded from a request that is refused for another reason', async () => {
    const conditions: unknown[] = []
    const { state, intercept } = faking(isPut, says(400, 'InvalidRequest'))
    const { at } = await serve({
      intercept: (request, response) => {
        if (isPut(request)) conditions.push(request.headers['if-none-match'])
        return intercept(request, response)
      },
    })
    const destination = at()
    expect(await errorOf(destination.put(packOf(1, randomBytes(9))))).toMatchObject({ code: 'destination-refused' })
    state.on = false
    await destination.put(packOf(1, randomBytes(9)))
    expect(conditions).toEqual(['*', undefined, '*'])
  })
})

test.each([
  ['200 and an error', says(200, 'InternalError')],
  ['200, spaces, and an error', (response: ServerResponse) => { response.writeHead(200, { 'content-type': 'application/xml' }).end('   \n \n<Error><Code>InternalError</Code></Error>') }],
])('completing that ends with %s did not happen', async (_, reply) => {
  const { state, intercept } = faking(isComplete, reply)
  const { store, at } = await serve({ intercept })
  const destination = at()
  const pack = packOf(1, randomBytes(2 * partBytes))
  expect(await errorOf(destination.put(pack))).toMatchObject({ code: 'destination-failing', transient: true })
  state.on = false
  expect(await putCounting(destination, pack)).toBe(0)
  expect(store.objects.get(keyOf(pack))?.equals(pack.bytes)).toBe(true)
})

test('a store that had completed, and only its answer was lost, moves no byte again', async () => {
  const { store, at } = await serve({
    intercept: (request, response) => {
      if (isComplete(request) && store.objects.size === 0) {
        store.objects.set(request.key, pack.bytes)
        store.uploads.clear()
        response.destroy()
        return true
      }
      return false
    },
  })
  const pack = packOf(1, randomBytes(2 * partBytes))
  const destination = at()
  expect(await errorOf(destination.put(pack))).toMatchObject({ code: 'destination-unreachable', transient: true })
  expect(await putCounting(destination, pack)).toBe(0)
  expect(await putCounting(at(), pack)).toBe(0)
})

test('an upload that vanished, or whose parts are refused, begins anew and leaves nothing', async () => {
  for (const code of ['NoSuchUpload', 'InvalidPart']) {
    const { state, intercept } = faking(isComplete, (response) => {
      state.on = false
      refuse(response, code === 'NoSuchUpload' ? 404 : 400, code)
    })
    const { store, at } = await serve({ intercept })
    const pack = packOf(1, randomBytes(2 * partBytes))
    expect(await putCounting(at(), pack)).toBe(4 * partBytes)
    expect(store.objects.get(keyOf(pack))?.equals(pack.bytes)).toBe(true)
  }
})

test('parts are kept by what the store tells of them, never by memory alone', async () => {
  const { store, at } = await serve()
  const uploads = new Map<string, string>()
  const pack = packOf(1, randomBytes(3 * partBytes))
  await putAborting(at({ uploads }), pack, 9) // two parts, and a slice of the third
  const [upload] = store.uploads.values()
  upload?.parts.set(1, randomBytes(partBytes)) // as if a disk had changed it
  expect(await putCounting(at({ uploads }), pack)).toBe(2 * partBytes)
  expect(store.objects.get(keyOf(pack))?.equals(pack.bytes)).toBe(true)
})

test('parts of a store that encrypts are kept by the tags that it told before', async () => {
  let salt = 0
  const tags = new Map<string, string>()
  const { store, at } = await serve({
    tag: (bytes) => {
      const md5 = createHash('md5').update(bytes).digest('hex')
      const tag = tags.get(md5) ?? createHash('md5').update(`${++salt}`).digest('hex')
      tags.set(md5, tag)
      return tag
    },
  })
  const uploads = new Map<string, string>()
  const pack = packOf(1, randomBytes(3 * partBytes))
  await putAborting(at({ uploads }), pack, 9)
  expect(await putCounting(at({ uploads }), pack)).toBe(partBytes)
  expect(store.objects.get(keyOf(pack))?.equals(pack.bytes)).toBe(true)
})

test('an upload is found again when the memory of it is lost, and others of the device are ended', async () => {
  const { store, at } = await serve()
  const [before, pack] = [packOf(1, randomBytes(3 * partBytes)), packOf(1, randomBytes(3 * partBytes))]
  const other = packOf(1, randomBytes(3 * partBytes), 'laptop-10')
  for (const left of [before, pack]) await putAborting(at(), left, 5).catch(() => undefined)
  await putAborting(at(), other, 5)
  store.uploads.set('left', { key: keyOf(before), parts: new Map() })
  expect(await putCounting(at(), pack)).toBeLessThanOrEqual(3 * partBytes)
  expect([...store.uploads.values()].map(({ key }) => key)).toEqual([keyOf(other)])
})

test('another object in the place of a pack is named, and never taken for it', async () => {
  const { store, at } = await serve()
  for (const bytes of [randomBytes(10), randomBytes(sliceBytes)]) {
    const pack = packOf(1, randomBytes(sliceBytes))
    store.objects.set(keyOf(pack), bytes)
    expect(await errorOf(at().put(pack))).toMatchObject({ code: 'destination-refused', transient: false, message: /Remove it/ as unknown as string })
  }
})

test('a pack of which all was sent and nothing is known is not given up until it must have arrived', async () => {
  const { intercept, state } = faking(isPut, (response) => { response.req.resume().on('end', () => response.destroy()) })
  const { store, at } = await serve({ intercept })
  const uploads = new Map<string, string>()
  const pack = packOf(1, randomBytes(sliceBytes))
  expect(await errorOf(at({ uploads }).put(pack))).toMatchObject({ code: 'destination-unreachable' })
  expect(await errorOf(at({ uploads }).abandon(pack.name))).toMatchObject({ code: 'destination-busy', transient: true, data: { retryAfterMs: 900_000 } })
  expect(await at({ uploads, now: () => now + 900_000 }).abandon(pack.name)).toBe(false)
  state.on = false
  await at({ uploads }).put(pack)
  expect(await at({ uploads }).abandon(pack.name)).toBe(true)
  expect(store.objects.size).toBe(1)
})

describe('a listing', () => {
  const bomb = `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">${Array.from({ length: 9 }, (_, at) => (
    `<!ENTITY ${String.fromCharCode(98 + at)} "${`&${String.fromCharCode(97 + at)};`.repeat(10)}">`)).join('')}]>`
  const deep = `${'<a>'.repeat(100_000)}${'</a>'.repeat(100_000)}`
  const documents: readonly (readonly [string, string])[] = [
    ['cut short', '<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>x</Key>'],
    ['cut in a tag', '<ListBucketResult><IsTrunc'],
    ['empty', ''],
    ['of another root', '<SomethingElse></SomethingElse>'],
    ['JSON', '{"Contents":[]}'],
    ['with an entity bomb', `${bomb}<ListBucketResult><Contents><Key>&j;</Key></Contents></ListBucketResult>`],
    ['with a file for an entity', '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><ListBucketResult>&f;</ListBucketResult>'],
    ['very deep', `<ListBucketResult>${deep}</ListBucketResult>`],
    ['endless', `<ListBucketResult>${'<Contents><Key>a</Key></Contents>'.repeat(200_000)}</ListBucketResult>`],
    ['out of order', `<ListBucketResult>${['b', 'a'].map((name) => `<Contents><Key>some/where/laptop-1/${name}</Key></Contents>`).join('')}</ListBucketResult>`],
  ]

  test.each(documents)('%s is refused in bounded time and memory', async (_, document) => {
    const { intercept } = faking(isList, (response) => { xml(response, document) })
    const { at } = await serve({ intercept })
    expect(await errorOf(at().head('laptop-1'))).toMatchObject({ code: 'destination-refused' })
  })

  test('with names that are traps for objects holds no packs', async () => {
    const { intercept } = faking(isList, (response) => {
      xml(response, '<ListBucketResult><__proto__><IsTruncated>true</IsTruncated></__proto__><constructor>x</constructor><Contents><Key>__proto__</Key></Contents></ListBucketResult>')
    })
    const { at } = await serve({ intercept })
    const head = await at().head('laptop-1').catch((error: unknown) => (error as SluiceError).code)
    expect([undefined, 'destination-refused']).toContain(head)
    expect(Object.hasOwn(Object.prototype, 'IsTruncated')).toBe(false)
  })

  test('skips what is no pack, and asks in pages', async () => {
    const { store, at } = await serve()
    const packs = Array.from({ length: 45 }, (_, index) => packOf(index + 1, randomBytes(9)))
    for (const pack of packs) store.objects.set(keyOf(pack), pack.bytes)
    for (const name of ['', 'notes.txt', '0000000046-x.pack', 'deep/0000000099-x.pack']) store.objects.set(`some/where/laptop-1/${name}`, randomBytes(1))
    store.objects.set('some/where/Not-a-device/x', randomBytes(1))
    store.objects.set('some/where/empty/x', randomBytes(1))
    const destination = at()
    expect(await destination.head('laptop-1')).toEqual(packs.at(-1)?.name)
    expect(await destination.list('laptop-1')).toEqual(packs.map(({ name }) => name))
    expect(await destination.devices()).toEqual(['laptop-1'])
  })
})

describe('reading', () => {
  test('fetches a pack once, whole, when most of it is wanted, and ranges otherwise', async () => {
    const { store, at } = await serve()
    const pack = packOf(1, randomBytes(5 << 20))
    store.objects.set(keyOf(pack), pack.bytes)
    const destination = at()
    await destination.list('laptop-1')
    const gets = () => store.requests.filter((request) => request.startsWith(`GET ${keyOf(pack)}`)).length
    for (const offset of [1000, 2000, 3000]) {
      await using source = await destination.open(pack.name)
      expect(Buffer.from(await source.read(offset, 100))).toEqual(pack.bytes.subarray(offset, offset + 100))
    }
    expect(gets(), 'a range, and then the whole').toBe(2)
    expect((await contentOf(destination, pack.name)).equals(pack.bytes)).toBe(true)
    expect(gets()).toBe(2)
    expect(store.requests.filter((request) => request.startsWith('HEAD'))).toEqual([])
  })

  test('a range that is given wrong is refused', async () => {
    const { intercept } = faking(({ method, key }) => method === 'GET' && key !== '', (response) => { response.writeHead(206).end('x') })
    const { store, at } = await serve({ intercept })
    const pack = packOf(1, randomBytes(sliceBytes))
    store.objects.set(keyOf(pack), pack.bytes)
    await using source = await at().open(pack.name)
    expect(await errorOf(source.read(0, 100))).toMatchObject({ code: 'destination-unreachable' })
  })
})

test('a bucket in the host name is asked there', async () => {
  const hosts = new Set<string | undefined>()
  const { store } = await serve({ virtual: true, intercept: ({ headers }) => { hosts.add(headers.host); return false } })
  const dispatcher = new Agent({
    connect: { lookup: (_host, _options, found) => { found(null, [{ address: '127.0.0.1', family: 4 }]) } },
  })
  onTestFinished(() => dispatcher.destroy())
  const address = `s3://packs?endpoint=http://localhost:${store.port}&style=virtual`
  const destination = s3At({ address, partBytes, link: { ...plainLink(), dispatcher } })
  const pack = packOf(1, randomBytes(2 * partBytes))
  await destination.put(pack)
  expect(await destination.head('laptop-1')).toEqual(pack.name)
  expect([...hosts]).toEqual([`packs.localhost:${store.port}`])
})

test('a store that does not move is left', async () => {
  const { intercept } = faking(isPut, () => undefined)
  const { at } = await serve({ intercept })
  const destination = at({ patience: { ...patient, progressMs: 100 } })
  expect(await errorOf(destination.put(packOf(1, randomBytes(9))))).toMatchObject({ code: 'destination-unreachable', transient: true })
})

test('keys that were refused are asked for again', async () => {
  const { intercept, state } = faking(isPut, says(403, 'InvalidAccessKeyId'))
  const { at } = await serve({ intercept })
  let forgotten = 0
  const signer = {
    sign: async ({ url, headers }: { url: URL, headers: Readonly<Record<string, string>> }) => ({ url, headers }),
    refused: () => { forgotten++ },
  }
  const destination = at({ signer })
  await errorOf(destination.put(packOf(1, randomBytes(9))))
  expect(forgotten).toBe(1)
  state.on = false
  await destination.put(packOf(1, randomBytes(9)))
})
