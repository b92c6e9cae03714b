import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { sliceBytes } from '../../src/transfer/destination.ts'
import { uploadKey } from '../../src/transfer/tus.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { packOf, putAborting, putCounting, type TestPack } from './packs.ts'
import { packBytes, packsIn, patient, tusAt, type TusBench } from './tus-bench.ts'
import { startTusServer, type TusServerOptions } from './tus-server.ts'

/** A server for one test. */
async function serve(options: Partial<TusServerOptions> = {}) {
  const folder = options.folder ?? await temporaryFolder()
  const server = await startTusServer({ folder, ...options })
  onTestFinished(() => server[Symbol.asyncDispose]())
  return { folder, server, at: (bench: Partial<TusBench> = {}) => tusAt({ url: server.url, ...bench }) }
}

/** A way to a server that is cut after so many bytes have passed towards it. */
async function startCutting(to: number) {
  let left = Infinity
  const ended: Promise<unknown>[] = []
  const open = new Set<Socket>()
  const way = createServer((near) => {
    open.add(near)
    const far = connect(to, '127.0.0.1')
    // Time to store what passed: a server drops what it is working on when it learns of the end.
    near.on('error', () => undefined).on('close', () => void setTimeout(20).then(() => far.destroy()))
    far.on('error', () => undefined).on('close', () => near.destroy()).pipe(near)
    near.on('close', () => ended.push(far.closed ? Promise.resolve() : once(far, 'close')))
    near.on('data', (bytes) => {
      const passing = bytes.subarray(0, left)
      left -= passing.length
      if (left > 0) return void far.write(passing)
      far.write(passing)
      near.destroy()
    })
  }).listen(0, '127.0.0.1')
  await once(way, 'listening')
  return {
    port: (way.address() as AddressInfo).port,
    cutAfter: (bytes: number) => { left = bytes },
    /** The server has learnt of every cut. */
    settled: () => Promise.all(ended),
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => {
      way.close(() => { resolve() })
      for (const socket of open) socket.destroy()
    }),
  }
}

