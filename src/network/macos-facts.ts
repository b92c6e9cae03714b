import type { Link, NetworkFacts } from './links.ts'

/** One line of `netstat -rn`. */
interface Route {
  readonly destination: string
  readonly gateway: string
  readonly flags: string
  readonly name: string
}

/** What `ifconfig -v` says of one interface. */
interface Interface {
  /** `Wi-Fi`, `Cellular`, `Wired`, … */
  readonly type?: string | undefined
  /** Flags are told at all. */
  readonly flagged: boolean
  /** What NWPath calls expensive: a phone’s hotspot, a cellular modem. */
  readonly expensive: boolean
  /** Low Data Mode, which a person sets for a network. */
  readonly constrained: boolean
  /** Where a tunnel’s packets leave. */
  readonly effective?: string | undefined
}

const tunnelNames = /^(utun|ipsec|ppp|tun|tap|feth|gif|stf)\d+$/

/** The default route, and the two halves of it. */
const everything = new Set(['default', '0/1', '128.0/1', '::/1', '8000::/1'])

/** A route that holds only for what asks for this interface by name (RTF_IFSCOPE, netstat(1) flag `I`). */
const isScoped = ({ flags }: Route) => flags.includes('I')

const isTunnel = ({ name }: Route) => tunnelNames.test(name)

/** From what `netstat -rn` and `ifconfig -v` print to the links with a way out. */
export function macFacts(netstat: string, ifconfig: string): NetworkFacts {
  const routes = routesIn(netstat)
  const interfaces = interfacesIn(ifconfig)
  const defaults = routes.filter(({ destination }) => destination === 'default')
  // A VPN takes the default route, or covers it by two halves.
  const tunnels = routes.filter((route) => isTunnel(route) && !isScoped(route) && everything.has(route.destination))
  const wires = defaults.filter((route) => !isTunnel(route) && route.name !== 'lo0')
    .toSorted((a, b) => Number(isScoped(a)) - Number(isScoped(b)))
  const under = tunnels.length > 0 ? 'a VPN' : undefined
  const links = wires.map(({ name, gateway }) => linkOf(name, interfaces.get(name), gateway, under))
  const beneath = tunnels.map(({ name }) => interfaces.get(name)?.effective ?? name)
    .filter((name) => !wires.some((wire) => wire.name === name))
    .filter((name) => wires.length === 0 || !tunnelNames.test(name))
    .map((name) => linkOf(name, interfaces.get(name), undefined, under))
  const router = wires.map((wire) => hardwareAddressOf(routes, wire)).find((address) => address !== undefined)
  return { links: [...links, ...beneath], identity: router === undefined ? undefined : `router ${router}` }
}

function linkOf(
  name: string, found: Interface | undefined, gateway: string | undefined, under: string | undefined,
): Link {
  const kind: Link['kind'] = found?.type === 'Cellular' ? 'modem' : found?.type === 'Wi-Fi' ? 'wifi' : undefined
  const link = { name, kind, under, gateway: gateway !== undefined && isAddress4(gateway) ? gateway : undefined }
  // A tunnel that does not say where it leaves is not known to be free because nobody marked the tunnel.
  if (!found?.flagged || tunnelNames.test(name)) return { ...link, cost: 'unknown' }
  if (found.constrained) return { ...link, cost: 'metered', because: 'Low Data Mode' }
  return found.expensive ? { ...link, cost: 'metered', because: 'expensive to macOS' } : { ...link, cost: 'free' }
}

/** The columns are as wide as their content, and `Refs` and `Use` are gone since macOS 10.15: their heading counts. */
function routesIn(netstat: string): Route[] {
  let column = -1
  return netstat.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/)
    if (fields[0] === 'Destination') column = fields.indexOf('Netif')
    const [destination, gateway, flags] = fields
    const name = fields[column]
    if (destination === undefined || gateway === undefined || flags === undefined || name === undefined) return []
    return name === 'Netif' ? [] : [{ destination, gateway, flags, name }]
  })
}

function interfacesIn(ifconfig: string): Map<string, Interface> {
  const sections = ifconfig.split(/^(?=\S+: flags=)/m)
  return new Map(sections.map((section) => [section.slice(0, section.indexOf(':')), {
    type: /^\s+type: (.+?)\s*$/m.exec(section)?.[1],
    flagged: /^\s+eflags=/m.test(section),
    expensive: /^\s+eflags=.*\bEXPENSIVE\b/m.test(section),
    constrained: /^\s+xflags=.*\bCONSTRAINED\b/m.test(section),
    effective: /^\s+effective interface: (\S+)/m.exec(section)?.[1],
  }]))
}

/** The router’s neighbour entry is a route of its own; bytes are printed without leading zeros. */
function hardwareAddressOf(routes: readonly Route[], { name, gateway }: Route): string | undefined {
  const isHardware = /^[\da-f]{1,2}(:[\da-f]{1,2}){5}$/i
  const entry = routes.find((route) =>
    route.destination === gateway && route.name === name && isHardware.test(route.gateway))
  return entry?.gateway.toLowerCase().split(':').map((byte) => byte.padStart(2, '0')).join(':')
}

function isAddress4(text: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(text)
}
