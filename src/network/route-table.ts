/** Routes and neighbours as Linux writes them (proc(5); net/ipv4/fib_trie.c, net/ipv6/route.c, net/ipv4/arp.c). */

export interface Route {
  readonly name: string
  readonly gateway?: string | undefined
}

const rejects = 0x200

/** IPv4 default routes of /proc/net/route. */
export function defaultRoutes4(text: string): Route[] {
  return text.split('\n').slice(1).map((line) => line.split(/\s+/)).flatMap((fields) => {
    const [name, destination, gateway, flags, , , , mask] = fields
    if (name === undefined || destination !== '00000000' || mask !== '00000000') return []
    if ((Number.parseInt(flags ?? '0', 16) & rejects) !== 0) return []
    return [gateway === undefined || gateway === '00000000' ? { name } : { name, gateway: littleEndian(gateway) }]
  })
}

/** Interfaces of IPv6 default routes in /proc/net/ipv6_route. The one that rejects only says that there is no other. */
export function defaultRoutes6(text: string): Route[] {
  return text.split('\n').map((line) => line.trim().split(/\s+/)).flatMap((fields) => {
    const [destination, bits, , , , , , , flags, name] = fields
    if (name === undefined || bits !== '00' || !/^0+$/.test(destination ?? '')) return []
    return (Number.parseInt(flags ?? '0', 16) & rejects) === 0 ? [{ name }] : []
  })
}

/** Hardware address of a neighbour in /proc/net/arp; undefined while nobody has answered there. */
export function neighbourIn(text: string, ip: string): string | undefined {
  const fields = text.split('\n').map((line) => line.split(/\s+/)).find(([address]) => address === ip)
  const address = fields?.[3]
  return address === undefined || address === '00:00:00:00:00:00' ? undefined : address.toLowerCase()
}

function littleEndian(hex: string): string {
  return [3, 2, 1, 0].map((byte) => Number.parseInt(hex.slice(byte * 2, byte * 2 + 2), 16)).join('.')
}
