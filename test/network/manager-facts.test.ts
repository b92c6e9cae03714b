import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stateFrom } from '../../src/network/links.ts'
import { factsFrom } from '../../src/network/manager-facts.ts'
import type { ManagerObjects } from '../../src/network/manager-facts.ts'
import type { NetworkState } from '../../src/scheduler/conditions.ts'

/** NetworkManager’s objects: properties by `path interface`, its names without their common beginning. */
type Tree = Readonly<Record<string, Readonly<Record<string, unknown>>>>

const root = '/org/freedesktop/NetworkManager'
const secret = new Uint8Array(32).fill(7)

async function stateOf(tree: Tree, more: Partial<ManagerObjects> = {}): Promise<NetworkState> {
  const facts = await factsFrom({
    manager: async (path, name) => tree[`${path.replace(root, '')} ${name}`.trim()],
    meteredSetting: async (path) => tree[path.replace(root, '')]?.['metered'] as number | undefined,
    modem: async () => undefined,
    hardwareAddress: async () => undefined,
    ...more,
  })
  if (!facts) throw new Error('no NetworkManager')
  return stateFrom(facts, secret)
}

const at = (...paths: string[]) => paths.map((path) => `${root}${path}`)

/** The manager with these active connections, the first of which is primary. */
const manager = (...actives: string[]): Tree => ({
  '': {
    State: 70, Connectivity: 4, Metered: 0, PrimaryConnection: at(...actives)[0], ActiveConnections: at(...actives),
  },
})

/** An active connection on a device: it leads unless `rest` says otherwise, and routes by 192.168.1.1. */
function connection(name: string, device: string, rest: Record<string, unknown> = {}, gateway = '192.168.1.1'): Tree {
  return {
    [`/A/${name} Connection.Active`]: {
      State: 2, Uuid: `uuid-${name}`, Connection: at(`/S/${name}`)[0], Devices: at(device),
      Ip4Config: at(`/4/${name}`)[0], Ip6Config: '/', ...rest,
    },
    [`/4/${name} IP4Config`]: { Gateway: gateway },
  }
}

const device = (path: string, type: number, metered: number, rest: Record<string, unknown> = {}): Tree => ({
  [`${path} Device`]: {
    DeviceType: type, Interface: path.slice(3), Driver: 'r8169', Metered: metered, Ports: [], ...rest,
  },
})

const ethernet = (metered: number): Tree => device('/D/wire', 1, metered)
const metered = (name: string, value: number): Tree => ({ [`/S/${name}`]: { metered: value } })

describe('device and profile, the stricter counts', () => {
  // NMMetered of the device, connection.metered of the profile.
  test.each<[number, number | undefined, NetworkState['cost']]>([
    [0, undefined, 'unknown'], [1, 1, 'metered'], [2, 2, 'free'], [3, 0, 'metered'], [4, 0, 'free'], [0, 0, 'unknown'],
    [4, 1, 'metered'], [2, 1, 'metered'], [1, 2, 'metered'], [3, 2, 'metered'], [0, 2, 'free'], [0, 1, 'metered'],
  ])('device %d, profile %s: %s', async (onDevice, inProfile, cost) => {
    const tree = {
      ...manager('/A/home'), ...connection('home', '/D/wire'), ...ethernet(onDevice),
      ...(inProfile !== undefined && metered('home', inProfile)),
    }
    expect((await stateOf(tree)).cost).toBe(cost)
  })
})

describe('what lies under a tunnel counts', () => {
  const tunnel = (type: number): Tree => ({
    ...connection('work', '/D/tunnel', {}, '10.8.0.1'), ...device('/D/tunnel', type, 4, { Driver: 'tun' }),
  })

  test.each([[16, 'TUN'], [29, 'WireGuard']])('type %d (%s) over a metered wire', async (type) => {
    const tree = { ...manager('/A/work', '/A/home'), ...tunnel(type), ...connection('home', '/D/wire'), ...ethernet(1) }
    expect(await stateOf(tree)).toMatchObject({ cost: 'metered', because: 'under a VPN' })
  })
  test('the network under it is the one that is named', async () => {
    const wire = { ...connection('home', '/D/wire'), ...ethernet(2) }
    const alone = await stateOf({ ...manager('/A/home'), ...wire })
    expect((await stateOf({ ...manager('/A/work', '/A/home'), ...tunnel(29), ...wire })).id).toBe(alone.id)
  })
  test('a wire without a router counts when the tunnel has the only default route', async () => {
    const tree = {
      ...manager('/A/work', '/A/home'), ...tunnel(29), ...connection('home', '/D/wire', {}, ''), ...ethernet(3),
    }
    expect(await stateOf(tree)).toMatchObject({ cost: 'metered', because: 'under a VPN' })
  })
  test('a tunnel that a person marked makes a free wire metered', async () => {
    const tree = {
      ...manager('/A/work', '/A/home'), ...tunnel(29), ...metered('work', 1), ...connection('home', '/D/wire'),
      ...ethernet(2),
    }
    expect((await stateOf(tree)).cost).toBe('metered')
  })
  test('a VPN plugin’s connection lies on the device it names', async () => {
    const vpn = connection('office', '/D/wire', { Vpn: true, Default: true }, '')
    const tree = { ...manager('/A/home', '/A/office'), ...vpn, ...connection('home', '/D/wire'), ...ethernet(3) }
    expect(await stateOf(tree)).toMatchObject({ cost: 'metered', because: 'under a VPN' })
  })
})

