/**
 * Claim: over HTTP/2 a pack goes as it does over HTTP/1.1: on one connection, held back by a server that does not read,
 * and whatever a server does to streams and connections costs an attempt at most, never bytes that had arrived.
 *
 * Method: a real tus server behind the HTTP/2 of Node.js, whose streams and sessions are reset, refused, shut down and
 * stalled. Not modelled: servers that break the framing itself; several streams at once, which Sluice does not open.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { constants, type Http2ServerRequest } from 'node:http2'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { join } from 'node:path'
import { sliceBytes } from '../../src/transfer/destination.ts'
import { openLink } from '../../src/transfer/link/link.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { startHttp2Front, type Http2FrontOptions } from './http2-front.ts'
import { packOf, putAborting, putCounting } from './packs.ts'
import { Authority, packBytes, patient, tusAt, type Certificate, type TusBench } from './tus-bench.ts'
import { startTusServer } from './tus-server.ts'

let made: string
let authority: Authority
let tls: Certificate

beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'sluice-'))
  authority = new Authority(made)
  tls = authority.issue('localhost')
})
afterAll(() => rm(made, { recursive: true }))

async function serve(options: Partial<Http2FrontOptions> = {}, http2 = true) {
  const folder = await temporaryFolder()
  const server = await startTusServer({ folder })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const front = await startHttp2Front({ to: server.port, tls, ...options })
  onTestFinished(() => front[Symbol.asyncDispose]())
  const link = openLink({ clock: () => performance.now(), rate: { yields: false }, tls: { ca: authority.certificate }, http2 })
  onTestFinished(() => link[Symbol.asyncDispose]())
  const uploads = new Map<string, string>()
  return { folder, server, front, at: (bench: Partial<TusBench> = {}) => tusAt({ url: front.url, link, uploads, ...bench }) }
}

const pack = packOf(1, randomBytes(30 * sliceBytes))
const unreachable = { code: 'destination-unreachable', transient: true }

describe('the version of HTTP', () => {
  test.each([
    ['2 where the server offers it', true, true, '2.0'],
    ['1.1 where the server offers nothing else', false, true, '1.1'],
    ['1.1 where the config wants that', true, false, '1.1'],
  ])('is %s', async (_, offered, wanted, version) => {
    const seen = new Set<string>()
    const { front, at } = await serve({
      offers: offered,
      intercept: ({ httpVersion }) => {
        seen.add(httpVersion)
        return false
      },
    }, wanted)
    const destination = at()
    await destination.put(pack)
    await destination.head('laptop-1')
    await putAborting(destination, packOf(2, randomBytes(5 * sliceBytes)), 2)
    await destination.put(packOf(3, randomBytes(10)))
    expect([[...seen], front.connections]).toEqual([[version], 1])
  })
})

describe('over HTTP/2', () => {
  /** Does something to the first PATCH that has brought some bytes. */
  const breaking = (what: (request: Http2ServerRequest) => void) => {
    let done = false
    return (request: Http2ServerRequest) => {
      if (done || request.method !== 'PATCH') return
      done = true
      what(request)
    }
  }

  test.each<[string, (request: Http2ServerRequest) => void]>([
    ['resets the stream', request => { request.stream.close(constants.NGHTTP2_INTERNAL_ERROR) }],
    ['cancels the stream', request => { request.stream.close(constants.NGHTTP2_CANCEL) }],
    ['refuses the stream', request => { request.stream.close(constants.NGHTTP2_REFUSED_STREAM) }],
    ['resets the stream as if all were well', request => { request.stream.close(constants.NGHTTP2_NO_ERROR) }],
    ['ends the session for an error', request => { request.stream.session?.goaway(constants.NGHTTP2_PROTOCOL_ERROR, 0) }],
    ['destroys the session', request => { request.stream.session?.destroy() }],
    ['cuts the connection', request => { request.stream.session?.socket.destroy() }],
  ])('a server that %s is unreachable for now, and the pack resumes', async (_, what) => {
    const breaks = breaking(what)
    const { folder, at } = await serve({ onBody: breaks })
    const destination = at()
    await expect(destination.put(pack)).rejects.toMatchObject(unreachable)
    await destination.put(pack)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
  })

  test.each<[string, (request: Http2ServerRequest) => void]>([
    ['closes the session', request => { request.stream.session?.close() }],
    ['sends GOAWAY', request => { request.stream.session?.goaway(constants.NGHTTP2_NO_ERROR) }],
  ])('a server that shuts down in order (%s) lets the pack end, and the next one takes another connection', async (_, shutDown) => {
    const breaks = breaking(shutDown)
    const { folder, front, at } = await serve({ onBody: breaks })
    const destination = at()
    await destination.put(pack)
    const next = packOf(2, randomBytes(1000))
    await destination.put(next)
    for (const each of [pack, next]) expect((await packBytes(folder, each.name)).equals(each.bytes)).toBe(true)
    expect(front.connections).toBe(2)
  })

  test('a server that shut down between packs costs no attempt', async () => {
    const { front, at } = await serve()
    const destination = at()
    await destination.put(packOf(1, randomBytes(1000)))
    for (const session of front.sessions) session.close()
    await destination.put(packOf(2, randomBytes(1000)))
    expect(front.connections).toBe(2)
  })

  test('an answer that comes before the pack does is heard', async () => {
    let refuses = true
    const { folder, at } = await serve({
      intercept: (request, response) => {
        if (request.method !== 'PATCH' || !refuses) return false
        response.writeHead(413).end()
        return true
      },
    })
    const destination = at()
    let sent = 0
    await expect(destination.put(pack, { onSent: bytes => { sent += bytes } })).rejects.toMatchObject({ code: 'pack-too-large' })
    expect(sent).toBeLessThan(pack.sizeBytes)
    refuses = false
    await destination.put(pack)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
  })

  test('a server that does not read is sent little, and given up in time', async () => {
    let stalls = true
    const { folder, at } = await serve({ intercept: ({ method }) => method === 'PATCH' && stalls })
    let sent = 0
    const put = at({ patience: { ...patient, progressMs: 500 } }).put(pack, { onSent: bytes => { sent += bytes } })
    await expect(put).rejects.toMatchObject(unreachable)
    expect(sent).toBeLessThanOrEqual(8 * sliceBytes)
    stalls = false
    await at().put(pack)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
  })

  test('a server that is told to stop gets no byte twice', async () => {
    const { folder, server, front, at } = await serve()
    const destination = at()
    let sent = 0
    for (let round = 1; round <= 5; round++) sent += await putAborting(destination, pack, round)
    expect(sent + await putCounting(destination, pack)).toBe(pack.sizeBytes)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
    expect([server.bodyBytes, front.connections]).toEqual([pack.sizeBytes, 1])
  })
})