describe('a pack cut at any byte', () => {
  const cuts = fc.record({
    sizeBytes: fc.noBias(fc.integer({ min: 1, max: 8 * sliceBytes })),
    at: fc.array(fc.noBias(fc.integer({ min: 0, max: 400_000 }).map(part => part / 1e6)), { minLength: 3, maxLength: 6 }),
  })

  /** The server runs in this process: it gets its turn before each slice. */
  const inTurns = (pack: TestPack): TestPack => ({
    ...pack,
    async read(offset, length) {
      await setTimeout(2)
      return pack.read(offset, length)
    },
  })

  test('by an abort resumes with no byte seen twice by the server, on the same connection', async () => {
    let resumed = 0
    await fc.assert(fc.asyncProperty(cuts, async ({ sizeBytes, at }) => {
      let stop = new AbortController()
      let stopAt = Infinity
      let arrived = 0
      const folder = await temporaryFolder()
      await using server = await startTusServer({
        folder,
        onBody: (_, bytes) => {
          arrived += bytes
          if (arrived >= stopAt) stop.abort()
        },
        intercept: ({ method, headers }) => {
          if (method === 'PATCH' && Number(headers['upload-offset']) > 0) resumed++
          return false
        },
      })
      const destination = tusAt({ url: server.url })
      const pack = inTurns(packOf(1, randomBytes(sizeBytes)))
      for (const part of at) {
        stop = new AbortController()
        stopAt = arrived + Math.ceil(part * sizeBytes)
        const put = destination.put(pack, { signal: stop.signal })
        await put.catch((error: unknown) => expect(error).toMatchObject({ code: 'aborted' }))
      }
      stopAt = Infinity
      await destination.put(pack)
      expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
      expect([server.bodyBytes, server.connections]).toEqual([sizeBytes, 1])
    }), { numRuns: 12 })
    expect(resumed).toBeGreaterThan(5)
  })

  test('by the connection is unreachable for now, and resumes where the server says', async () => {
    let resumed = 0
    await fc.assert(fc.asyncProperty(cuts, async ({ sizeBytes, at }) => {
      const folder = await temporaryFolder()
      const offsets: number[] = []
      await using server = await startTusServer({
        folder,
        intercept: ({ method, headers }) => {
          if (method === 'PATCH') offsets.push(Number(headers['upload-offset']))
          return false
        },
      })
      await using way = await startCutting(server.port)
      const destination = tusAt({ url: server.url.replace(`:${server.port}`, `:${way.port}`) })
      const pack = inTurns(packOf(1, randomBytes(sizeBytes)))
      for (const part of at) {
        way.cutAfter(Math.ceil(part * sizeBytes))
        const unreachable = { code: 'destination-unreachable', transient: true }
        await destination.put(pack).catch((error: unknown) => expect(error).toMatchObject(unreachable))
        await way.settled()
      }
      way.cutAfter(Infinity)
      await destination.put(pack)
      expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b)) // what arrived was never given up
      resumed += offsets.filter(offset => offset % sliceBytes > 0).length
    }), { numRuns: 12 })
    expect(resumed).toBeGreaterThan(5)
  })

  test('by the end of the server resumes at the next one', async () => {
    const { folder, server, at } = await serve()
    const pack = packOf(1, randomBytes(5 * sliceBytes))
    const destination = at()
    await putAborting(destination, pack, 3)
    await server[Symbol.asyncDispose]()
    await expect(destination.put(pack)).rejects.toMatchObject({ code: 'destination-unreachable', transient: true })
    await serve({ folder, port: server.port })
    expect(await putCounting(destination, pack)).toBe(2 * sliceBytes)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
  })

  test.each([
    ['forgot', () => true],
    ['knows only that it is gone', (file: string) => !file.endsWith('.json')],
  ])('of an upload that the server %s begins anew', async (_, removed) => {
    const { folder, at } = await serve()
    const pack = packOf(1, randomBytes(3 * sliceBytes))
    const destination = at()
    await putAborting(destination, pack, 2)
    for (const file of (await readdir(folder)).filter(removed)) await rm(join(folder, file))
    expect(await putCounting(destination, pack)).toBe(pack.sizeBytes)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
  })

  test('of an upload that goes while it is sent begins anew within the same put', async () => {
    let goes = true
    const { folder, server, at } = await serve({
      intercept: ({ method }, response) => {
        if (method !== 'PATCH' || !goes) return false
        goes = false
        response.writeHead(404, { 'tus-resumable': '1.0.0' }).end()
        return true
      },
    })
    const pack = packOf(1, randomBytes(1000))
    await at().put(pack)
    expect(await packsIn(folder, 'laptop-1')).toEqual([pack.name])
    expect(server.requests.map(request => request.split(' ')[0])).toEqual(['POST', 'PATCH', 'HEAD', 'PATCH'])
  })
})

