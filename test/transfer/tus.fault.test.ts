/**
 * Claim: whatever answers in place of a tus server, or goes wrong on the way to it, becomes one error that says what
 * happened, whether waiting helps, and no secret; nothing is sent to another server; and once it is over the pack arrives.
 *
 * Method: a real tus server whose answers to one method are replaced, certificates made for the test, servers that
 * stall, cut, lie, or are none. Every address carries a user and password, which no error may show.
 *
 * Not modelled: proxies, HTTP/2, loss and delay on the wire.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { Agent } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ErrorCode } from '../../src/observe/error-codes.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { sliceBytes, type Destination } from '../../src/transfer/destination.ts'
import type { Link } from '../../src/transfer/link/link.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { packOf, putAborting, putCounting } from './packs.ts'
import { Authority, packBytes, patient, plainLink, tusAt, type TusBench } from './tus-bench.ts'
import { startTusServer, type TusServerOptions } from './tus-server.ts'

const now = Date.parse('2026-11-23T12:00:00Z')

/** A server for one test, and destinations at it with a password in their address. */
async function serve(options: Partial<TusServerOptions> = {}) {
  const folder = await temporaryFolder()
  const server = await startTusServer({ folder, ...options })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const url = server.url.replace('://', '://me:secret@')
  return { folder, server, at: (bench: Partial<TusBench> = {}) => tusAt({ url, now: () => now, ...bench }) }
}

/** The error of some work, which shows no secret. */
async function errorOf(work: Promise<unknown>): Promise<SluiceError> {
  const error: unknown = await work.then(() => undefined, (thrown: unknown) => thrown)
  if (!(error instanceof SluiceError)) throw new Error('no SluiceError', { cause: error })
  expect(`${error.message} ${JSON.stringify(error.data)}`).not.toMatch(/secret|bWU6/)
  expect(error.message).toMatch(/[.?]$/)
  return error
}

type Reply = readonly [status: number, headers: Record<string, string>, body?: string | undefined]

/** Answers one method as told, until it is to go on as the real server does. */
function faking(method: string, [status, headers, body]: Reply) {
  const state = { on: true }
  const intercept = (request: IncomingMessage, response: ServerResponse) => {
    if (!state.on || request.method !== method) return false
    response.writeHead(status, headers).end(body)
    return true
  }
  return { state, intercept }
}

const tus = { 'tus-resumable': '1.0.0' }
const html = { 'content-type': 'text/html; charset=utf-8' }
const portal = { code: 'captive-portal', transient: true }
const busy = { code: 'destination-unreachable', transient: true }
const failing = { code: 'destination-failing', transient: true }
const tooBusy = { code: 'destination-busy', transient: true }
const refusal = { code: 'destination-refused', transient: false }
const lasting = (code: ErrorCode) => ({ code, transient: false })

const answers: readonly (readonly [what: string, reply: Reply, error: object, words: RegExp])[] = [
  ['a redirect', [302, { location: 'http://portal.example/login?t=secret' }], portal, /redirect to portal\.example, which is not followed/],
  ['a redirect that keeps the method', [307, { ...tus, location: 'http://portal.example/' }], portal, /redirect/],
  ['a redirect to nowhere', [301, {}], portal, /redirect, which/],
  ['a web page', [200, html, '<html>Welcome to the hotel</html>'], portal, /web page/],
  ['a web page that claims to be tus', [201, { ...html, ...tus }, '<html>'], portal, /web page/],
  ['success without a word of tus', [200, {}], portal, /no Tus-Resumable header/],
  ['a demand to log in to the network', [511, html, '<html>'], portal, /login/],
  ['a demand for a password', [401, {}], lasting('credential-refused'), /user and password/],
  ['a ban', [403, {}], lasting('destination-forbidden'), /forbids/],
  ['a demand of a proxy', [407, {}], lasting('proxy-refused'), /proxy wants/],
  ['a pack too large', [413, {}], lasting('pack-too-large'), /larger than it takes/],
  ['a full disk', [507, tus], { code: 'destination-full', transient: true }, /no room/],
  ['a request to wait', [429, { 'retry-after': '7' }], { ...tooBusy, data: { status: 429, retryAfterMs: 7000 } }, /less often/],
  ['a request to wait until', [503, { 'retry-after': 'Mon, 23 Nov 2026 12:01:00 GMT' }], { ...failing, data: { status: 503, retryAfterMs: 60_000 } }, /503/],
  ['a time to wait that is over', [503, { 'retry-after': 'Mon, 23 Nov 2026 11:00:00 GMT' }], { ...failing, data: { status: 503, retryAfterMs: 0 } }, /503/],
  ['a request to wait for years', [503, { 'retry-after': '999999999' }], { ...failing, data: { status: 503, retryAfterMs: 999_999_999_000 } }, /503/],
  ['a request to wait, without sense', [503, { 'retry-after': 'soon' }], { ...failing, data: { status: 503 } }, /503/],
  ['a failure', [500, {}], failing, /500/],
  ['a failure of a gateway, as a page', [502, html, '<html>'], failing, /502/],
  ['a lock', [423, tus], tooBusy, /busy/],
  ['another version', [412, { ...tus, 'tus-version': '2.0.0' }], refusal, /412/],
  ['nothing that is known', [418, {}], refusal, /418/],
]

