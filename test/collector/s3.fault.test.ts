/**
 * Claim: whenever a collector on a bucket dies around a commit, the log of the device has neither a gap nor a fork, the next
 * collector finishes what was begun, and nothing of it stays behind.
 *
 * Method: a real collector process reaches a real Ceph through a proxy, which kills it (SIGKILL) as soon as the store has
 * fulfilled one request of the commit: the claim, the pack, the removal of the claim, each removal of the upload. Then
 * the same pack, or a rival for its place, is sent to another collector on the bucket.
 *
 * Not modelled: a store that fulfils a request only after the collector died, which leaves the same objects; one that loses
 * what it acknowledged; S3 stores other than Ceph.
 */
import { randomBytes } from 'node:crypto'
import { createServer, request as ask, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { packFileName } from '../../src/transfer/destination.ts'
import { noCeph, startCeph, type Ceph } from '../transfer/ceph.ts'
import { contentOf, packOf, putCounting, type TestPack } from '../transfer/packs.ts'
import { tusAt } from '../transfer/tus-bench.ts'
import { s3Programs } from './s3-program.ts'

type Moment = (method: string, path: string) => boolean

const moments: readonly [string, Moment][] = [
  ['the claim', (method, path) => method === 'PUT' && path.includes('.collector/claims/')],
  ['the pack', (method, path) => method === 'PUT' && /\/laptop-1\/[^/]+\.pack$/.test(path) && !path.includes('.collector')],
  ['the removal of the claim', (method, path) => method === 'DELETE' && path.includes('.collector/claims/')],
  ['the removal of the sign that the upload was begun', (method, path) => method === 'DELETE' && path.endsWith('/begun')],
  ['the removal of a piece', (method, path) => method === 'DELETE' && path.endsWith('/00000000')],
]

describe.skipIf(noCeph)(`a collector on a bucket that is killed${noCeph ? ` (${noCeph})` : ''}`, { timeout: 120_000 }, () => {
  let ceph: Ceph
  beforeAll(async () => { ceph = await startCeph() }, 240_000)
  afterAll(() => ceph[Symbol.asyncDispose]())

  /** A way to the store that tells, once, of the first request of a kind that was fulfilled, and swallows its answer. */
  async function proxyTelling(isMoment: Moment, tell: () => void): Promise<string> {
    let told = false
    const server = createServer((asked, answer) => {
      const { method = '', url = '', headers } = asked
      const onward = ask(new URL(url, ceph.endpoint), { method, headers }, (found: IncomingMessage) => {
        if (!told && isMoment(method, url.split('?')[0] ?? '')) {
          told = true
          return void found.resume().once('end', tell)
        }
        answer.writeHead(found.statusCode ?? 500, found.rawHeaders)
        found.pipe(answer)
      })
      onward.on('error', () => { answer.destroy() })
      asked.pipe(onward)
    })
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  /** A log of one pack, and a collector that was killed while it committed the second. */
  async function killedAt(moment: Moment) {
    const programs = await s3Programs(ceph)
    const { start, credential } = programs
    const survivor = await start()
    const at = (url: string) => tusAt({ url, credential: () => credential })
    const first = packOf(1, randomBytes(5000))
    await at(survivor.url).put(first)
    const second = packOf(2, randomBytes(1_200_000), 'laptop-1', first)
    const { promise: killed, resolve } = Promise.withResolvers<void>()
    const victim = await start(await proxyTelling(moment, () => {
      victim.child.once('exit', () => { resolve() })
      victim.child.kill('SIGKILL')
    }))
    await expect(at(victim.url).put(second)).rejects.toMatchObject({ code: 'destination-unreachable' })
    await killed
    return { ...programs, first, second, survivor, next: at(survivor.url) }
  }

  test.each(moments)('once the store has %s: the pack that is sent again is there once, and nothing is left', async (_, moment) => {
    const { first, second, next, written, leftovers, store } = await killedAt(moment)
    expect(await putCounting(next, second)).toBe(0)
    const third = packOf(3, randomBytes(5000), 'laptop-1', second)
    await next.put(third)
    expect(await written.list('laptop-1')).toEqual([first, second, third].map(({ name }) => name))
    for (const pack of [first, second, third]) expect((await contentOf(written, pack.name)).equals(pack.bytes)).toBe(true)
    await store.sweep()
    expect(await leftovers()).toEqual([])
  })

  test.each(moments)('once the store has %s: a rival is refused, and the pack is whole', async (_, moment) => {
    const { first, second, next, written } = await killedAt(moment)
    const rival: TestPack = packOf(2, randomBytes(5000), 'laptop-1', first)
    await expect(next.put(rival)).rejects.toMatchObject({ code: 'destination-ahead' })
    expect((await written.list('laptop-1')).map(packFileName)).toEqual([first, second].map(({ name }) => packFileName(name)))
    expect((await contentOf(written, second.name)).equals(second.bytes)).toBe(true)
  })
})
