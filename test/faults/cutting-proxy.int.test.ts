import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, connect as connectTls } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { temporaryFolder } from '../temporary-folder.ts'
import { Authority } from '../transfer/tus-bench.ts'
import { startCuttingProxy } from './cutting-proxy.ts'
import { FaultPlan, type Fault } from './fault-plan.ts'
import { RequestReader, type SeenRequest } from './request-reader.ts'

/** A connection as the server saw it. */
interface Seen {
  readonly bytes: Buffer[]
  /** How it ended for the server. */
  readonly ended: Promise<'fin' | 'rst'>
}

async function listening(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A server that says `hello` and takes what comes, behind a proxy. */
async function behind() {
  const seen: Seen[] = []
  const port = await listening(createServer((socket) => {
    const bytes: Buffer[] = []
    socket.on('data', (piece) => bytes.push(piece))
    const ended = new Promise<'fin' | 'rst'>((resolve) => {
      socket.on('end', () => resolve('fin')).on('error', () => resolve('rst'))
    })
    seen.push({ bytes, ended })
    socket.write('hello')
  }))
  const proxy = await startCuttingProxy({ port, seed: 1 })
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  const text = (index: number) => Buffer.concat(seen[index]?.bytes ?? []).toString()
  return { proxy, seen, text }
}

async function client(port: number): Promise<{ socket: Socket, got: () => string, ended: Promise<'fin' | 'rst'> }> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  const ended = new Promise<'fin' | 'rst'>((resolve) => {
    socket.on('end', () => resolve('fin')).on('error', () => resolve('rst'))
  })
  let got = ''
  const greeted = new Promise<void>((resolve) => socket.on('data', (piece) => {
    got += piece.toString()
    resolve()
  }))
  await Promise.race([greeted, ended])
  return { socket, got: () => got, ended }
}

const fault = (some: Partial<Fault>): Fault => ({ kind: 'rst', direction: 'up', atBytes: 3, server: 'fin', ...some })

