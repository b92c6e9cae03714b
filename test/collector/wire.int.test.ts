import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test, vi } from 'vitest'
import { uploadId } from '../../src/collector/upload-id.ts'
import { packOf, type TestPack } from '../transfer/packs.ts'
import { creation, startBench, type Bench } from './bench.ts'
import { openRaw, sendRaw, statusesIn } from './raw-socket.ts'

const waiting = { timeout: 20_000, interval: 20 }

async function patchHead(bench: Bench, pack: TestPack, headers: string): Promise<string> {
  const credential = await bench.enrol(pack.name.device)
  return `PATCH /uploads/${uploadId(pack.name)} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${credential}\r\ntus-resumable: 1.0.0\r\n`
    + `upload-offset: 0\r\ncontent-type: application/offset+octet-stream\r\n${headers}\r\n`
}

async function offsetOf(bench: Bench, pack: TestPack): Promise<number> {
  const answer = await bench.ask(`uploads/${uploadId(pack.name)}`, { method: 'HEAD' })
  return Number(answer.headers.get('upload-offset') ?? NaN)
}

describe('requests that two readers might read differently', () => {
  const smuggled = 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n'
  test.each([
    ['a length and chunks', 'content-length: 5\r\ntransfer-encoding: chunked\r\n', `0\r\n\r\n${smuggled}`],
    ['chunks and a length', 'transfer-encoding: chunked\r\ncontent-length: 5\r\n', `0\r\n\r\n${smuggled}`],
    ['two lengths that differ', 'content-length: 5\r\ncontent-length: 6\r\n', `hello${smuggled}`],
    ['two lengths that agree', 'content-length: 5\r\ncontent-length: 5\r\n', `hello${smuggled}`],
    ['a list of lengths', 'content-length: 5, 5\r\n', `hello${smuggled}`],
    ['a signed length', 'content-length: +5\r\n', `hello${smuggled}`],
    ['a negative length', 'content-length: -5\r\n', `hello${smuggled}`],
    ['a length in hex', 'content-length: 0x5\r\n', `hello${smuggled}`],
    ['another last coding than chunked', 'transfer-encoding: chunked, identity\r\n', `0\r\n\r\n${smuggled}`],
    ['a coding nobody knows', 'transfer-encoding: xchunked\r\n', `0\r\n\r\n${smuggled}`],
    ['chunked after a vertical tab', 'transfer-encoding: \vchunked\r\n', `0\r\n\r\n${smuggled}`],
    ['a space before the colon', 'content-length : 5\r\n', `hello${smuggled}`],
    ['a folded line', 'x-note: a\r\n content-length: 5\r\n', `hello${smuggled}`],
    ['a folded coding', 'transfer-encoding:\r\n chunked\r\n', `0\r\n\r\n${smuggled}`],
    ['bare line feeds', 'content-length: 5\n', `hello${smuggled}`],
    ['a bare carriage return', 'x-note: a\rcontent-length: 5\r\n', `hello${smuggled}`],
    ['a NUL in a header', 'x-note: a\0b\r\n', smuggled],
    ['a chunk size with a sign', 'transfer-encoding: chunked\r\n', `+5\r\nhello\r\n0\r\n\r\n${smuggled}`],
    ['a chunk size that overflows', 'transfer-encoding: chunked\r\n', `10000000000000005\r\nhello\r\n0\r\n\r\n${smuggled}`],
    ['a chunk size in front of rubbish', 'transfer-encoding: chunked\r\n', `5 5\r\nhello\r\n0\r\n\r\n${smuggled}`],
    ['a chunk longer than its size', 'transfer-encoding: chunked\r\n', `5\r\nhelloo\r\n0\r\n\r\n${smuggled}`],
    ['a chunk ended by a line feed', 'transfer-encoding: chunked\r\n', `5\nhello\r\n0\r\n\r\n${smuggled}`],
    ['no host', 'content-length: 5\r\n', `hello${smuggled}`],
  ])('with %s end the connection, and nothing behind them is answered', async (what, headers, body) => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(1000))
    await bench.ask('', creation(pack))
    const head = await patchHead(bench, pack, headers)
    const answer = await sendRaw(bench.collector.port, what === 'no host' ? head.replace('host: x\r\n', '') + body : head + body)
    const statuses = statusesIn(answer)
    expect(statuses.length, answer).toBeLessThanOrEqual(1)
    for (const status of statuses) expect(status).toBeGreaterThanOrEqual(400)
    expect(answer).not.toContain('"ok"')
    expect(await offsetOf(bench, pack)).toBeLessThanOrEqual(5)
  })

  test('headers that are too long are refused', async () => {
    const bench = await startBench()
    const answer = await sendRaw(bench.collector.port, `GET /health HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`)
    expect(statusesIn(answer)).toEqual([431])
  })

  test('an endless chunk extension is refused', async () => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(1000))
    await bench.ask('', creation(pack))
    const head = await patchHead(bench, pack, 'transfer-encoding: chunked\r\n')
    const statuses = statusesIn(await sendRaw(bench.collector.port, `${head}5;${'x'.repeat(100_000)}\r\nhello\r\n`))
    for (const status of statuses) expect(status).toBeGreaterThanOrEqual(400)
  })

  test('a JSON body that is too long, none, or of another kind is refused', async () => {
    const bench = await startBench()
    const enrol = (body: string, type = 'application/json') => bench.ask('enrol', { method: 'POST', body, headers: { 'content-type': type } })
    expect((await enrol(JSON.stringify({ device: 'a', token: 'x'.repeat(5000) }))).status).toBe(413)
    for (const body of ['', '{', 'null', '[]', '1', '{"device":1,"token":"x"}', '{"device":"../x","token":"x"}', '{"__proto__":{"device":"a"},"token":"x"}']) {
      expect((await enrol(body)).status, body).toBe(400)
    }
    expect((await enrol('device=a&token=b', 'application/x-www-form-urlencoded')).status).toBe(415)
  })
})

