import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { keepBus } from '../../src/network/system-bus.ts'
import type { KeptBus } from '../../src/network/system-bus.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { startPrivatePower, whyNoPrivatePower } from './private-power.ts'

function kept(address: string, onLost = () => {}, rules: readonly string[] = []): KeptBus {
  const bus = keepBus({ address, limitMs: 200, rules, onSignal: () => {}, onLost })
  onTestFinished(() => bus.close())
  return bus
}

/** A socket that takes connections and never answers. */
async function deafBus() {
  const path = join(await temporaryFolder(), 'bus')
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket)).resume()
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { address: `unix:path=${path}`, sockets, connections: () => connections }
}

describe('a kept connection', () => {
  test('is not tried where there is no bus', async () => {
    expect(await kept('unix:path=/nonexistent/bus').use(async () => 'used')).toBeUndefined()
  })
  test('to a bus that does not answer is given up, and tried anew by the next use', async () => {
    const { address, sockets, connections } = await deafBus()
    const bus = kept(address)
    await expect(bus.use(async () => 'used')).rejects.toThrow('no answer within 0.2 s')
    await expect(bus.use(async () => 'used')).rejects.toThrow('no answer within 0.2 s')
    expect(connections()).toBe(2)
    await expect.poll(() => sockets.size).toBe(0)
  })
  test('is not made after a close, nor by a use that a close overtakes', async () => {
    const { address, connections } = await deafBus()
    const bus = kept(address)
    const overtaken = bus.use(async () => 'used')
    await bus.close()
    expect(await overtaken).toBeUndefined()
    expect(await bus.use(async () => 'used')).toBeUndefined()
    expect(connections()).toBe(0)
  })

  const missing = whyNoPrivatePower()
  test.skipIf(missing !== undefined)(`serves every use, survives what a use does wrong, and is made anew when it broke${missing === undefined ? '' : ` (skipped: ${missing})`}`, async () => {
    await using power = await startPrivatePower()
    const bus = kept(power.busAddress)
    const seen = new Set<unknown>()
    const owners = () => bus.use(async (open) => {
      seen.add(open)
      return await open.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'ListNames')
    })
    expect((await owners())?.[0]).toContain('org.freedesktop.UPower')
    await expect(bus.use((open) => open.call('org.freedesktop.UPower', '/nowhere', 'org.freedesktop.UPower', 'Nothing'))).rejects.toBeDefined()
    expect(await bus.use((open) => open.call('org.example.Nobody', '/', 'org.example.Nobody', 'Nothing'))).toBeUndefined()
    await owners()
    expect(seen.size).toBe(1)
    await power.run('hang upower')
    await expect(bus.use((open) => open.properties('org.freedesktop.UPower', '/org/freedesktop/UPower', 'org.freedesktop.UPower'))).rejects.toThrow('no answer')
    await power.run('wake upower')
    await owners()
    expect(seen.size).toBe(2)
    await bus.close()
  })
})