describe('what carries others counts as they do', () => {
  const over = (type: number, name: string, lower: object): Tree =>
    ({ ...connection('home', '/D/over'), ...device('/D/over', type, 4), [`/D/over ${name}`]: { ...lower } })

  test.each<[string, number, string, object]>([
    ['a bridge', 13, 'Device.Bridge', { Slaves: at('/D/wire') }],
    ['a bond', 10, 'Device.Bond', { Slaves: at('/D/wire') }],
    ['a bond', 15, 'Device.Team', { Slaves: at('/D/wire') }],
    ['a VLAN', 11, 'Device.Vlan', { Parent: at('/D/wire')[0] }],
    ['a MACVLAN', 18, 'Device.Macvlan', { Parent: at('/D/wire')[0] }],
    ['a VPN', 17, 'Device.IPTunnel', { Parent: at('/D/wire')[0] }],
  ])('%s (type %d)', async (words, type, name, lower) => {
    expect(await stateOf({ ...manager('/A/home'), ...over(type, name, lower), ...ethernet(3) }))
      .toMatchObject({ cost: 'metered', because: `under ${words}` })
    expect(await stateOf({ ...manager('/A/home'), ...over(type, name, lower), ...ethernet(4) }))
      .toMatchObject({ cost: 'free' })
  })
  test('a bridge that is metered makes its free port so', async () => {
    const bridge = { ...over(13, 'Device.Bridge', { Slaves: at('/D/wire') }), ...device('/D/over', 13, 3) }
    expect((await stateOf({ ...manager('/A/home'), ...bridge, ...ethernet(4) })).cost).toBe('metered')
  })
  test('the worst of a bond’s two wires', async () => {
    const lower = { Slaves: at('/D/wire', '/D/phone') }
    const tree = {
      ...manager('/A/home'), ...over(10, 'Device.Bond', lower), ...ethernet(4),
      ...device('/D/phone', 1, 4, { Driver: 'rndis_host' }),
    }
    expect(await stateOf(tree)).toMatchObject({ cost: 'metered', because: 'phone by USB, under a bond' })
  })
  test('a bridge in itself comes to an end', async () => {
    const tree = { ...manager('/A/home'), ...over(13, 'Device.Bridge', { Slaves: at('/D/over') }) }
    expect(['free', 'unknown']).toContain((await stateOf(tree)).cost)
  })
})

describe('other links with a way out count', () => {
  const second = { Default: false }
  test('a metered one behind a free one', async () => {
    const tree = {
      ...manager('/A/home', '/A/phone'), ...connection('home', '/D/wire'), ...ethernet(2),
      ...connection('phone', '/D/radio', second), ...device('/D/radio', 2, 3),
    }
    expect((await stateOf(tree)).cost).toBe('metered')
  })
  test('but not one that leads nowhere', async () => {
    const tree = {
      ...manager('/A/home', '/A/lab'), ...connection('home', '/D/wire'), ...ethernet(2),
      ...connection('lab', '/D/radio', second, ''), ...device('/D/radio', 2, 3),
    }
    expect((await stateOf(tree)).cost).toBe('free')
  })
  test('nor one that is still connecting', async () => {
    const tree = {
      ...manager('/A/home', '/A/phone'), ...connection('home', '/D/wire'), ...ethernet(2),
      ...connection('phone', '/D/radio', { State: 1 }), ...device('/D/radio', 2, 3),
    }
    expect((await stateOf(tree)).cost).toBe('free')
  })
})

