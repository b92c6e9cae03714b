import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { sliceBytes } from '../../src/transfer/destination.ts'
import { uploadKey } from '../../src/transfer/tus.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { packOf, putAborting, putCounting } from './packs.ts'
import { packBytes, packsIn, patient, tusAt, type TusBench } from './tus-bench.ts'
import { startTusServer, type TusServerOptions } from './tus-server.ts'

async function serve(options: Partial<TusServerOptions> = {}) {
  const folder = await temporaryFolder()
  const server = await startTusServer({ folder, ...options })
  onTestFinished(() => server[Symbol.asyncDispose]())
  return { folder, server, at: (bench: Partial<TusBench> = {}) => tusAt({ url: server.url, ...bench }) }
}

type Reply = readonly [status: number, headers?: Record<string, string>, body?: string]

/** Answers the first requests of one method, one reply each, and then as the real server does. */
function answering(method: string, replies: readonly Reply[]) {
  const left = [...replies]
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const reply = request.method === method ? left.shift() : undefined
    if (!reply) return false
    const [status, headers, body] = reply
    request.resume().once('end', () => { response.writeHead(status, { 'tus-resumable': '1.0.0', ...headers }).end(body) })
    return true
  }
}

const methods = (requests: readonly string[]) => requests.map(request => request.split(' ')[0])
const json = (code: string, more = {}): string => JSON.stringify({ code, message: 'Because.', ...more })
const pack = packOf(1, randomBytes(5 * sliceBytes))

describe('a credential', () => {
  test('goes with every request to the server in place of a password, as it is then, and stands in no address', async () => {
    const seen: (string | undefined)[] = []
    const uploads = new Map<string, string>()
    let credential: string | undefined
    const { server, at } = await serve({
      intercept: ({ headers }) => {
        seen.push(headers.authorization)
        return false
      },
    })
    const destination = at({ url: server.url.replace('://', '://me:pass@'), uploads, credential: () => credential })
    await destination.head('laptop-1')
    credential = 'slc1.laptop-1.a'
    await destination.put(packOf(1, randomBytes(10)))
    credential = 'slc1.laptop-1.b'
    await destination.head('laptop-1')
    expect(seen).toEqual([`Basic ${btoa('me:pass')}`, 'Bearer slc1.laptop-1.a', 'Bearer slc1.laptop-1.a', 'Bearer slc1.laptop-1.b'])
    expect(destination.url + [...uploads.values()].join()).not.toMatch(/slc1|pass/)
  })

  test('that cannot be read is the error it is, and nothing is asked', async () => {
    const { server, at } = await serve()
    const destination = at({ credential: () => { throw new Error('no such file') } })
    await expect(destination.put(pack)).rejects.toThrow('no such file')
    expect(server.requests).toEqual([])
    await expect(destination.head('laptop-1')).rejects.toThrow('no such file')
  })
})

describe('a server that goes on with an upload it knows', () => {
  test('is sent the rest alone, though this side forgot', async () => {
    const uploads = new Map<string, string>()
    let known: Reply | undefined
    const { folder, server, at } = await serve({
      intercept: (request, response) => known !== undefined && answering('POST', [known])(request, response),
    })
    await putAborting(at({ uploads }), pack, 2)
    known = [201, { 'location': uploads.get(uploadKey(pack.name)) ?? '', 'upload-offset': String(2 * sliceBytes) }]
    expect(await putCounting(at(), pack)).toBe(3 * sliceBytes)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
    known = [201, { 'location': uploads.get(uploadKey(pack.name)) ?? '', 'upload-offset': String(pack.sizeBytes) }]
    expect(await putCounting(at(), pack)).toBe(0)
    expect(server.bodyBytes).toBe(pack.sizeBytes)
  })

  test.each(['-1', '99999999', 'x', '0x10', ''])('and tells the offset %j is refused', async offset => {
    const { at } = await serve({ intercept: answering('POST', [[201, { 'location': '/files/x', 'upload-offset': offset }]]) })
    await expect(at().put(pack)).rejects.toMatchObject({ code: 'destination-refused' })
  })
})

