import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { networkManager } from '../../src/network/network-manager.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { startPrivateNetwork, whyNoPrivateNetwork } from './private-network.ts'
import type { PrivateNetwork } from './private-network.ts'

const clock = () => suiteNow

function sensorAt(address: string, limitMs?: number) {
  const sensor = networkManager({ clock, address, ...(limitMs !== undefined && { limitMs }) })
  onTestFinished(() => sensor.close())
  return sensor
}

describe('without NetworkManager', () => {
  test('no bus: unknown, from nobody', async () => {
    const sensor = sensorAt(`unix:path=${join(await temporaryFolder(), 'bus')}`)
    expect(await sensor.read()).toEqual({ value: { cost: 'unknown' }, source: 'none', at: suiteNow })
  })

  /** A socket that is no bus, and the connections it has. */
  async function impostor(answer: (socket: Socket) => void) {
    const path = join(await temporaryFolder(), 'bus')
    const sockets = new Set<Socket>()
    const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => sockets.delete(socket))
      answer(socket)
    })
    await new Promise<void>((resolve) => server.listen(path, resolve))
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return { address: `unix:path=${path}`, sockets }
  }

  test('a bus that does not answer: unknown, saying so, and no connection is left', async () => {
    const { address, sockets } = await impostor((socket) => socket.resume())
    expect(await sensorAt(address, 50).read())
      .toMatchObject({ value: { cost: 'unknown' }, source: 'NetworkManager: no answer within 0.05 s' })
    await expect.poll(() => {
      // Only writing tells a closed connection from one whose other end has merely stopped talking.
      for (const socket of sockets) socket.write('x')
      return sockets.size
    }).toBe(0)
  })
  test('a bus that answers nonsense, or hangs up: unknown, never an error', async () => {
    const nonsense = await impostor((socket) => socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')))
    expect((await sensorAt(nonsense.address, 50).read()).value.cost).toBe('unknown')
    const hangsUp = await impostor((socket) => socket.destroy())
    expect((await sensorAt(hangsUp.address, 50).read()).value.cost).toBe('unknown')
  })
})

const missing = whyNoPrivateNetwork()

describe.skipIf(missing !== undefined)(`with a real NetworkManager${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let network: PrivateNetwork
  beforeAll(async () => {
    network = await startPrivateNetwork()
  })
  afterAll(() => network[Symbol.asyncDispose]())

  const costs = ['free', 'metered', 'unknown', 'offline']
  sensorSuite('NetworkManager', async () => {
    await network.run('metered yes')
    return { sensor: sensorAt(network.busAddress), change: () => network.run('metered no') }
  }, ({ cost }) => costs.includes(cost))

  test.each([
    ['metered yes', 'metered'],
    ['metered no', 'free'],
    ['metered unknown', 'free'],
    ['nmcli -w 15 connection up phone', 'metered'],
    ['nmcli -w 15 device disconnect cable', 'offline'],
    ['nmcli networking off', 'offline'],
    ['nmcli networking on; metered no', 'free'],
  ])('%s reads as %s', async (command, cost) => {
    await network.run(command)
    const sensor = sensorAt(network.busAddress)
    await expect.poll(() => sensor.read(), { timeout: 15_000 }).toEqual({ value: { cost }, source: 'NetworkManager', at: suiteNow })
  })

  test('one connection serves watching through a switch, NetworkManager going away and coming back', async () => {
    await network.run('metered yes')
    const sensor = sensorAt(network.busAddress)
    const seen: string[] = []
    sensor.watch(() => void sensor.read().then(({ value, source }) => seen.push(`${value.cost} (${source})`)))
    expect((await sensor.read()).value.cost).toBe('metered')
    await network.run('metered no')
    await expect.poll(() => seen).toContain('free (NetworkManager)')
    await network.run('stop_manager')
    await expect.poll(() => seen).toContain('unknown (none)')
    seen.length = 0
    await network.run('start_manager; metered no')
    await expect.poll(() => seen, { timeout: 15_000 }).toContain('free (NetworkManager)')
  })

  test('a NetworkManager that hangs is unknown, and known again once it goes on', async () => {
    await network.run('metered no')
    const sensor = sensorAt(network.busAddress, 300)
    expect((await sensor.read()).value.cost).toBe('free')
    await network.run('hang_manager')
    expect(await sensor.read()).toMatchObject({ value: { cost: 'unknown' }, source: 'NetworkManager: no answer within 0.3 s' })
    await network.run('wake_manager')
    await expect.poll(async () => (await sensor.read()).value.cost).toBe('free')
  })

  test('a bus that ends is told to watchers; the next read after it is back connects anew', async () => {
    await network.run('metered no')
    const sensor = sensorAt(network.busAddress, 1000)
    let told = 0
    sensor.watch(() => {
      told += 1
    })
    await network.run('stop_manager')
    await expect.poll(async () => (await sensor.read()).source).toBe('none')
    told = 0
    await network.run('stop_bus')
    await expect.poll(() => told).toBeGreaterThan(0)
    expect((await sensor.read()).value.cost).toBe('unknown')
    await network.run('start_bus; start_manager; metered yes')
    await expect.poll(async () => (await sensor.read()).value.cost).toBe('metered')
  })
})