describe('radios', () => {
  const wifi = (ssid: string): Tree => ({
    ...manager('/A/home'), ...connection('home', '/D/radio'), ...device('/D/radio', 2, 4),
    '/D/radio Device.Wireless': { ActiveAccessPoint: at('/AP')[0] }, '/AP AccessPoint': { Ssid: Buffer.from(ssid) },
  })
  test('a Wi-Fi by its name', async () => {
    expect(await stateOf(wifi('Ann’s iPhone'))).toMatchObject({ cost: 'metered', because: 'phone hotspot' })
    expect(await stateOf(wifi('Café'))).toMatchObject({ cost: 'free' })
  })
  test('a modem is metered, and roams when ModemManager says so', async () => {
    const tree = {
      ...manager('/A/home'), ...connection('home', '/D/modem'),
      ...device('/D/modem', 8, 2, { Udi: '/org/freedesktop/ModemManager1/Modem/0' }),
    }
    const registered = (state: number) => ({ modem: async () => ({ RegistrationState: state }) })
    expect(await stateOf(tree)).toMatchObject({ cost: 'metered', because: 'mobile network' })
    expect(await stateOf(tree, registered(1))).toMatchObject({ cost: 'metered' })
    expect(await stateOf(tree, registered(5))).toMatchObject({ cost: 'roaming' })
  })
  test('a phone by Bluetooth', async () => {
    const tree = { ...manager('/A/home'), ...connection('home', '/D/bt'), ...device('/D/bt', 5, 4) }
    expect(await stateOf(tree)).toMatchObject({ cost: 'metered', because: 'phone by Bluetooth' })
  })
})

describe('identity', () => {
  const tree = (flags: number): Tree => ({
    ...manager('/A/home'), ...connection('home', '/D/wire'), ...ethernet(2),
    '/S/home Settings.Connection': { Flags: flags },
  })
  const neighbour = (address: string) => ({
    hardwareAddress: async (ip: string) => ip === '192.168.1.1' ? address : undefined,
  })
  test('is the profile’s', async () => {
    const { id } = await stateOf(tree(0))
    expect(id).toMatch(/^[\da-f]{12}$/)
    expect((await stateOf(tree(0), neighbour('02:00:00:00:00:01'))).id).toBe(id)
  })
  test('is the router’s where the profile is made up each time, and missing without one', async () => {
    const one = (await stateOf(tree(8), neighbour('02:00:00:00:00:01'))).id
    expect(one).toMatch(/^[\da-f]{12}$/)
    expect((await stateOf(tree(8), neighbour('02:00:00:00:00:02'))).id).not.toBe(one)
    expect((await stateOf(tree(8))).id).toBeUndefined()
  })
})

test.each([
  [0, 'unknown'], [1, 'limited'], [2, 'portal'], [3, 'limited'], [4, 'full'],
])('connectivity %d reaches %s', async (connectivity, reach) => {
  const tree = { ...manager('/A/home'), ...connection('home', '/D/wire'), ...ethernet(2) }
  expect(await stateOf({ ...tree, '': { ...tree[''], Connectivity: connectivity } }))
    .toMatchObject({ cost: 'free', reach })
})

test.each([10, 20, 30, 40])('state %d is offline', async (state) => {
  expect(await stateOf({ '': { State: state, Connectivity: 1 } })).toEqual({ cost: 'offline', reach: 'limited' })
})

test('objects that went while they were asked for leave what the manager itself says', async () => {
  const left = { State: 70, Connectivity: 4, Metered: 3, PrimaryConnection: '/gone', ActiveConnections: ['/gone'] }
  expect(await stateOf({ '': left })).toEqual({ cost: 'metered', reach: 'full' })
})

test('whatever NetworkManager’s answers are, there is a reading, and no name in it', async () => {
  const path = fc.constant('/org/x')
  const junk = fc.oneof(fc.integer(), fc.string(), path, fc.boolean(), fc.array(fc.string()), fc.constant(null))
  const names = ['Metered', 'State', 'Devices', 'Uuid', 'DeviceType', 'Ports', 'Slaves', 'Gateway', 'Ip4Config', 'Ssid']
  const some = fc.dictionary(fc.constantFrom(...names), junk)
  await fc.assert(fc.asyncProperty(some, some, some, some, async (active, wire, radio, accessPoint) => {
    const tree = {
      ...manager('/A/home'),
      '/A/home Connection.Active': { State: 2, Devices: at('/D/wire'), ...active },
      '/D/wire Device': { ...wire, Interface: 'secret-name' },
      '/D/wire Device.Wireless': { ActiveAccessPoint: at('/AP')[0], ...radio },
      '/AP AccessPoint': { Ssid: Buffer.from('secret-name hotspot'), ...accessPoint },
    }
    expect(JSON.stringify(await stateOf(tree))).not.toContain('secret-name')
  }))
})
