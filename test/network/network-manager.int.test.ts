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
  const secret = () => new Uint8Array(32).fill(7)
  const sensor = networkManager({ clock, address, secret, ...(limitMs !== undefined && { limitMs }) })
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

  /** Runs a command, and waits until a new sensor says this of cost and cause. */
  async function expectAfter(command: string, cost: string, because?: string) {
    await network.run(command)
    const sensor = sensorAt(network.busAddress)
    await expect.poll(async () => {
      const { value } = await sensor.read()
      return [value.cost, value.because]
    }, { timeout: 15_000 }).toEqual([cost, because])
  }

  describe('the profile and what NetworkManager guesses', () => {
    test.each([
      ['metered yes', 'metered'],
      ['metered no', 'free'],
      // Guessed: a cable is not.
      ['metered unknown', 'free'],
      // Guessed: the DHCP server says that it is a phone.
      ['up phone', 'metered'],
      ['nmcli -w 15 device disconnect cable', 'offline'],
      ['nmcli networking off', 'offline'],
      ['nmcli networking on; metered no', 'free'],
    ])('%s reads as %s', expectAfter)

    test('a profile counts as soon as it is changed, applied or not, and watchers are told', async () => {
      await network.run('metered no')
      const sensor = sensorAt(network.busAddress)
      const seen: string[] = []
      sensor.watch(() => void sensor.read().then(({ value }) => seen.push(value.cost)))
      expect((await sensor.read()).value.cost).toBe('free')
      await network.run('profile_metered wire yes')
      await expect.poll(() => seen).toContain('metered')
      await network.run('profile_metered wire no')
      await expect.poll(() => seen.at(-1)).toBe('free')
    })
  })

  describe('where the device and its profile disagree, the stricter counts', () => {
    test('a device that is not metered, on a profile that is', async () => {
      await expectAfter('metered yes; nmcli device modify cable connection.metered no', 'metered')
      await expectAfter('metered no', 'free')
    })
    test('a device that is metered, on a profile that is not', async () => {
      await expectAfter('metered no; nmcli device modify cable connection.metered yes', 'metered')
      await expectAfter('metered no', 'free')
    })
  })

  describe('what the system does not call metered', () => {
    test('a phone by its addresses, though its profile denies it', async () => {
      await expectAfter('up iphone', 'metered', 'phone hotspot')
    })
    test('a bridge whose port is', async () => {
      await expectAfter('profile_metered in-bridge no; profile_metered bridged no; up in-bridge', 'free')
      await expectAfter('profile_metered bridged yes', 'metered', 'under a bridge')
    })
    test('a MACVLAN whose parent is', async () => {
      await expectAfter('down bridged; metered no; up overlay', 'free')
      await expectAfter('metered yes; up overlay', 'metered', 'under a MACVLAN')
      await network.run('down overlay')
    })
    test('a tunnel with the default route over a wire that is', async () => {
      // Where nothing answers, the tunnel’s route is no worse than the wire’s and goes first.
      await network.run('metered no; internet broken; up tunnel')
      await expectAfter('internet broken', 'free')
      await expectAfter('profile_metered wire yes', 'metered', 'under a VPN')
      await expectAfter('profile_metered wire no; profile_metered tunnel yes', 'metered')
      await network.run('profile_metered tunnel unknown; down tunnel; internet open; metered no')
    })
  })

  test.each([
    ['portal', 'portal'], ['broken', 'limited'], ['open', 'full'],
  ])('an internet that becomes %s: %s, and watchers are told', async (internet, reach) => {
    await network.run(`metered no; internet ${internet === 'open' ? 'broken' : 'open'}`)
    const sensor = sensorAt(network.busAddress)
    const seen: unknown[] = []
    await sensor.read()
    sensor.watch(() => void sensor.read().then(({ value }) => seen.push(value.reach)))
    await network.run(`internet ${internet}`)
    await expect.poll(() => seen.at(-1), { timeout: 15_000 }).toBe(reach)
  })

  test('a network is the same each time it is joined, and no name or address of it is told', async () => {
    const told: string[] = []
    const idAfter = async (command: string) => {
      await network.run(command)
      const reading = await sensorAt(network.busAddress).read()
      told.push(JSON.stringify(reading))
      return reading.value.id
    }
    const wire = await idAfter('up wire')
    const iphone = await idAfter('up iphone')
    expect(wire).toMatch(/^[\da-f]{12}$/)
    expect(iphone).not.toBe(wire)
    expect(await idAfter('stop_manager; start_manager; up wire')).toBe(wire)
    expect(told.join()).not.toMatch(/wire|iphone|cable|10\.99|172\.20|[\da-f]{2}(:[\da-f]{2}){5}/)
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
    expect(await sensor.read())
      .toMatchObject({ value: { cost: 'unknown' }, source: 'NetworkManager: no answer within 0.3 s' })
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
