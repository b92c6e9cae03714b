/**
 * Claim: a server that keeps sending and never answers is given up at a time that it cannot put off, and costs a bounded
 * number of bytes.
 *
 * Method: servers that speak just enough HTTP over a real link: interim answers, header lines or bytes of a body, one after the
 * other or as fast as they go, at requests with and without a body.
 *
 * Not modelled: TLS and HTTP/2, whose bytes the link counts in the same place.
 */
import { randomBytes } from 'node:crypto'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SluiceError } from '../../src/observe/error.ts'
import { enrolDevice } from '../../src/transfer/enrol.ts'
import { openLink } from '../../src/transfer/link/link.ts'
import { Session } from '../../src/transfer/tus-session.ts'
import { packOf } from './packs.ts'
import { patient, tusAt } from './tus-bench.ts'

type Behaviour = (socket: Socket, head: string) => Promise<void>

/** A server that does as told after the head of each request. */
async function serve(behaviour: Behaviour): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    let head = ''
    socket.on('data', (bytes) => {
      const before = head
      head += bytes.toString('latin1')
      if (before.includes('\r\n\r\n') || !head.includes('\r\n\r\n')) return
      void behaviour(socket, head).finally(() => {
        if (!socket.destroyed) head = ''
      })
    })
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  onTestFinished(() => { server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/files`
}

const interim = 'HTTP/1.1 102 Processing\r\n\r\n'

const dripping = (first: string, more: string): Behaviour => async (socket) => {
  socket.write(first)
  while (!socket.destroyed) {
    await setTimeout(20)
    if (!socket.destroyed) socket.write(more)
  }
}

const flooding = (first: string, more: string): Behaviour => async (socket) => {
  const piece = more.repeat(2000)
  socket.write(first)
  while (!socket.destroyed) {
    if (!socket.write(piece)) await Promise.race([new Promise((resolve) => { socket.once('drain', resolve).once('close', resolve) }), setTimeout(1000)])
  }
}

function way() {
  const link = openLink({ clock: () => performance.now(), rate: { yields: false } })
  onTestFinished(() => link[Symbol.asyncDispose]())
  let chargedBytes = 0
  const take = (bytes: number) => {
    chargedBytes += bytes
    return true
  }
  return { link, meter: { charge: take, correct: take }, charged: () => chargedBytes }
}

async function errorOf(work: Promise<unknown>): Promise<SluiceError> {
  const error: unknown = await work.then(() => undefined, (thrown: unknown) => thrown)
  if (!(error instanceof SluiceError)) throw new Error('no SluiceError', { cause: error })
  return error
}

const ways: [string, string, string][] = [
  ['that it is still at work', '', interim],
  ['one header after the other', 'HTTP/1.1 200 OK\r\n', 'x-more: 1\r\n'],
  ['one byte of its answer after the other', 'HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n', ' '],
]
const impatient = { ...patient, answerMs: 300, progressMs: 300 }
const lost = { code: 'destination-unreachable', transient: true }

describe('a server that only ever says', () => {
  test.each(ways)('%s is given up: at a request without a body', async (_, first, more) => {
    const { link } = way()
    const url = await serve(dripping(first, more))
    expect(await errorOf(tusAt({ url, link, patience: impatient }).head('laptop-1'))).toMatchObject({ ...lost, data: { waitMs: 300 } })
  })

  test.each(ways)('%s is given up: behind a pack', async (_, first, more) => {
    const { link } = way()
    const drip = dripping(first, more)
    const url = await serve(async (socket, head) => {
      if (!head.startsWith('POST')) return await drip(socket, head)
      socket.write('HTTP/1.1 201 Created\r\ntus-resumable: 1.0.0\r\nlocation: /files/1\r\ncontent-length: 0\r\n\r\n')
    })
    const error = await errorOf(tusAt({ url, link, patience: impatient }).put(packOf(1, randomBytes(1000))))
    expect(error).toMatchObject({ ...lost, data: { waitMs: 300 } })
  })

  test.each(ways)('%s is given up: at an enrolment', async (_, first, more) => {
    const { link } = way()
    const url = new URL(await serve(dripping(first, more)))
    expect(await errorOf(enrolDevice({ url, link, now: Date.now, patience: impatient }, 'laptop-1', 'token'))).toMatchObject({ ...lost, data: { waitMs: 300 } })
  })
})

test.each([
  ['interim answers', '', interim],
  ['chunks without content', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', `1;${'x'.repeat(900)}\r\n \r\n`],
])('a flood of %s is cut, and costs little', async (_, first, more) => {
  const { link, meter, charged } = way()
  const error = await errorOf(tusAt({ url: await serve(flooding(first, more)), link }).head('laptop-1', { meter }))
  expect(error).toMatchObject(lost)
  expect(error.message).toContain('far more than it was asked for')
  expect(error.data['receivedBytes']).toBeLessThan(1 << 20)
  expect(charged()).toBeLessThan(16 << 20) // what the kernel had taken in by then
})

test('a long answer that was asked for may come slowly', async () => {
  const { link } = way()
  const size = 60 * 4096
  const url = await serve(async (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
    for (let sent = 0; sent < size; sent += 4096) {
      await setTimeout(40)
      socket.write(Buffer.alloc(4096))
    }
  })
  await using session = new Session({ link, server: url, authorization: undefined, patience: { ...patient, answerMs: 1000 } })
  expect((await session.ask({ method: 'GET', url: new URL(url), answerBytes: size + 1 })).bytes).toHaveLength(size)
})
