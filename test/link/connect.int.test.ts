import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { outgoing } from './packets.ts'
import { startTransfers, type Transfers } from './transfer.ts'
import { whyNoWireNetwork } from './wire-network.ts'

const why = whyNoWireNetwork() ?? (spawnSync('tinyproxy', ['-v']).status === 0 ? undefined : 'needs tinyproxy')

/** On the router between both ends: bytes from the near side end there. */
const proxyAddress = '10.98.1.1:3128'

describe.skipIf(why)(`a link over HTTP/2 and through a proxy, counted at the interface${why ? ` (${why})` : ''}`, () => {
  let transfers: Transfers
  let folder: string

  beforeAll(async () => {
    transfers = await startTransfers()
    folder = await mkdtemp(join(tmpdir(), 'sluice-'))
    const config = join(folder, 'tinyproxy.conf')
    await writeFile(config, 'Port 3128\nListen 10.98.1.1\nTimeout 600\nMaxClients 20\nBasicAuth me secret\n')
    transfers.net.spawn('road', ['tinyproxy', '-d', '-c', config], { stdio: 'ignore' })
    while (!(await transfers.net.exec('road', ['ss', '-tlnH'])).includes(`${proxyAddress} `)) await delay(20)
  })
  afterAll(async () => {
    await transfers[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  const ways = [
    ['over HTTP/2', { http2: true }],
    ['through a proxy that wants a log-in', { proxy: `http://me:secret@${proxyAddress}` }],
    ['over HTTP/2 through a proxy', { http2: true, proxy: `http://me:secret@${proxyAddress}` }],
  ] as const

  test.each(ways)('%s, it accounts for every byte of an upload', async (_, way) => {
    const sent = await transfers.send({ ...way, bytes: 8 << 20 })
    expect(sent).toMatchObject({ arrivedBytes: 8 << 20, errors: [] })
    expect(sent.chargedBytes / sent.wireBytes).toBeGreaterThanOrEqual(0.99)
    expect(sent.chargedBytes / sent.wireBytes).toBeLessThanOrEqual(1.03)
  })

  test.each(ways)('%s, it accounts for an upload that is cut every MiB and resumed', async (_, way) => {
    const sent = await transfers.send({ ...way, bytes: 4 << 20, cutEvery: 1 << 20 })
    expect(sent.arrivedBytes).toBe(4 << 20)
    expect(sent.errors.length).toBeGreaterThanOrEqual(3)
    expect(sent.errors.every((error) => error.startsWith('SluiceError aborted'))).toBe(true)
    expect(sent.chargedBytes / sent.wireBytes).toBeGreaterThanOrEqual(0.99)
    expect(sent.chargedBytes / sent.wireBytes).toBeLessThanOrEqual(1.03)
  })

  test.each(ways)('%s, it stays below a cap', async (_, way) => {
    const sent = await transfers.send({ ...way, bytes: 8 << 20, capBytes: 1_000_000 })
    expect(sent.refused).toBe(true)
    expect(sent.wireBytes).toBeLessThanOrEqual(1_000_000)
  })

  test.each(ways)('%s, it sends nothing 250 ms after it was stopped', async (_, way) => {
    await transfers.net.setRate({ near: { bytesPerSecond: 500_000, queueBytes: 500_000 } })
    onTestFinished(() => transfers.net.setRate())
    const watching = await transfers.net.capture('near')
    const sender = transfers.start({ ...way, bytes: 2 ** 32 })
    await transfers.moved(400_000)
    sender.stop()
    const { stoppedAt = Number.NaN } = await sender.sent
    await transfers.quiet()
    const packets = outgoing(await watching.stop())
    expect(packets.filter(({ at }) => at < stoppedAt).length).toBeGreaterThan(100)
    expect(packets.filter(({ at, payloadBytes }) => payloadBytes > 0 && at > stoppedAt + 250)).toEqual([])
  })

  test.each(ways.slice(2))('%s, a rate holds', async (_, way) => {
    const watching = await transfers.net.capture('near')
    const sent = await transfers.send({ ...way, bytes: 1_000_000, rate: { maxBytesPerSecond: 250_000, yields: false } })
    const packets = outgoing(await watching.stop())
    expect(sent.arrivedBytes).toBe(1_000_000)
    const seconds = ((packets.at(-1)?.at ?? 0) - (packets[0]?.at ?? 0)) / 1000
    expect(packets.reduce((total, { bytes }) => total + bytes, 0) / seconds).toBeLessThanOrEqual(1.05 * 250_000)
  })
})
