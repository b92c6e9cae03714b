/** What the kernel says of a network device. */
export interface LinuxDevice {
  readonly name: string
  /** `/sys/class/net/NAME/type`: an ARPHRD_ number of if_arp.h. */
  readonly type: number
  /** Something real stands behind it: a card, a modem, a virtual machine's adapter. */
  readonly isHardware: boolean
  /** Made by a program that moves its packets elsewhere. */
  readonly isTunTap: boolean
  readonly isUp: boolean
}

/** Received and sent bytes by device, from the text of /proc/net/dev. */
export function parseNetDev(text: string): Map<string, { readonly receivedBytes: number; readonly sentBytes: number }> {
  const devices = new Map<string, { receivedBytes: number; sentBytes: number }>()
  for (const line of text.split('\n')) {
    const [, name, numbers] = /^\s*(\S+):\s*(\d.*)$/.exec(line) ?? []
    const fields = numbers?.trim().split(/\s+/).map(Number)
    const [receivedBytes, sentBytes] = [fields?.[0], fields?.[8]]
    if (name === undefined || receivedBytes === undefined || sentBytes === undefined) continue
    devices.set(name, { receivedBytes, sentBytes })
  }
  return devices
}

/** RTF_UP of linux/route.h. */
const routeUp = 0x0001

/**
 * Devices with a default route, from the texts of /proc/net/route and /proc/net/ipv6_route. Routes that only refuse lead
 * to `lo` there.
 */
export function parseDefaultRoutes(route: string, ipv6Route: string): Set<string> {
  const devices = new Set<string>()
  const add = (name: string | undefined, isDefault: boolean, flags: string | undefined): void => {
    const isUp = (Number.parseInt(flags ?? '0', 16) & routeUp) !== 0
    if (name !== undefined && name !== 'lo' && isDefault && isUp) devices.add(name)
  }
  for (const line of route.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/)
    add(fields[0], fields[1] === '00000000' && fields[7] === '00000000', fields[3])
  }
  for (const line of ipv6Route.split('\n')) {
    const fields = line.trim().split(/\s+/)
    add(fields[9], /^0{32}$/.test(fields[0] ?? '') && fields[1] === '00', fields[8])
  }
  return devices
}

/** PPP, IP in IP, IPv6 in IP, GRE, and devices without link addresses such as WireGuard's. */
const tunnelTypes = new Set([512, 768, 769, 776, 778, 823, 65534])

/**
 * The devices whose counters together are what goes to the internet, each byte once: those that carry a default route.
 * Bridges, bonds and VLANs have it in place of what lies under them, and containers' devices have none. What a tunnel
 * moves goes out through another device: where all default routes are tunnels', that is hardware which is up. A modem's
 * PPP link without any is the uplink itself.
 */
export function uplinks(devices: readonly LinuxDevice[], defaults: ReadonlySet<string>): Set<string> {
  const withRoute = devices.filter(({ name }) => defaults.has(name))
  const isTunnel = ({ isHardware, isTunTap, type }: LinuxDevice) => !isHardware && (isTunTap || tunnelTypes.has(type))
  const direct = withRoute.filter((device) => !isTunnel(device))
  const under = devices.filter(({ isHardware, isUp }) => isHardware && isUp)
  const chosen = direct.length > 0 || withRoute.length === 0 ? direct : under.length > 0 ? under : withRoute
  return new Set(chosen.map(({ name }) => name))
}
