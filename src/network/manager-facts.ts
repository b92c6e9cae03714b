import type { NetworkCost, NetworkState } from '../scheduler/conditions.ts'
import type { Link, NetworkFacts } from './links.ts'

/**
 * From NetworkManager’s objects to what it says of the network (networkmanager.dev, D-Bus API; its numbers are those of
 * "Types and Values"). No other room of this program knows those objects.
 */

type Properties = Readonly<Record<string, unknown>>

/** How objects are asked for. What is gone, or was never there, is undefined. */
export interface ManagerObjects {
  /** Properties of an interface, named without `org.freedesktop.NetworkManager.`; `''` is the manager’s own. */
  manager(path: string, name: string): Promise<Properties | undefined>
  /** `connection.metered` of a profile: 0 unknown, 1 yes, 2 no. */
  meteredSetting(path: string): Promise<number | undefined>
  /** Modem3gpp properties of ModemManager’s modem. */
  modem(path: string): Promise<Properties | undefined>
  /** Hardware address of a neighbour, for networks that have no profile. */
  hardwareAddress(ip: string): Promise<string | undefined>
}

const managerPath = '/org/freedesktop/NetworkManager'

/** NMState below 50: asleep, disconnected, disconnecting or connecting. 0 is NetworkManager's own "unknown". */
const firstConnectedState = 50

const activated = 2

/** NMDeviceType, as far as it matters here. */
const kinds: Readonly<Record<number, Link['kind']>> = { 2: 'wifi', 5: 'bluetooth', 6: 'wifi', 8: 'modem' }

/** Devices that carry nothing by themselves: the interface that names what they lie on, and their name for a person. */
const covers: Readonly<Record<number, { readonly name: string, readonly under: string }>> = {
  10: { name: 'Device.Bond', under: 'a bond' },
  11: { name: 'Device.Vlan', under: 'a VLAN' },
  13: { name: 'Device.Bridge', under: 'a bridge' },
  15: { name: 'Device.Team', under: 'a bond' },
  17: { name: 'Device.IPTunnel', under: 'a VPN' },
  18: { name: 'Device.Macvlan', under: 'a MACVLAN' },
  19: { name: 'Device.Vxlan', under: 'a VPN' },
  21: { name: 'Device.Macsec', under: 'MACsec' },
  31: { name: 'Device.Vrf', under: 'a VRF' },
}

/** Tunnels name nothing beneath them: 16 TUN and TAP, 17 and 19 without a parent, 29 WireGuard. */
const tunnels = new Set([16, 17, 19, 29])

/** NMSettingsConnectionFlags "volatile" and "external": made up anew each time, so its UUID names nothing. */
const passingProfile = 0x4 | 0x8

/** An active connection with what hangs on it. */
interface Active {
  readonly uuid: string
  readonly vpn: boolean
  /** Owns the default route, or is what NetworkManager calls primary. */
  readonly leads: boolean
  readonly gateway: string | undefined
  readonly anyGateway: boolean
  readonly devices: readonly string[]
  readonly metered: boolean | undefined
  readonly passing: boolean
}

/** What NetworkManager says; undefined when there is none. */
export async function factsFrom(objects: ManagerObjects): Promise<NetworkFacts | undefined> {
  const manager = await objects.manager(managerPath, '')
  if (!manager) return undefined
  const reach = reachFrom(manager['Connectivity'])
  const state = manager['State']
  if (typeof state === 'number' && state > 0 && state < firstConnectedState) return { links: [], reach }
  const primary = pathIn(manager['PrimaryConnection'])
  const found = (await Promise.all(pathsIn(manager['ActiveConnections']).map(async (path) => {
    const active = await activeAt(objects, path, primary)
    if (!active) return []
    const devices = await Promise.all(active.devices.map((device) => devicesAt(objects, device, active)))
    return [{ active, devices: devices.flat() }]
  }))).flat()
  const links = linksOf(found)
  const whole: Link = { name: '', cost: meteredCost(manager['Metered']) }
  return {
    links: links.length === 0 || whole.cost === 'metered' ? [...links, whole] : links,
    identity: await identityOf(objects, found),
    reach,
  }
}

async function activeAt(
  objects: ManagerObjects, path: string, primary: string | undefined,
): Promise<Active | undefined> {
  const active = await objects.manager(path, 'Connection.Active')
  if (active?.['State'] !== activated) return undefined
  const profile = pathIn(active['Connection'])
  const [ip4, ip6, settings, setting] = await Promise.all([
    ask(objects, active['Ip4Config'], 'IP4Config'),
    ask(objects, active['Ip6Config'], 'IP6Config'),
    ask(objects, profile, 'Settings.Connection'),
    profile === undefined ? undefined : objects.meteredSetting(profile),
  ])
  const gateway = textIn(ip4?.['Gateway'])
  return {
    gateway, uuid: textIn(active['Uuid']) ?? '', vpn: active['Vpn'] === true, devices: pathsIn(active['Devices']),
    leads: path === primary || active['Default'] === true || active['Default6'] === true,
    anyGateway: gateway !== undefined || textIn(ip6?.['Gateway']) !== undefined,
    metered: setting === 1 ? true : setting === 2 ? false : undefined,
    passing: (Number(settings?.['Flags'] ?? 0) & passingProfile) !== 0,
  }
}

/** An active connection with the devices it comes down to. */
interface Found {
  readonly active: Active
  readonly devices: readonly Device[]
}

interface Device {
  readonly tunnel: boolean
  readonly link: Link
}

const isWire = ({ tunnel }: Device): boolean => !tunnel