describe('a connection that is cut', () => {
  test.each(['ended', 'reset'])('and %s keeps what arrived, but 64 KiB at most', async (how) => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(3 << 20))
    await bench.ask('', creation(pack))
    const head = await patchHead(bench, pack, `content-length: ${pack.sizeBytes}\r\n`)
    const sentBytes = 2_000_000
    const socket = await openRaw(bench.collector.port, Buffer.concat([Buffer.from(head), pack.bytes.subarray(0, sentBytes)]))
    if (how === 'ended') socket.end()
    else socket.resetAndDestroy()
    // A reset takes what the kernel had not handed over; ended in order, all of it comes.
    await vi.waitFor(() => { expect(bench.events.some(({ event }) => event === 'upload.received')).toBe(true) }, waiting)
    const offset = await offsetOf(bench, pack)
    if (how === 'ended') expect(offset).toBeGreaterThanOrEqual(sentBytes - (64 << 10))
    const received = bench.events.find((event) => event.event === 'upload.received')
    expect(received?.event === 'upload.received' && received.offset).toBe(offset)
    expect((await bench.send(pack, { from: offset, create: false })).status).toBe(204)
    expect(await bench.list('laptop-1')).toEqual([pack.name])
  })

  test('right behind its bytes keeps them all', async () => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(100_000))
    await bench.ask('', creation(pack))
    const socket = connect(bench.collector.port, '127.0.0.1').on('error', () => undefined)
    const head = await patchHead(bench, pack, `content-length: ${pack.sizeBytes}\r\n`)
    socket.end(Buffer.concat([Buffer.from(head), pack.bytes.subarray(0, 50_000)]))
    await vi.waitFor(async () => { expect(await offsetOf(bench, pack)).toBe(50_000) }, waiting)
    expect(bench.events.filter(({ event }) => event === 'request.refused')).toEqual([])
  })

  test('while it is silent gives way to the one that comes after it', async () => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(1 << 20))
    await bench.ask('', creation(pack))
    const head = await patchHead(bench, pack, `content-length: ${pack.sizeBytes}\r\n`)
    using socket = disposable(await openRaw(bench.collector.port, Buffer.concat([Buffer.from(head), pack.bytes.subarray(0, 100_000)])))
    await vi.waitFor(async () => { expect((await bench.ask('health')).status).toBe(200) })
    const offset = await offsetOf(bench, pack)
    expect(offset).toBeGreaterThan(0)
    expect((await bench.send(pack, { from: offset, create: false })).status).toBe(204)
    expect(socket.destroyed).toBe(false)
    expect(await bench.list('laptop-1')).toEqual([pack.name])
  })
})

