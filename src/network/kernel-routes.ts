import { access, readFile, readdir, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { NetworkState, Reading } from '../scheduler/conditions.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import type { Link } from './links.ts'
import { stateFrom } from './links.ts'
import { defaultRoutes4, defaultRoutes6, neighbourIn } from './route-table.ts'
import type { Route } from './route-table.ts'

export interface KernelRoutesOptions {
  readonly clock: () => number
  /** For identities; read at the first need. */
  readonly secret?: (() => Uint8Array | undefined) | undefined
  /** Default `/`. */
  readonly root?: string
}

/**
 * Network of a Linux without NetworkManager: offline without a default route, `metered` where the link looks like a
 * phone’s, and `unknown` otherwise, for nobody here says what a network costs. It cannot be watched.
 */
export function kernelRoutes({ clock, secret, root = '/' }: KernelRoutesOptions): Sensor<NetworkState> {
  const table = (name: string) => readFile(join(root, 'proc/net', name), 'utf8').catch(() => undefined)
  return {
    read: async (): Promise<Reading<NetworkState>> => {
      const [routes4, routes6, neighbours] = await Promise.all(['route', 'ipv6_route', 'arp'].map(table))
      if (routes4 === undefined && routes6 === undefined) {
        return { value: { cost: 'unknown' }, source: 'none', at: clock() }
      }
      const routes = [...defaultRoutes4(routes4 ?? ''), ...defaultRoutes6(routes6 ?? '')]
      const links = (await Promise.all(routes.map((route) => linksUnder(root, route)))).flat()
      const router = routes.find(({ gateway }) => gateway !== undefined)?.gateway
      const address = router === undefined ? undefined : neighbourIn(neighbours ?? '', router)
      const identity = address === undefined ? undefined : `router ${address}`
      return { value: stateFrom({ links, identity }, secret?.()), source: 'routing table', at: clock() }
    },
    close: async () => {},
  }
}

/** Hardware address of a neighbour, as the kernel knows it now. */
export async function hardwareAddress(ip: string, root = '/'): Promise<string | undefined> {
  return neighbourIn(await readFile(join(root, 'proc/net/arp'), 'utf8').catch(() => ''), ip)
}

/** Deep enough for a VLAN on a bond on two wires. */
const deepest = 4

/** The wires below an interface (`lower_…` in sysfs), or itself. */
async function linksUnder(root: string, { name, gateway }: Route, under?: string, depth = 0): Promise<Link[]> {
  const folder = join(root, 'sys/class/net', name)
  const entries = await readdir(folder).catch(() => [])
  const lower = entries.filter((entry) => entry.startsWith('lower_')).map((entry) => entry.slice('lower_'.length))
  const kind = /^DEVTYPE=(.*)$/m.exec(await readFile(join(folder, 'uevent'), 'utf8').catch(() => ''))?.[1]
  const over = under ?? coverNames[kind ?? ''] ?? (lower.length > 0 ? 'another interface' : undefined)
  if (lower.length > 0 && depth < deepest) {
    const beneath = lower.map((below) => linksUnder(root, { name: below, gateway }, over, depth + 1))
    return (await Promise.all(beneath)).flat()
  }
  const tunnel = kind === 'wireguard' || await access(join(folder, 'tun_flags')).then(() => true, () => false)
  return [{
    name, gateway, cost: 'unknown', kind: kinds[kind ?? ''], under: tunnel ? 'a VPN' : under,
    driver: await readlink(join(folder, 'device/driver')).then((target) => basename(target), () => undefined),
  }]
}

/** DEVTYPE of the kernel’s network devices (SET_NETDEV_DEVTYPE in Linux). */
const kinds: Readonly<Record<string, Link['kind']>> = { wlan: 'wifi', wwan: 'modem', bluetooth: 'bluetooth' }

const coverNames: Readonly<Record<string, string>> = {
  bridge: 'a bridge', bond: 'a bond', vlan: 'a VLAN', macvlan: 'a MACVLAN',
}
