import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Systeminformation } from 'systeminformation'
import type { DeviceCounters } from './plan.ts'
import { parseDefaultRoutes, parseNetDev, uplinks } from './proc-net.ts'
import type { LinuxDevice } from './proc-net.ts'

/** What is asked of `systeminformation`. */
export interface NetworkInformation {
  networkInterfaces(): Promise<Systeminformation.NetworkInterfacesData[] | Systeminformation.NetworkInterfacesData>
  networkStats(interfaces: string): Promise<Systeminformation.NetworkStatsData[]>
}

/** Starts programs on macOS and Windows: once a minute is often enough. No devices when nothing can be read. */
export async function readInterfaces(platform: NodeJS.Platform): Promise<DeviceCounters[]> {
  if (platform === 'linux') return await linuxInterfaces('/')
  return await otherInterfaces(await import('systeminformation'))
}

/** From /proc and /sys below `root`. */
export async function linuxInterfaces(root: string): Promise<DeviceCounters[]> {
  const texts = ['net/dev', 'net/route', 'net/ipv6_route', 'sys/kernel/random/boot_id']
  const [dev, route, ipv6Route, boot] = await Promise.all(texts.map((path) => textOf(join(root, 'proc', path))))
  const counters = parseNetDev(dev ?? '')
  const defaults = parseDefaultRoutes(route ?? '', ipv6Route ?? '')
  const devices = await Promise.all([...counters.keys()].map((name) => linuxDevice(root, name)))
  const chosen = uplinks(devices, defaults)
  const listed = devices.filter(({ name, isHardware }) => isHardware || chosen.has(name))
  return await Promise.all(listed.map(async ({ name }) => {
    const index = await textOf(join(root, 'sys/class/net', name, 'ifindex'))
    const { receivedBytes, sentBytes } = counters.get(name) ?? { receivedBytes: 0, sentBytes: 0 }
    return { key: `${boot ?? ''}/${index ?? ''}/${name}`, receivedBytes, sentBytes, isUplink: chosen.has(name) }
  }))
}

async function linuxDevice(root: string, name: string): Promise<LinuxDevice> {
  const folder = join(root, 'sys/class/net', name)
  const [type, state, isHardware, isTunTap] = await Promise.all([
    textOf(join(folder, 'type')), textOf(join(folder, 'operstate')),
    isThere(join(folder, 'device')), isThere(join(folder, 'tun_flags')),
  ])
  // Drivers that do not say whether there is a carrier are always `unknown`.
  return { name, type: Number(type ?? 1), isHardware, isTunTap, isUp: state === 'up' || state === 'unknown' }
}

/** Hardware that is up and has an address; a VPN's adapter has no hardware address, or is known to be virtual. */
export async function otherInterfaces(information: NetworkInformation): Promise<DeviceCounters[]> {
  const found = [await information.networkInterfaces()].flat()
  const hardware = found.filter(({ internal, virtual, mac }) => !internal && !virtual && /[1-9a-f]/i.test(mac))
  if (hardware.length === 0) return []
  const stats = await information.networkStats(hardware.map(({ iface }) => iface).join(','))
  return stats.flatMap((each) => {
    const { iface, rx_bytes: receivedBytes, tx_bytes: sentBytes } = each
    // Zeros stand for a reading that failed. Taken for counters that began anew, they would double the next reading.
    if (!(receivedBytes + sentBytes > 0)) return []
    const device = hardware.find((one) => one.iface === iface)
    const isUplink = device?.operstate === 'up' && (device.ip4 !== '' || device.ip6 !== '')
    return [{ key: iface, receivedBytes, sentBytes, isUplink }]
  })
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch {
    return undefined // a device that is just gone, or a system without IPv6
  }
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(() => true, () => false)
}
