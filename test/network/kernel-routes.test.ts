import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { kernelRoutes } from '../../src/network/kernel-routes.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const secret = () => new Uint8Array(32).fill(7)
const clock = () => suiteNow

// As Linux 6.1 writes them.
const heading = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n'
const lan = 'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n'
const zeros = '0'.repeat(32)
const noRoute6 = `${zeros} 00 ${zeros} 00 ${zeros} ffffffff 00000001 00000000 00200200       lo\n`
const route6 = (name: string) =>
  `${zeros} 00 ${zeros} 00 fd${'0'.repeat(29)}1 00000400 00000002 00000000 00000003     ${name}\n`

function route(name: string, gateway = '192.168.1.1'): string {
  const bytes = gateway.split('.').toReversed().map((byte) => Number(byte).toString(16).padStart(2, '0'))
  const hex = bytes.join('').toUpperCase()
  return `${name}\t00000000\t${hex}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n`
}

function neighbour(ip: string, address: string): string {
  return `IP address       HW type     Flags       HW address            Mask     Device
${ip}      0x1         0x2         ${address}     *        eth0
`
}

async function machine(files: Readonly<Record<string, string>>, links: Readonly<Record<string, string>> = {}) {
  const root = await temporaryFolder()
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  for (const [path, target] of Object.entries(links)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await symlink(target, join(root, path))
  }
  return kernelRoutes({ clock, secret, root })
}

const sys = 'sys/class/net'

describe('the routes of a Linux without NetworkManager', () => {
  test('a default route: online, at an unknown cost', async () => {
    const sensor = await machine({ 'proc/net/route': heading + route('eth0') + lan })
    expect(await sensor.read()).toEqual({ value: { cost: 'unknown' }, source: 'routing table', at: suiteNow })
  })
  test('an IPv6 default route alone is online as well', async () => {
    const sensor = await machine({ 'proc/net/route': heading, 'proc/net/ipv6_route': noRoute6 + route6('eth0') })
    expect((await sensor.read()).value.cost).toBe('unknown')
  })
  test('no default route: offline', async () => {
    const sensor = await machine({ 'proc/net/route': heading + lan, 'proc/net/ipv6_route': noRoute6 })
    expect((await sensor.read()).value).toEqual({ cost: 'offline' })
  })
  test('no tables: unknown, from nobody', async () => {
    expect(await (await machine({})).read()).toEqual({ value: { cost: 'unknown' }, source: 'none', at: suiteNow })
  })
  test.each([
    ['a phone by its addresses', { 'proc/net/route': heading + route('wlan0', '172.20.10.1') }, {}, 'phone hotspot'],
    ['a modem by its name', { 'proc/net/route': heading + route('wwan0') }, {}, 'mobile network'],
    ['a modem by its kind',
      { 'proc/net/route': heading + route('eth1'), [`${sys}/eth1/uevent`]: 'DEVTYPE=wwan\nINTERFACE=eth1\n' }, {},
      'mobile network'],
    ['a phone by its driver',
      { 'proc/net/route': heading + route('eth1') }, { [`${sys}/eth1/device/driver`]: '/bus/usb/drivers/rndis_host' },
      'phone by USB'],
    ['a phone under a bridge', { 'proc/net/route': heading + route('br0'), [`${sys}/br0/uevent`]: 'DEVTYPE=bridge\n' },
      { [`${sys}/br0/lower_eth1`]: '../eth1', [`${sys}/eth1/device/driver`]: '/bus/usb/drivers/rndis_host' },
      'phone by USB, under a bridge'],
    ['a phone beside a free wire',
      { 'proc/net/route': heading + route('eth0') + route('wlan0', '192.168.43.1') }, {}, 'phone hotspot'],
  ])('%s is metered', async (_claim, files, links, because) => {
    expect((await (await machine(files, links as Record<string, string>)).read()).value)
      .toEqual({ cost: 'metered', because })
  })
  test('interfaces that lie on each other come to an end', async () => {
    const loop = { [`${sys}/a/lower_b`]: '../b', [`${sys}/b/lower_a`]: '../a' }
    expect((await (await machine({ 'proc/net/route': heading + route('a') }, loop)).read()).value.cost).toBe('unknown')
  })
  test('the router is the network, its address is told to nobody', async () => {
    const at = (address: string) => machine({
      'proc/net/route': heading + route('eth0', '192.0.2.1'), 'proc/net/arp': neighbour('192.0.2.1', address),
    })
    const reading = await (await at('02:fc:00:00:00:05')).read()
    expect(reading.value.id).toMatch(/^[\da-f]{12}$/)
    expect(JSON.stringify(reading)).not.toContain('02:fc')
    expect((await (await at('02:fc:00:00:00:06')).read()).value.id).not.toBe(reading.value.id)
    expect((await (await at('00:00:00:00:00:00')).read()).value.id).toBeUndefined()
  })
})

sensorSuite('the routing table', async () => {
  const root = await temporaryFolder()
  const path = join(root, 'proc/net/route')
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, heading + route('eth0'))
  return { sensor: kernelRoutes({ clock, secret, root }), change: () => writeFile(path, heading + lan) }
}, ({ cost }) => ['unknown', 'offline'].includes(cost))
