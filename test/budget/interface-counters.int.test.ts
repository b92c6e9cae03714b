import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Systeminformation } from 'systeminformation'
import { describe, expect, test } from 'vitest'
import { linuxInterfaces, otherInterfaces, readInterfaces } from '../../src/budget/interface-counters.ts'
import { parseNetDev } from '../../src/budget/proc-net.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const isLinux = process.platform === 'linux'

interface FixtureDevice {
  readonly type?: number
  readonly isHardware?: boolean
  readonly isTunTap?: boolean
  readonly state?: string
  readonly bytes?: readonly [received: number, sent: number]
}

/** The files of a machine with these devices, with default routes of IPv4 and IPv6 over some of them. */
async function machine(devices: Readonly<Record<string, FixtureDevice>>, routes: readonly string[], ipv6Routes: readonly string[] = []): Promise<string> {
  const root = await temporaryFolder()
  const put = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  const zeros = '0'.repeat(32)
  const rows = Object.entries(devices).map(([name, { bytes = [0, 0] }]) => `${name.padStart(6)}: ${bytes[0]} 1 0 0 0 0 0 0 ${bytes[1]} 2 0 0 0 0 0 0`)
  await put('proc/net/dev', ['Inter-|   Receive  |  Transmit', ' face |bytes    packets|bytes    packets', ...rows, ''].join('\n'))
  await put('proc/net/route', ['Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    ...routes.map((name) => `${name}\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0`), 'docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0', ''].join('\n'))
  await put('proc/net/ipv6_route', [...ipv6Routes.map((name) => `${zeros} 00 ${zeros} 00 fe80000000000000000000000000000001 00000400 00000002 00000000 00000003 ${name.padStart(8)}`),
    `${zeros} 00 ${zeros} 00 ${zeros} ffffffff 00000001 00000000 00200200       lo`, ''].join('\n'))
  await put('proc/sys/kernel/random/boot_id', 'boot\n')
  for (const [index, [name, { type = 1, isHardware = false, isTunTap = false, state = 'up' }]] of Object.entries(devices).entries()) {
    await put(`sys/class/net/${name}/type`, `${type}\n`)
    await put(`sys/class/net/${name}/ifindex`, `${index + 1}\n`)
    await put(`sys/class/net/${name}/operstate`, `${state}\n`)
    if (isHardware) await put(`sys/class/net/${name}/device/uevent`, '')
    if (isTunTap) await put(`sys/class/net/${name}/tun_flags`, '0x1002\n')
  }
  return root
}

const lo = { type: 772, state: 'unknown' }
const card = { isHardware: true }
const container = { veth1: {}, docker0: {} }
const tun = { type: 65534, isTunTap: true, state: 'unknown' }

describe('what leads to the internet', () => {
  test.each([
    ['a card, beside containers', { lo, eth0: card, ...container }, ['eth0'], ['eth0']],
    ['Wi-Fi and a cable at once', { lo, eth0: card, wlan0: card }, ['wlan0', 'eth0'], ['eth0', 'wlan0']],
    ['the cable alone while the radio is idle', { lo, eth0: card, wlan0: { ...card, state: 'down' } }, ['eth0'], ['eth0']],
    ['the card under a VPN that has a default route of its own', { eth0: card, tun0: tun }, ['tun0', 'eth0'], ['eth0']],
    ['the card under a VPN that took all default routes', { eth0: card, wlan0: { ...card, state: 'down' }, tun0: tun }, ['tun0'], ['eth0']],
    ['the card under a VPN of Ethernet frames', { eth0: card, tap0: { isTunTap: true } }, ['tap0', 'eth0'], ['eth0']],
    ['the card under WireGuard', { wlan0: card, wg0: { type: 65534, state: 'unknown' } }, ['wg0'], ['wlan0']],
    ['a bridge, in place of its ports', { eth0: card, br0: {} }, ['br0'], ['br0']],
    ['a modem that speaks IP alone', { eth0: card, wwan0: { type: 65534, isHardware: true, state: 'unknown' } }, ['wwan0'], ['wwan0']],
    ['the card under PPPoE', { eth0: card, ppp0: { type: 512, state: 'unknown' } }, ['ppp0'], ['eth0']],
    ['a PPP modem where nothing else is up', { wlan0: { ...card, state: 'down' }, ppp0: { type: 512, state: 'unknown' } }, ['ppp0'], ['ppp0']],
    ['a container’s own device', { lo, eth0: {} }, ['eth0'], ['eth0']],
    ['nothing without a default route', { lo, eth0: card }, [], []],
  ])('is %s', async (_, devices, routes, expected) => {
    const found = await linuxInterfaces(await machine(devices, routes))
    expect(found.filter(({ isUplink }) => isUplink).map(({ key }) => key.split('/').at(-1)).sort()).toEqual(expected)
  })
  test('is known by IPv6 routes too', async () => {
    const found = await linuxInterfaces(await machine({ lo, eth0: card }, [], ['eth0']))
    expect(found).toEqual([{ key: 'boot/2/eth0', receivedBytes: 0, sentBytes: 0, isUplink: true }])
  })
  test('is counted with its bytes in both directions, and so is hardware that does not lead there now', async () => {
    const root = await machine({ lo: { ...lo, bytes: [9, 9] }, eth0: { ...card, bytes: [2 ** 40, 12] }, wlan0: { ...card, bytes: [5, 6] }, veth1: { bytes: [7, 8] } }, ['eth0'])
    expect(await linuxInterfaces(root)).toEqual([
      { key: 'boot/2/eth0', receivedBytes: 2 ** 40, sentBytes: 12, isUplink: true }, { key: 'boot/3/wlan0', receivedBytes: 5, sentBytes: 6, isUplink: false },
    ])
  })
  test('is nothing where there is no /proc', async () => {
    expect(await linuxInterfaces(await temporaryFolder())).toEqual([])
  })
})

test('counters are read however the kernel pads them', () => {
  const text = 'Inter-|   Receive\n face |bytes\n    lo:6386 58 0 0 0 0 0 0 6387 58 0 0 0 0 0 0\nenp0s31f6: 1613131442   43354    0    0    0     0          0         0  3851586   29652    0    0    0     0       0          0\n'
  expect([...parseNetDev(text)]).toEqual([['lo', { receivedBytes: 6386, sentBytes: 6387 }], ['enp0s31f6', { receivedBytes: 1613131442, sentBytes: 3851586 }]])
})

test.skipIf(!isLinux)('this machine’s own counters are read (Linux only)', async () => {
  for (const { key, receivedBytes, sentBytes } of await readInterfaces('linux')) {
    expect(key).toMatch(/^[0-9a-f-]{36}\/\d+\/[^/]+$/)
    expect(receivedBytes + sentBytes).toBeGreaterThanOrEqual(0)
  }
})

/** Moves bytes over loopback of a network namespace of its own, and prints /proc/net/dev before and after. */
const moveInNamespace = 'ip link set lo up; cat /proc/net/dev; echo ---; "$0" "$1"; cat /proc/net/dev'
const canUnshare = isLinux && existsSync('/usr/bin/unshare') && process.getuid?.() === 0

test.skipIf(!canUnshare)('the kernel’s counters grow by what is sent (Linux, root and unshare only)', async () => {
  const folder = await temporaryFolder()
  const script = join(folder, 'move.mjs')
  await writeFile(script, `import { createServer, connect } from 'node:net'
    const server = createServer((socket) => socket.resume().on('end', () => { socket.destroy(); server.close() }))
    server.listen(0, '127.0.0.1', () => connect(server.address().port, '127.0.0.1').end(Buffer.alloc(1000000)))`)
  const [before = '', after = ''] = execFileSync('unshare', ['-n', 'sh', '-c', moveInNamespace, process.execPath, script], { encoding: 'utf8' }).split('---\n')
  const moved = (parseNetDev(after).get('lo')?.sentBytes ?? 0) - (parseNetDev(before).get('lo')?.sentBytes ?? 0)
  expect(moved).toBeGreaterThan(1_000_000)
  expect(moved).toBeLessThan(1_100_000)
})

describe('elsewhere', () => {
  const nic = (fields: Partial<Systeminformation.NetworkInterfacesData>) =>
    ({ iface: 'en0', mac: 'aa:bb:cc:dd:ee:ff', internal: false, virtual: false, operstate: 'up', ip4: '192.0.2.2', ip6: '', ...fields }) as Systeminformation.NetworkInterfacesData
  const stats = (iface: string, received: number, sent: number) => ({ iface, rx_bytes: received, tx_bytes: sent }) as Systeminformation.NetworkStatsData

  test('hardware that is up and has an address counts; loopback, tunnels and virtual adapters do not', async () => {
    const asked: string[] = []
    const found = await otherInterfaces({
      networkInterfaces: async () => [nic({}), nic({ iface: 'lo0', internal: true }), nic({ iface: 'utun3', mac: '' }), nic({ iface: 'vEthernet', virtual: true }), nic({ iface: 'en1', operstate: 'down', ip4: '' })],
      networkStats: async (names) => {
        asked.push(names)
        return [stats('en0', 100, 20), stats('en1', 5, 0)]
      },
    })
    expect(asked).toEqual(['en0,en1'])
    expect(found).toEqual([{ key: 'en0', receivedBytes: 100, sentBytes: 20, isUplink: true }, { key: 'en1', receivedBytes: 5, sentBytes: 0, isUplink: false }])
  })
  test('a reading that failed gives no counters', async () => {
    const failed = { networkInterfaces: async () => [nic({})], networkStats: async () => [stats('en0', 0, 0)] }
    expect(await otherInterfaces(failed)).toEqual([])
    expect(await otherInterfaces({ ...failed, networkStats: async () => [stats('en0', NaN, 0)] })).toEqual([])
    expect(await otherInterfaces({ ...failed, networkInterfaces: async () => [] })).toEqual([])
  })
})