describe('a cutting proxy', () => {
  test('passes everything on when nothing is armed, and counts it', async () => {
    const { proxy, seen, text } = await behind()
    const { socket, got } = await client(proxy.port)
    socket.end('abcdef')
    expect(await seen[0]?.ended).toBe('fin')
    expect([text(0), got()]).toEqual(['abcdef', 'hello'])
    expect(proxy.connections).toEqual([{ number: 1, upBytes: 6, downBytes: 5, lostBytes: 0, lateBytes: 0 }])
  })

  test.each([['rst', 'rst'], ['fin', 'fin'], ['rst', 'fin'], ['fin', 'rst']] as const)(
    'cuts at the byte: %s for the client, %s for the server', async (kind, server) => {
      const { proxy, seen, text } = await behind()
      const { socket, ended } = await client(proxy.port)
      proxy.arm(fault({ kind, server }))
      socket.write('abcdef')
      expect(await ended).toBe(kind)
      expect(await seen[0]?.ended).toBe(server)
      expect(text(0)).toBe('abc')
      expect(proxy.disarm()).toBe(true)
      expect(proxy.connections[0]).toMatchObject({ upBytes: 3, lostBytes: 3 })
    })

  test('cuts what comes back at the byte', async () => {
    const { proxy } = await behind()
    proxy.arm(fault({ kind: 'fin', direction: 'down', atBytes: 2 }))
    const { got, ended } = await client(proxy.port)
    expect(await ended).toBe('fin')
    expect(got()).toBe('he')
  })

  test('tells the server of a cut only once the client has come back and was answered', async () => {
    const { proxy, seen } = await behind()
    const first = await client(proxy.port)
    proxy.arm(fault({ server: 'later' }))
    first.socket.write('abcdef')
    await first.ended
    let isTold = false
    void seen[0]?.ended.then(() => { isTold = true })
    await new Promise(setImmediate)
    expect(isTold).toBe(false)
    await client(proxy.port)
    expect(await seen[0]?.ended).toBe('rst')
  })

  test('lets bytes of a connection arrive after a later one was answered', async () => {
    const { proxy, seen, text } = await behind()
    const first = await client(proxy.port)
    proxy.arm(fault({ kind: 'late' }))
    first.socket.write('abcdef')
    expect(await first.ended).toBe('rst')
    expect(text(0)).toBe('abc')
    await client(proxy.port)
    await seen[0]?.ended
    expect(text(0)).toBe('abcdef')
    expect(proxy.connections[0]).toMatchObject({ upBytes: 3, lateBytes: 3 })
  })

  test('a connection that stalls stays open for both until the client gives up', async () => {
    const { proxy, seen, text } = await behind()
    const { socket } = await client(proxy.port)
    proxy.arm(fault({ kind: 'stall', server: 'rst' }))
    socket.write('abcdef')
    while (proxy.connections[0]?.upBytes !== 3) await new Promise(setImmediate)
    socket.write('g')
    expect(socket.readyState).toBe('open')
    socket.resetAndDestroy()
    expect(await seen[0]?.ended).toBe('rst')
    expect(text(0)).toBe('abc')
  })

  test('a pause and jitter change nothing but the time', async () => {
    const { proxy, seen, text } = await behind()
    const { socket } = await client(proxy.port)
    proxy.arm(fault({ kind: 'pause' }))
    socket.write('abcdef')
    while (text(0) !== 'abcdef') await new Promise(setImmediate)
    proxy.arm(fault({ kind: 'jitter', atBytes: 0 }))
    socket.write('ghi')
    socket.end('jkl')
    expect(await seen[0]?.ended).toBe('fin')
    expect(text(0)).toBe('abcdefghijkl')
  })

  test('changes exactly one byte', async () => {
    const { proxy, seen, text } = await behind()
    const { socket } = await client(proxy.port)
    proxy.arm(fault({ kind: 'corrupt' }))
    socket.end('abcdef')
    await seen[0]?.ended
    expect(text(0)).toBe('abcDef')
  })

  test('answers in place of a server, and reads requests as they pass', async () => {
    const bodies: number[] = []
    const server = createHttpServer((request, response) => {
      let bytes = 0
      request.on('data', (piece: Buffer) => { bytes += piece.length }).on('end', () => {
        bodies.push(bytes)
        response.end('ok')
      })
    })
    const proxy = await startCuttingProxy({ port: await listening(server), seed: 1 })
    onTestFinished(() => proxy[Symbol.asyncDispose]())
    const put = async (bytes: number) => (await fetch(`http://127.0.0.1:${proxy.port}/x?y=1`, {
      method: 'PUT', body: randomBytes(bytes), headers: { 'upload-offset': '7' },
    })).status
    expect(await put(10_000)).toBe(200)
    proxy.arm(fault({ kind: 'answer', atBytes: 500 }))
    expect(await put(10_000)).toBe(503)
    expect(await put(0)).toBe(200)
    expect(bodies).toEqual([10_000, 0])
    const [first, second] = proxy.requests
    expect(first).toMatchObject({ connection: 1, method: 'PUT', path: '/x?y=1', bodyBytes: 10_000 })
    expect(first?.headers.get('upload-offset')).toBe('7')
    expect(second?.bodyBytes).toBeLessThan(500)
  })

  test('one byte changed within TLS is a connection that fails, not another content', async () => {
    const authority = new Authority(await temporaryFolder())
    const got: Buffer[] = []
    const failed = Promise.withResolvers<Error>()
    const server = createTlsServer(authority.issue('localhost'), (socket) => {
      socket.on('data', (piece: Buffer) => got.push(piece)).on('error', failed.resolve)
    }).on('tlsClientError', failed.resolve)
    const proxy = await startCuttingProxy({ port: await listening(server), seed: 1 })
    onTestFinished(() => proxy[Symbol.asyncDispose]())
    const socket = connectTls({ port: proxy.port, host: '127.0.0.1', servername: 'localhost', ca: authority.certificate })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    proxy.arm(fault({ kind: 'corrupt', atBytes: 20 }))
    socket.write('abcdef')
    socket.write('secret')
    expect(await failed.promise).toBeInstanceOf(Error)
    expect(Buffer.concat(got).toString()).toBe('')
  })
})

describe('a plan of faults', () => {
  const some = (seed: number) => {
    const plan = new FaultPlan(seed)
    return Array.from({ length: 2000 }, () => plan.next(100_000))
  }

  test('is the same for the same seed, and another for another', () => {
    expect(some(5)).toEqual(some(5))
    expect(some(5)).not.toEqual(some(6))
  })

  test('reaches every kind, every way of telling the server, and every part of a transfer', () => {
    const faults = some(7)
    expect(new Set(faults.map(({ kind }) => kind)).size).toBe(7)
    expect(new Set(faults.map(({ server }) => server)).size).toBe(3)
    const tenths = faults.filter(({ direction }) => direction === 'up').map(({ atBytes }) => Math.floor(atBytes / 10_060))
    expect(new Set(tenths)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))
  })
})

test('requests are read the same however they are cut into pieces', () => {
  const text = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\nPUT /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde'
    + 'PATCH /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nHEAD /d HTTP/1.1\r\n\r\n'
  for (let size = 1; size <= text.length; size++) {
    const requests: SeenRequest[] = []
    const reader = new RequestReader(1, (request) => requests.push(request))
    for (let at = 0; at < text.length; at += size) reader.read(Buffer.from(text.slice(at, at + size)))
    expect(requests.map(({ path, bodyBytes }) => [path, bodyBytes])).toEqual([['/a', 0], ['/b', 5], ['/c', 13], ['/d', 0]])
  }
})