describe('an upload', () => {
  test('that is gone begins anew at once', async () => {
    const { folder, server, at } = await serve({ intercept: answering('PATCH', [[410]]) })
    await at().put(pack)
    expect(await packsIn(folder, 'laptop-1')).toEqual([pack.name])
    expect(methods(server.requests)).toEqual(['POST', 'PATCH', 'POST', 'PATCH'])
  })

  test('whose bytes were not the pack’s begins anew', async () => {
    const lost = answering('HEAD', [[404, {}, json('upload-unknown')]])
    const wrong = answering('PATCH', [[460, {}, json('hash-mismatch')]])
    const { folder, at } = await serve({ intercept: (request, response) => lost(request, response) || wrong(request, response) })
    await at().put(pack)
    expect(await packsIn(folder, 'laptop-1')).toEqual([pack.name])
  })

  test('whose bytes are never the pack’s is sent twice at most', async () => {
    const lost = answering('HEAD', Array<Reply>(9).fill([404]))
    const wrong = answering('PATCH', Array<Reply>(9).fill([460, {}, json('hash-mismatch')]))
    const { server, at } = await serve({ intercept: (request, response) => lost(request, response) || wrong(request, response) })
    await expect(at().put(pack)).rejects.toMatchObject({ transient: true })
    expect(server.bodyBytes).toBe(2 * pack.sizeBytes)
  })

  test('that is at another offset goes on from there', async () => {
    const { folder, at } = await serve({ intercept: answering('PATCH', [[409, {}, json('offset-conflict', { head: null })]]) })
    await at().put(pack)
    expect(await packsIn(folder, 'laptop-1')).toEqual([pack.name])
  })

  test.each(['POST', 'HEAD', 'PATCH'])('that is locked at %s is waited for', async method => {
    const state = { on: false }
    const locked = answering(method, [[423, {}, json('upload-locked')], [423]])
    const { folder, at } = await serve({ intercept: (request, response) => state.on && locked(request, response) })
    const destination = at({ patience: { ...patient, lockMs: 60_000 } })
    if (method === 'HEAD') await putAborting(destination, pack, 2)
    state.on = true
    await destination.put(pack)
    expect(await packsIn(folder, 'laptop-1')).toEqual([pack.name])
  })

  test('that stays locked is left alone after a while, and a stop ends the wait', async () => {
    const stop = new AbortController()
    const locks = answering('POST', Array<Reply>(9).fill([423]))
    const { server, at } = await serve({
      intercept: (request, response) => {
        if (server.requests.length > 2) queueMicrotask(() => { stop.abort() })
        return locks(request, response)
      },
    })
    await expect(at({ patience: { ...patient, lockMs: 300 } }).put(pack)).rejects.toMatchObject({ transient: true, data: { status: 423 } })
    expect(server.requests).toHaveLength(2)
    const waiting = at({ patience: { ...patient, lockMs: 1e9 } }).put(pack, { signal: stop.signal })
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe('a refusal that names the log', () => {
  test.each([
    ['POST', 'log-gap', 'destination-behind'],
    ['PATCH', 'log-gap', 'destination-behind'],
    ['POST', 'log-forked', 'destination-ahead'],
    ['PATCH', 'log-forked', 'destination-ahead'],
  ])('in answer to %s, %s, is an error of its own, and nothing is sent after it', async (method, code, error) => {
    const body = json(code, { head: { seq: 7, hash: 'a'.repeat(64) } })
    const { server, at } = await serve({ intercept: answering(method, Array<Reply>(9).fill([409, {}, body])) })
    await expect(at().put(pack)).rejects.toMatchObject({ code: error, transient: false })
    expect(methods(server.requests).filter(each => each === method)).toHaveLength(1)
  })

  test.each([
    ['401', 401, 'credential-refused', 'credential-refused', false],
    ['507', 507, 'quota-full', 'destination-full', true],
    ['413', 413, 'pack-too-large', 'pack-too-large', false],
    ['another status than it should have', 400, 'quota-full', 'destination-full', true],
  ])('in answer with %s is what its code says', async (_, status, code, error, transient) => {
    const { at } = await serve({ intercept: answering('POST', [[status, {}, json(code)]]) })
    await expect(at().put(pack)).rejects.toMatchObject({ code: error, transient })
  })
})

test('a server that answers 200 where others say 201 and 204 gets a pack, resumed and given up too', async () => {
  const { folder, at } = await serve({
    intercept: (_, response) => {
      const writeHead = response.writeHead.bind(response) as (status: number, ...rest: unknown[]) => ServerResponse
      response.writeHead = ((status: number, ...rest: unknown[]) => writeHead([201, 204].includes(status) ? 200 : status, ...rest))
      return false
    },
    tellsHead: false,
  })
  const destination = at()
  await putAborting(destination, pack, 2)
  expect(await putCounting(destination, pack)).toBe(3 * sliceBytes)
  expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
  const other = packOf(2, randomBytes(3 * sliceBytes))
  await putAborting(destination, other, 1)
  expect(await destination.abandon(other.name)).toBe(false)
})