/**
 * Every wire, radio and modem with a way out: which of them is used next, the kernel decides. A tunnel counts as what
 * the machine reaches its far end by, which is one of those.
 */
function linksOf(found: readonly Found[]): readonly Link[] {
  const tunnelled = found.some(({ active, devices }) => active.leads && (active.vpn || !devices.every(isWire)))
  const wires = found.flatMap(({ active, devices }) =>
    devices.filter(isWire).map(({ link }) => ({ link, out: active.leads || active.anyGateway })))
  const out = wires.filter((wire) => wire.out)
  const beneath = (out.length > 0 || !tunnelled ? out : wires).map(({ link }) =>
    tunnelled && link.under === undefined ? { ...link, under: 'a VPN' } : link)
  // What a person set for the tunnel itself counts too.
  const own = found.filter(({ active }) => active.leads).flatMap(({ devices }) => devices)
    .filter(({ tunnel, link }) => tunnel && link.cost === 'metered')
  return [...beneath, ...own.map(({ link }) => link)]
}

/** Deep enough for a VLAN on a bond on two wires, and an end to whatever points at itself. */
const deepest = 4

interface Above {
  readonly metered: boolean
  readonly under: string | undefined
}

async function devicesAt(
  objects: ManagerObjects, path: string, active: Active, above: Above = { metered: false, under: undefined }, depth = 0,
): Promise<readonly Device[]> {
  const device = await objects.manager(path, 'Device')
  if (!device) return []
  const type = Number(device['DeviceType'])
  const cost = deviceCost(device, active, above.metered)
  const cover = covers[type]
  if (cover && depth < deepest) {
    const special = await objects.manager(path, cover.name)
    const lower = new Set([special?.['Parent'], special?.['Slaves'], device['Ports']].flatMap(pathsIn))
    const next = { metered: cost === 'metered', under: above.under ?? cover.under }
    const beneath = await Promise.all([...lower].map((below) => devicesAt(objects, below, active, next, depth + 1)))
    if (beneath.some((found) => found.length > 0)) return beneath.flat()
  }
  const link: Link = {
    name: textIn(device['Interface']) ?? '', kind: kinds[type], driver: textIn(device['Driver']),
    gateway: active.gateway,
    ssid: type === 2 ? await ssidAt(objects, path) : undefined,
    cost: type === 8 && await roams(objects, device['Udi']) ? 'roaming' : cost, under: above.under,
  }
  return [{ link, tunnel: tunnels.has(type) }]
}

/** The stricter of what the device, its profile and what lies above say. */
function deviceCost(device: Properties, { metered, vpn }: Active, aboveIsMetered: boolean): NetworkCost {
  if (aboveIsMetered || metered === true) return 'metered'
  const cost = meteredCost(device['Metered'])
  return cost === 'unknown' && metered === false && !vpn ? 'free' : cost
}

async function ssidAt(objects: ManagerObjects, path: string): Promise<string | undefined> {
  const wireless = await objects.manager(path, 'Device.Wireless')
  const ssid = (await ask(objects, wireless?.['ActiveAccessPoint'], 'AccessPoint'))?.['Ssid']
  return ssid instanceof Uint8Array ? Buffer.from(ssid).toString('utf8') : undefined
}

/** MMModem3gppRegistrationState: 5 roaming, 7 roaming for SMS only, 10 roaming without fallback. */
const roamingStates = new Set<unknown>([5, 7, 10])

async function roams(objects: ManagerObjects, udi: unknown): Promise<boolean> {
  const path = textIn(udi)
  if (path?.startsWith('/org/freedesktop/ModemManager1/') !== true) return false
  return roamingStates.has((await objects.modem(path))?.['RegistrationState'])
}

/** The profile of the wire is the network, except where it was made up on the spot: there it is the router. */
async function identityOf(objects: ManagerObjects, found: readonly Found[]): Promise<string | undefined> {
  const wires = found.filter(({ active, devices }) => !active.vpn && devices.some(isWire)).map(({ active }) => active)
  const active = wires.find(({ leads }) => leads) ?? wires.find(({ anyGateway }) => anyGateway)
  if (!active) return undefined
  if (!active.passing && active.uuid !== '') return `connection ${active.uuid}`
  const address = active.gateway === undefined ? undefined : await objects.hardwareAddress(active.gateway)
  return address === undefined ? undefined : `router ${address}`
}

/** NMMetered: 1 yes, 2 no, 3 and 4 the same guessed, 0 unknown. */
function meteredCost(metered: unknown): NetworkCost {
  if (metered === 1 || metered === 3) return 'metered'
  return metered === 2 || metered === 4 ? 'free' : 'unknown'
}

/** NMConnectivityState: 0 unknown, 1 none, 2 portal, 3 limited, 4 full. */
function reachFrom(connectivity: unknown): NonNullable<NetworkState['reach']> {
  if (connectivity === 4) return 'full'
  if (connectivity === 2) return 'portal'
  return connectivity === 1 || connectivity === 3 ? 'limited' : 'unknown'
}

async function ask(objects: ManagerObjects, path: unknown, name: string): Promise<Properties | undefined> {
  const known = pathIn(path)
  return known === undefined ? undefined : objects.manager(known, name)
}

function pathIn(value: unknown): string | undefined {
  return typeof value === 'string' && value.length > 1 && value.startsWith('/') ? value : undefined
}

/** One path or several. */
function pathsIn(value: unknown): string[] {
  return (Array.isArray(value) ? value as unknown[] : [value]).map(pathIn).filter((path) => path !== undefined)
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