describe.each(['POST', 'HEAD', 'PATCH'])('in answer to %s', method => {
  // A server may forbid to look at an upload that is not there: then POST finds out.
  const meant = answers.filter(([, [status]]) => !(method === 'HEAD' && status === 403))

  test.each(meant)('%s is what it is, and the pack arrives once it is over', async (_, reply, error, words) => {
    const { state, intercept } = faking(method, reply)
    const { folder, at } = await serve({ intercept })
    const destination = at()
    const pack = packOf(1, randomBytes(2 * sliceBytes))
    state.on = false
    if (method === 'HEAD') await putAborting(destination, pack, 1)
    state.on = true
    const found = await errorOf(destination.put(pack))
    expect(found).toMatchObject(error)
    expect(found.message).toMatch(words)
    state.on = false
    await destination.put(pack)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
  })
})

test('a wrong path is refused as such', async () => {
  const { at } = await serve({ intercept: faking('POST', [404, html, '<html>']).intercept })
  expect(await errorOf(at().put(packOf(1, randomBytes(1))))).toMatchObject({ ...lasting('destination-missing'), data: { status: 404 } })
})

test('a forbidden look at an upload keeps its address for the day it is allowed again', async () => {
  let forbidden = false
  const { at } = await serve({
    intercept: (_, response) => {
      if (forbidden) response.writeHead(403).end()
      return forbidden
    },
  })
  const destination = at()
  const pack = packOf(1, randomBytes(3 * sliceBytes))
  await putAborting(destination, pack, 2)
  forbidden = true
  expect(await errorOf(destination.put(pack))).toMatchObject(lasting('destination-forbidden'))
  forbidden = false
  expect(await putCounting(destination, pack)).toBe(sliceBytes)
})

test('nothing is sent where a redirect or a Location leads', async () => {
  const other = await serve()
  for (const status of [301, 302, 303, 307, 308]) {
    for (const method of ['POST', 'PATCH']) {
      const { at } = await serve({ intercept: faking(method, [status, { ...tus, location: other.server.url }]).intercept })
      expect(await errorOf(at().put(packOf(1, randomBytes(10))))).toMatchObject(portal)
    }
  }
  const places = [other.server.url, 'http://other.example/x', '//other.example/x', 'ftp://h/', 'data:,x', 'http://me@127.0.0.1/']
  for (const location of places) {
    const { at } = await serve({ intercept: faking('POST', [201, { ...tus, location }]).intercept })
    expect(await errorOf(at().put(packOf(1, randomBytes(10)))), location).toMatchObject(refusal)
  }
  const { at } = await serve({ intercept: faking('POST', [201, tus]).intercept })
  expect(await errorOf(at().put(packOf(1, randomBytes(10)))), 'none').toMatchObject(refusal)
  expect(other.server.requests).toEqual([])
})

