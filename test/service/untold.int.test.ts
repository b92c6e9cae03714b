/** The service and a destination that a device can write to and not read from: a real tus server. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import { noise } from '../pack/make-log.ts'
import { plainLink, tusAt } from '../transfer/tus-bench.ts'
import { startTusServer, storedPacks, type TusServer } from '../transfer/tus-server.ts'
import { memoryDestination } from '../../src/transfer/memory.ts'
import type { Destination } from '../../src/transfer/destination.ts'
import { freely, ledgerBytes, makePlace, openParts, packAll, runOnce, sendAll, sluice, type Place } from './harness.ts'

async function placeWith(server: TusServer | string): Promise<Place> {
  const place = await makePlace()
  const url = typeof server === 'string' ? server : server.url
  writeFileSync(place.configFile, readFileSync(place.configFile, 'utf8').replace(/^destination: .*$/m, `destination: ${url}`))
  return { ...place, config: (await loadConfig(place.configFile)).config }
}

const seqs = async (folder: string) => (await storedPacks(folder)).map(({ name }) => name.seq).sort((a, b) => a - b)

test.each([true, false])('packs arrive in order, and a lost journal goes on behind them (server tells its head: %s)', async (tellsHead) => {
  const store = join((await makePlace()).folder, 'store')
  const server = await startTusServer({ folder: store, tellsHead })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const place = await placeWith(server)
  writeFileSync(join(place.log, 'a.log'), noise('a', 30_000))
  expect((await runOnce(place)).code).toBe(0)
  writeFileSync(join(place.log, 'b.log'), noise('b', 30_000))
  expect((await runOnce(place)).code).toBe(0)
  expect(await seqs(store)).toEqual([1, 2])
  if (!tellsHead) return
  rmSync(place.state, { recursive: true })
  writeFileSync(join(place.log, 'c.log'), noise('c', 30_000))
  expect((await runOnce(place)).code).toBe(0)
  expect((await seqs(store)).slice(0, 3)).toEqual([1, 2, 3])
})

test('a pack that a server took and lost is sent anew, though the server still calls its upload complete', async () => {
  const store = join((await makePlace()).folder, 'store')
  let begun = 0
  const server = await startTusServer({
    folder: store,
    intercept: ({ method }, response) => {
      if (method === 'POST') begun++
      if (method !== 'GET' || begun > 1) return false
      response.writeHead(204).end() // its log lacks what was uploaded first
      return true
    },
  })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const place = await placeWith(server)
  mkdirSync(place.state)
  await using link = plainLink()
  const parts = await openParts(place, { destination: tusAt({ url: server.url, link }) })
  onTestFinished(() => parts.journal[Symbol.dispose]())
  writeFileSync(join(place.log, 'a.log'), noise('a', 30_000))
  await packAll(parts)
  await expect(sendAll(parts)).rejects.toMatchObject({ code: 'destination-behind' })
  const sentBytes = server.bodyBytes
  await sendAll(parts)
  expect([begun, server.bodyBytes]).toEqual([2, 2 * sentBytes])
  expect(await seqs(store)).toEqual([1])
})

test('a server that cannot be reached holds sending, not packing, and status says so', async () => {
  const place = await placeWith('http://127.0.0.1:9/files')
  writeFileSync(join(place.log, 'a.log'), noise('a', 30_000))
  const { code, stderr } = await runOnce(place)
  expect(code).toBe(75)
  expect(stderr).toContain('destination-unreachable')
  const status = JSON.parse((await sluice('status', '--json', '--config', place.configFile)).stdout) as { backlog: { packs: number } }
  expect(status.backlog.packs).toBe(1)
})

test('nothing is asked of a destination while sending is held', async () => {
  const store = join((await makePlace()).folder, 'store')
  const server = await startTusServer({ folder: store })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const place = await placeWith(server)
  writeFileSync(place.configFile, readFileSync(place.configFile, 'utf8').replace('{ power: mains }', '{ power: battery-low, network: free }'))
  writeFileSync(join(place.log, 'a.log'), noise('a', 30_000))
  expect((await runOnce(place)).code).toBe(75)
  expect(server.requests).toEqual([])
})

test('near the end of a cap a run ends held, whatever the network would have set aside', async () => {
  const store = join((await makePlace()).folder, 'store')
  const server = await startTusServer({ folder: store })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const place = await placeWith(server)
  writeFileSync(place.configFile, `${readFileSync(place.configFile, 'utf8')}caps: [{ limit: 200 kB, per: day }]\n`)
  const codes: (number | null)[] = []
  for (let run = 0; run < 12 && codes.at(-1) !== 75; run++) {
    writeFileSync(join(place.log, `${run}.log`), noise(`cap ${run}`, 20_000))
    codes.push((await runOnce(place)).code)
  }
  expect(codes.slice(0, 3)).toEqual([0, 0, 0])
  expect(codes.at(-1)).toBe(75)
  expect(ledgerBytes(place)).toBeLessThanOrEqual(200_000)
})

test('a pack whose arrival nobody was told of gives way as one that was sent: no two packs get one place in the log', async () => {
  const place = await makePlace()
  mkdirSync(place.state)
  writeFileSync(join(place.log, 'a.log'), noise('a', 30_000))
  writeFileSync(join(place.shots, 'a.bin'), noise('b', 30_000))
  const inner = memoryDestination()
  let isLost = true
  const destination: Destination = { ...inner, reading: 'refused', head: async () => 'untold', put: async (...all) => {
    await inner.put(...all)
    if (isLost) throw new Error('the answer was lost')
  } }
  const parts = await openParts(place, { destination, config: { ...place.config, destination: destination.url } })
  onTestFinished(() => parts.journal[Symbol.dispose]())
  await packAll(parts)
  const [shots, log] = [parts.journal.nextOf('free'), parts.journal.nextOf('any')]
  await expect(parts.sender.send(shots!, freely())).rejects.toThrow('the answer was lost')
  isLost = false
  expect(await parts.sender.giveWay(parts.journal.stamped()!, freely())).toBe(true)
  expect(await parts.sender.send(log!, freely())).toBe(true)
  await sendAll(parts)
  expect((await inner.list('laptop-1')).map(({ seq }) => seq)).toEqual([1, 2])
  expect([parts.journal.unsent(), await parts.spool.bodies()]).toEqual([[], []])
})
