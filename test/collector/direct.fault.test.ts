/**
 * Claim: whatever is wrong with the way into the store, a pack arrives by tus, once and whole, and the device does not try that
 * way with each pack again.
 *
 * Method: a collector on a folder whose signed URLs lead to where nothing listens, to a server that refuses, cuts the connection
 * or answers with a web page, or to addresses that no pack may go to.
 *
 * Not modelled: a store that takes a pack and fulfils the request minutes later. Its object is then a piece of an upload that
 * is gone, which is swept, or one of the same bytes.
 */
import { randomBytes } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openFolderStore } from '../../src/collector/folder-store.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { packOf, putCounting } from '../transfer/packs.ts'
import { directAt } from './direct-bench.ts'
import { running } from './s3-bench.ts'

/** A collector that gives out such URLs; without any it knows no direct uploads. */
async function collectorGiving(url: string | undefined) {
  const folderStore = await openFolderStore(await temporaryFolder(), realDisk, Date.now)
  let signed = 0
  if (url !== undefined) {
    folderStore.presign = async () => {
      signed++
      return { url: new URL(url), expiresAt: 0 }
    }
  }
  const { collector, url: address, credentialOf } = await running(folderStore, { direct: url !== undefined })
  onTestFinished(() => collector.stop())
  return { store: folderStore, url: address, credential: await credentialOf('laptop-1'), signed: () => signed }
}

async function storeThat(answer: RequestListener): Promise<{ readonly url: string, readonly asked: () => number }> {
  let asked = 0
  const server = createServer((request, response) => {
    asked++
    answer(request, response)
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/x?X-Amz-Signature=secret`, asked: () => asked }
}

const first = packOf(1, randomBytes(200_000))
const second = packOf(2, randomBytes(1000), 'laptop-1', first)

describe('a pack goes by tus', () => {
  test('to a collector that knows no direct uploads, which is asked once', async () => {
    const { store, url, credential } = await collectorGiving(undefined)
    const destination = directAt({ url, credential })
    expect(await putCounting(destination, first)).toBe(first.sizeBytes)
    expect(await putCounting(destination, second)).toBe(second.sizeBytes)
    expect(await destination.head('laptop-1')).toEqual(second.name)
    expect(await store.usage('laptop-1')).toMatchObject({ packs: 2 })
  })

  const stores: readonly [string, RequestListener][] = [
    ['refuses the signature', (request, response) => {
      request.resume().once('end', () => response.writeHead(403, { 'content-type': 'application/xml' }).end('<Error><Code>AccessDenied</Code></Error>'))
    }],
    ['fails', (request, response) => { request.resume().once('end', () => response.writeHead(500).end()) }],
    ['redirects', (_, response) => { response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end() }],
    ['is a login page', (request, response) => { request.resume().once('end', () => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')) }],
    ['cuts the connection', (request) => { request.once('data', () => request.socket.destroy()) }],
  ]

  test.each(stores)('when the store %s, and the store is let be for ten minutes', async (_, answer) => {
    const { url: storeUrl, asked } = await storeThat(answer)
    const { store, url, credential } = await collectorGiving(storeUrl)
    let now = Date.now()
    const destination = directAt({ url, credential, now: () => now })
    await destination.put(first)
    await destination.put(second)
    expect([await store.head('laptop-1'), asked()]).toEqual([second.name, 1])
    now += 10 * 60_000
    await destination.put(packOf(3, randomBytes(1000), 'laptop-1', second))
    expect([(await store.head('laptop-1'))?.seq, asked()]).toEqual([3, 2])
  })

  test('when nothing listens at the store', async () => {
    const { store, url, credential, signed } = await collectorGiving('http://127.0.0.1:1/x?X-Amz-Signature=secret')
    const destination = directAt({ url, credential })
    expect(await putCounting(destination, first)).toBe(first.sizeBytes)
    await destination.put(second)
    expect([await store.head('laptop-1'), signed()]).toEqual([second.name, 1])
  })

  test('when the store says that it took the pack, and the collector does not find it there', async () => {
    const { url: storeUrl } = await storeThat((request, response) => { request.resume().once('end', () => response.writeHead(200, { etag: '"x"' }).end()) })
    const { store, url, credential } = await collectorGiving(storeUrl)
    await directAt({ url, credential }).put(first)
    expect(await store.head('laptop-1')).toEqual(first.name)
  })
})

test.each(['http://store.example.com/x', 'file:///etc/passwd', 'https://user:secret@127.0.0.1:1/x'])(
  'a collector that names %s is refused, and nothing is sent there', async (storeUrl) => {
    const { url, credential, store } = await collectorGiving(storeUrl)
    await expect(directAt({ url, credential }).put(first)).rejects.toMatchObject({ code: 'destination-refused' })
    expect(await store.head('laptop-1')).toBeUndefined()
  })

test('a pause in the middle of a pack cuts the request, and nothing goes by tus in its place', async () => {
  const arriving = Promise.withResolvers<void>()
  const cut = Promise.withResolvers<void>()
  const { url: storeUrl, asked } = await storeThat((request) => {
    request.once('data', () => { arriving.resolve() }).once('error', () => { cut.resolve() }).resume()
  })
  const { url, credential, store } = await collectorGiving(storeUrl)
  const stop = new AbortController()
  let reads = 0
  const pausing = { ...first, read: async (offset: number, length: number) => {
    if (++reads === 3) {
      await arriving.promise
      stop.abort()
    }
    return await first.read(offset, length)
  } }
  await expect(directAt({ url, credential }).put(pausing, { signal: stop.signal })).rejects.toMatchObject({ code: 'aborted', transient: true })
  await cut.promise
  expect([asked(), (await store.find(first.name))?.offset]).toEqual([1, 0])
})

test('a device that is not known, or whose log ends elsewhere, is told so before it sends anything', async () => {
  const { url: storeUrl, asked } = await storeThat((_, response) => { response.writeHead(200).end() })
  const { url, credential } = await collectorGiving(storeUrl)
  await expect(directAt({ url, credential: 'nobody' }).put(first)).rejects.toMatchObject({ code: 'credential-refused' })
  await expect(directAt({ url, credential }).put(second)).rejects.toMatchObject({ code: 'destination-behind' })
  expect(asked()).toBe(0)
})