describe('a head', () => {
  const hash = 'a'.repeat(64)
  test.each([
    [200, JSON.stringify({ seq: 3, hash }), { device: 'laptop-1', seq: 3, hash }],
    [204, undefined, undefined],
    [404, '', 'untold'],
    [405, '', 'untold'],
  ])('told with %i is understood', async (status, body, head) => {
    const { at } = await serve({ intercept: faking('GET', [status, {}, body]).intercept })
    expect(await at().head('laptop-1')).toEqual(head)
  })

  test.each([
    '', 'null', '[]', '{}', '{"seq":0,"hash":""}', `{"seq":1.5,"hash":"${hash}"}`, `{"seq":"1","hash":"${hash}"}`,
    `{"seq":-1,"hash":"${hash}"}`, '{"seq":1,"hash":"../../x"}', `{"seq":1,"hash":"${hash}"} x`, ' '.repeat(100_000),
  ])('told as %j is refused', async body => {
    const { at } = await serve({ intercept: faking('GET', [200, {}, body]).intercept })
    expect(await errorOf(at().head('laptop-1'))).toMatchObject(refusal)
  })

  test.each<[Reply, object]>([
    [[302, { location: 'http://portal.example/' }], portal],
    [[200, html], portal],
    [[403, {}], lasting('destination-forbidden')],
    [[503, {}], failing],
  ])('that is %j is none', async (reply, error) => {
    const { at } = await serve({ intercept: faking('GET', reply).intercept })
    expect(await errorOf(at().head('laptop-1'))).toMatchObject(error)
  })
})

describe('a server that lies', () => {
  const pack = packOf(1, randomBytes(3 * sliceBytes))

  test.each([
    ['PATCH', 'more than was sent', String(pack.sizeBytes + 1)],
    ['PATCH', 'less than was there before', '7'],
    ['PATCH', 'nothing', undefined],
    ['PATCH', 'no number', '0x10'],
    ['HEAD', 'more than the pack has', String(pack.sizeBytes + 1)],
    ['HEAD', 'less than nothing', '-1'],
  ])('in answer to %s, telling %s, is refused', async (method, _, offset) => {
    const headers = { ...tus, 'upload-length': String(pack.sizeBytes), ...(offset && { 'upload-offset': offset }) }
    const { state, intercept } = faking(method, [200, headers])
    state.on = false
    const { folder, at } = await serve({ intercept })
    const destination = at()
    await putAborting(destination, pack, 1)
    state.on = true
    expect(await errorOf(destination.put(pack))).toMatchObject(refusal)
    state.on = false
    await destination.put(pack)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
  })

  test('about bytes that no pack has is found out after a conflict', async () => {
    const tooMuch = pack.sizeBytes + 1
    const conflict = faking('PATCH', [409, tus])
    const lie = faking('HEAD', [200, { ...tus, 'upload-length': String(pack.sizeBytes), 'upload-offset': String(tooMuch) }])
    const { at } = await serve({ intercept: (request, response) => conflict.intercept(request, response) || lie.intercept(request, response) })
    expect(await errorOf(at().put(pack))).toMatchObject({ ...refusal, data: { offset: tooMuch } })
  })

  test.each([
    ['always finds a conflict', [409, tus]],
    ['always finds a wrong checksum', [460, tus]],
    ['never has the upload', [404, tus]],
    ['always wants the length', [411, tus]],
    ['takes nothing', [204, { ...tus, 'upload-offset': '0' }]],
  ] as const)('and %s is left alone after a few rounds', async (_, reply) => {
    const { server, at } = await serve({ intercept: faking('PATCH', reply).intercept })
    expect(await errorOf(at().put(pack))).toMatchObject(busy)
    expect(server.requests.length).toBeLessThan(10)
  })

  test('not, and takes a little each time, gets the whole pack', async () => {
    const taken: number[] = []
    const { at } = await serve({
      intercept: (request, response) => {
        if (request.method !== 'PATCH') return false
        const offset = Number(request.headers['upload-offset'])
        taken.push(offset)
        request.resume().once('end', () => {
          response.writeHead(204, { ...tus, 'upload-offset': String(Math.min(offset + 50_000, pack.sizeBytes)) }).end()
        })
        return true
      },
    })
    await at().put(pack)
    expect(taken).toEqual([0, 50_000, 100_000, 150_000])
  })
})