describe('a tus server as destination', () => {
  test('is told device, seq, hash and a file name', async () => {
    const metadata: string[] = []
    const { at } = await serve({
      intercept: ({ method, headers }) => {
        if (method === 'POST') metadata.push(String(headers['upload-metadata']))
        return false
      },
    })
    const pack = packOf(7, randomBytes(10))
    await at().put(pack)
    const pairs = metadata[0]?.split(',').map(pair => pair.split(' ')) ?? []
    expect(Object.fromEntries(pairs.map(([key = '', value = '']) => [key, Buffer.from(value, 'base64').toString()]))).toEqual({
      device: 'laptop-1', seq: '7', hash: pack.name.hash, filename: `laptop-1/0000000007-${pack.name.hash}.pack`,
    })
  })

  test('that does not tell heads is believed to have what was sent', async () => {
    const { at } = await serve({ tellsHead: false })
    const destination = at()
    await destination.put(packOf(1, randomBytes(10)))
    expect(await destination.head('laptop-1')).toBe('untold')
  })

  test('a remembered upload at another server, or that is no address, is ignored', async () => {
    const other = await serve()
    const { folder, at } = await serve()
    for (const [seq, url] of [`${other.server.url}/secret`, 'nonsense', ''].entries()) {
      const pack = packOf(seq + 1, randomBytes(10))
      const uploads = new Map([[uploadKey(pack.name), url]])
      await at({ uploads }).put(pack)
      expect(await packsIn(folder, 'laptop-1')).toContainEqual(pack.name)
    }
    expect(other.server.requests).toEqual([])
  })

  test('an upload of another size at a remembered address is not written to', async () => {
    const { folder, at } = await serve()
    const [wrong, right] = [packOf(1, randomBytes(100)), packOf(1, randomBytes(200))]
    const uploads = new Map<string, string>()
    await at({ uploads }).put(wrong)
    uploads.set(uploadKey(right.name), uploads.get(uploadKey(wrong.name)) ?? '')
    await at({ uploads }).put(right)
    for (const pack of [wrong, right]) expect(await packBytes(folder, pack.name)).toEqual(pack.bytes)
  })

  test('that wants to know the length of each request is told, and resumes after an abort', async () => {
    const { folder, at } = await serve({
      intercept: ({ method, headers }, response) => {
        if (method !== 'PATCH' || headers['content-length'] !== undefined) return false
        response.writeHead(411).end()
        return true
      },
    })
    const pack = packOf(1, randomBytes(5 * sliceBytes))
    const destination = at()
    await destination.put(packOf(2, randomBytes(10)))
    await putAborting(destination, pack, 3)
    await destination.put(pack)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
  })

  test('a server that does not confirm what it has is cut off, and keeps what arrived', async () => {
    const stop = new AbortController()
    let stall = true
    const { folder, at } = await serve({
      onBody: (_, bytes) => { if (stall && bytes > 0) stop.abort() },
      intercept: ({ method }) => method === 'PATCH' && stall, // never answers
    })
    const destination = at({ patience: { ...patient, stopMs: 10 } })
    const pack = packOf(1, randomBytes(3 * sliceBytes))
    await expect(destination.put(pack, { signal: stop.signal })).rejects.toMatchObject({ code: 'aborted' })
    stall = false
    await destination.put(pack)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
  })

  test('cannot be read from by a device', async () => {
    const { at, server } = await serve()
    const refusal = { code: 'destination-refused', transient: false }
    await expect(at().devices()).rejects.toMatchObject(refusal)
    await expect(at().list('laptop-1')).rejects.toMatchObject(refusal)
    await expect(at().open(packOf(1, randomBytes(1)).name)).rejects.toMatchObject(refusal)
    expect(server.requests).toEqual([])
  })

  test('a server that cannot delete leaves unfinished uploads to expire', async () => {
    const { at } = await serve({
      intercept: ({ method }, response) => {
        if (method === 'DELETE') response.writeHead(405).end()
        return method === 'DELETE'
      },
    })
    const pack = packOf(1, randomBytes(3 * sliceBytes))
    const destination = at()
    await putAborting(destination, pack, 2)
    await destination.abandon(pack.name)
    expect(await putCounting(destination, pack)).toBe(pack.sizeBytes)
  })

  test('runs as a program of its own', async () => {
    const folder = await temporaryFolder()
    const program = fileURLToPath(new URL('tus-server.ts', import.meta.url))
    const child = spawn(process.execPath, [program, '--folder', folder, '--no-head'], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(async () => {
      child.kill()
      await once(child, 'exit')
    })
    const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
    const { url } = JSON.parse(String(value)) as { url: string }
    const pack = packOf(1, randomBytes(10))
    const destination = tusAt({ url })
    await destination.put(pack)
    expect(await packsIn(folder, 'laptop-1')).toEqual([pack.name])
    expect(await destination.head('laptop-1')).toBe('untold')
  })
})