describe('a slow client', () => {
  test('whose headers do not end is cut', async () => {
    const bench = await startBench({ limits: { headersMs: 300 } })
    const answer = await sendRaw(bench.collector.port, 'GET /health HTTP/1.1\r\nhost: x\r\n')
    expect(statusesIn(answer)).toEqual([408])
  })

  test('whose body does not come on is cut, and what arrived is kept', async () => {
    const bench = await startBench({ limits: { bodyMs: 300, slowBodyBytes: 1000 } })
    const pack = packOf(1, randomBytes(100_000))
    await bench.ask('', creation(pack))
    const head = await patchHead(bench, pack, `content-length: ${pack.sizeBytes}\r\n`)
    await sendRaw(bench.collector.port, Buffer.concat([Buffer.from(head), pack.bytes.subarray(0, 5000)]))
    expect(await offsetOf(bench, pack)).toBe(5000)
  })

  test('that sends on what was refused is cut', async () => {
    const bench = await startBench()
    const pack = packOf(1, randomBytes(1000))
    const head = (await patchHead(bench, pack, 'transfer-encoding: chunked\r\n')).replace(/Bearer \S+/, 'Bearer nobody')
    const answer = await sendRaw(bench.collector.port, `${head}5\r\nhello\r\n`)
    expect(statusesIn(answer)).toEqual([401])
  })
})

describe('a request that nobody vouches for', () => {
  const type = 'content-type: application/json\r\n'
  test.each([
    ['enrolment', 'POST /enrol', `${type}content-length: 100\r\n`, '{'],
    ['enrolment in chunks', 'POST /enrol', `${type}transfer-encoding: chunked\r\n`, '1\r\n{\r\n'],
    ['creation', 'POST /', `${type}content-length: 100\r\n`, '{'],
    ['piece of another type', 'PATCH /uploads/x', `${type}content-length: 100\r\n`, '{'],
    ['look at its health', 'GET /health', 'content-length: 100\r\n', ''],
  ])('and does not end is cut: %s', async (_, request, headers, body) => {
    const bench = await startBench({ limits: { bodyMs: 300 } })
    const answer = await sendRaw(bench.collector.port, `${request} HTTP/1.1\r\nhost: x\r\n${headers}\r\n${body}`)
    for (const status of statusesIn(answer)) expect(status).toBeLessThan(500)
  })

  test('is told when Node itself refuses it', async () => {
    const bench = await startBench()
    for (const raw of [`GET /health HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`, 'nonsense\r\n\r\n']) {
      await sendRaw(bench.collector.port, raw)
      expect(bench.events.pop()).toEqual({ event: 'request.refused', code: 'request-invalid', address: '127.0.0.1' })
    }
  })
})

describe('many connections', () => {
  test('from one address are refused beyond the limit, and welcome again once others end', async () => {
    const bench = await startBench({ limits: { connectionsPerAddress: 3 } })
    const open = await Promise.all([1, 2, 3].map(() => openRaw(bench.collector.port, 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n')))
    await Promise.all(open.map((socket) => once(socket, 'data')))
    expect(await sendRaw(bench.collector.port, 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n')).toBe('')
    for (const socket of open) socket.destroy()
    await vi.waitFor(async () => {
      const request = 'GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'
      expect(statusesIn(await sendRaw(bench.collector.port, request))).toEqual([200])
    }, waiting)
  })

  test('beyond what the collector bears are not taken', async () => {
    const bench = await startBench({ limits: { connections: 2 } })
    const open = await Promise.all([1, 2].map(() => openRaw(bench.collector.port, 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n')))
    await Promise.all(open.map((socket) => once(socket, 'data')))
    expect(await sendRaw(bench.collector.port, 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n')).toBe('')
    for (const socket of open) socket.destroy()
  })
})

function disposable<T extends { destroy(): unknown }>(held: T): T & Disposable {
  return Object.assign(held, { [Symbol.dispose]: () => { held.destroy() } })
}