describe('a server that does not move', () => {
  const impatient = { ...patient, answerMs: 50, progressMs: 50 }

  test.each(['POST', 'HEAD', 'PATCH'])('at %s is unreachable, and the pack goes on when it moves again', async method => {
    let still = false
    const { folder, at } = await serve({ intercept: request => still && request.method === method })
    const pack = packOf(1, randomBytes(8 * sliceBytes))
    const uploads = new Map<string, string>()
    if (method !== 'POST') await putAborting(at({ uploads }), pack, 1)
    still = true
    const error = await errorOf(at({ uploads, patience: impatient }).put(pack))
    expect(error).toMatchObject({ ...busy, data: { waitMs: 50 } })
    still = false
    await at({ uploads }).put(pack)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
  })

  test('all at once is waited for while slices go on', async () => {
    const { at } = await serve()
    const slow = packOf(1, randomBytes(60))
    const read = async (offset: number) => {
      await setTimeout(40)
      return slow.read(offset, 1)
    }
    await at({ patience: { ...patient, progressMs: 1000 } }).put({ ...slow, read }) // 60 reads take over twice as long
  })

  test('all at once is waited for while the link lets some of a slice pass', async () => {
    const { at } = await serve()
    const link = plainLink()
    const slow: Link = {
      ...link,
      dispatcher: new Agent({ allowH2: false }).compose(dispatch => (options, handler) => {
        if (options.method !== 'PATCH') return dispatch(options, handler)
        void (async () => {
          for (let passed = 0; passed < 60; passed++) {
            await setTimeout(40)
            hand?.(1)
          }
          dispatch(options, handler)
        })()
        return true
      }),
      use: (_meter, _signal, watch) => {
        hand = bytes => watch?.handed(bytes)
        return { [Symbol.asyncDispose]: async () => undefined }
      },
    }
    let hand: ((bytes: number) => void) | undefined
    await at({ link: slow, patience: { ...patient, progressMs: 1000 } }).put(packOf(1, randomBytes(10)))
  })
})

describe('no server', () => {
  const put = (url: string, bench: Partial<TusBench> = {}) => errorOf(tusAt({ url, ...bench }).put(packOf(1, randomBytes(10))))

  /** A port where something answers each connection, or nothing listens. */
  async function portOf(answer?: string): Promise<number> {
    const server = createServer(socket => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(answer ?? ''))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const close = () => new Promise<void>(resolve => { server.close(() => { resolve() }) })
    if (answer === undefined) await close()
    else onTestFinished(close)
    return port
  }

  test('of that name', async () => {
    expect(await put('https://me:secret@no-such-host.invalid/')).toMatchObject({ code: 'name-unresolved', transient: true })
  })

  test('at that port', async () => {
    expect(await put(`http://me:secret@127.0.0.1:${await portOf()}/`)).toMatchObject({ ...busy, data: { errno: 'ECONNREFUSED' } })
  })

  test.each(['', 'SSH-2.0-OpenSSH_9.2\r\n', 'HTTP/1.1 20', '\0\0\0\0'])('but something that says %j', async answer => {
    expect(await put(`http://me:secret@127.0.0.1:${await portOf(answer)}/`)).toMatchObject(busy)
  })

  test('of TLS, but one in the clear', async () => {
    const { server } = await serve()
    expect(await put(`https://me:secret@127.0.0.1:${server.port}/`)).toMatchObject(busy)
  })
})

describe('a certificate', () => {
  test.each([
    ['has expired', (authority: Authority) => authority.issue('localhost', -1), /has expired.*CERT_HAS_EXPIRED/],
    ['is for another name', (authority: Authority) => authority.issue('other.example'), /is for another name/],
    ['is self-signed', (authority: Authority) => authority.selfSigned('localhost'), /is self-signed/],
  ])('that %s is refused saying so, before any request', async (_, make, words) => {
    const authority = new Authority(await temporaryFolder())
    const { server, at } = await serve({ tls: make(authority) })
    const error = await errorOf(at({ link: plainLink(authority.certificate) }).put(packOf(1, randomBytes(10))))
    expect(error).toMatchObject(lasting('certificate-refused'))
    expect(error.message).toMatch(words)
    expect(server.requests).toEqual([])
  })

  test('of an authority that is not known is refused', async () => {
    const authority = new Authority(await temporaryFolder())
    const { server, at } = await serve({ tls: authority.issue('localhost') })
    const error = await errorOf(at().put(packOf(1, randomBytes(10))))
    expect(error).toMatchObject(lasting('certificate-refused'))
    expect(error.message).toMatch(/authority/)
    expect(server.requests).toEqual([])
  })
})

test('user and password of the address go to the server, and are in no upload address', async () => {
  const seen = new Set<string | undefined>()
  const uploads = new Map<string, string>()
  const { at } = await serve({
    intercept: ({ headers }) => {
      seen.add(headers.authorization)
      return false
    },
  })
  const destination: Destination = at({ uploads })
  await destination.put(packOf(1, randomBytes(10)))
  await destination.head('laptop-1')
  expect([...seen]).toEqual([`Basic ${Buffer.from('me:secret').toString('base64')}`])
  expect(destination.url + [...uploads.values()].join()).not.toContain('secret')
})
