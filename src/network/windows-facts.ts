import type { NetworkCost, NetworkState } from '../scheduler/conditions.ts'
import type { Link, NetworkFacts } from './links.ts'

/** The lines `Key : value` of one connection profile. */
type Fields = Readonly<Record<string, string>>

/** IANA ifType: 243 and 244 mobile broadband; 23 PPP, 53 virtual and 131 tunnel are what VPNs show. */
const modems = new Set(['243', '244'])
const tunnels = new Set(['23', '53', '131'])

/** From what the script in windows.ts prints to the links with a way out. Throws when the output is not whole. */
export function windowsFacts(output: string): NetworkFacts {
  const [, ...sections] = output.split(/^--- /m)
  if (sections.pop()?.trim() !== 'end') throw new Error('the output has no end')
  const connected = sections.map(fieldsIn)
  // A network without the internet is one to send by only where there is no other.
  const outside = connected.filter(({ ConnectivityLevel: level }) => level !== 'LocalAccess')
  const profiles = outside.length > 0 ? outside : connected
  const tunnelled = profiles.some(isTunnel)
  const beneath = profiles.filter((profile) => !isTunnel(profile))
  const wires = beneath.length > 0 ? beneath : profiles
  const links = wires.map((profile) => linkOf(profile, tunnelled))
  const own = profiles.filter(isTunnel).map((profile) => linkOf(profile, true))
  const network = wires.map(({ NetworkId: id }) => id).find((id) => id !== undefined && /[1-9a-f]/i.test(id))
  return {
    // What is set for the tunnel itself counts too.
    links: [...links, ...own.filter(({ cost }) => isCostly(cost))],
    identity: network === undefined ? undefined : `network ${network.toLowerCase()}`,
    ...(connected.length > 0 && { reach: reachFrom(profiles) }),
  }
}

function fieldsIn(section: string): Fields {
  const lines = [...section.matchAll(/^\s*(\w+) *: *(.*?)\s*$/gm)]
  return Object.fromEntries(lines.map(([, key = '', value = '']) => [key, value]))
}

function isTunnel({ IanaInterfaceType: type }: Fields): boolean {
  return type !== undefined && tunnels.has(type)
}

function isCostly(cost: NetworkCost): boolean {
  return cost !== 'free' && cost !== 'unknown'
}

function linkOf(profile: Fields, tunnelled: boolean): Link {
  const { IanaInterfaceType: type, Gateway: gateway } = profile
  const cost = costFrom(profile)
  const saver = cost === 'metered' && costByType(profile) !== 'metered'
  return {
    name: '', cost, under: tunnelled ? 'a VPN' : undefined, because: saver ? 'data saver' : undefined,
    kind: type === '71' ? 'wifi' : type !== undefined && modems.has(type) ? 'modem' : undefined,
    gateway: gateway?.split(' ').find((address) => /^\d+\.\d+\.\d+\.\d+$/.test(address)),
  }
}

/** ConnectionCost (learn.microsoft.com, Windows.Networking.Connectivity). */
function costFrom(profile: Fields): NetworkCost {
  if (profile['Roaming'] === 'True') return 'roaming'
  if (profile['OverDataLimit'] === 'True') return 'over-limit'
  if (profile['ApproachingDataLimit'] === 'True') return 'near-limit'
  return profile['BackgroundDataUsageRestricted'] === 'True' ? 'metered' : costByType(profile)
}

function costByType({ NetworkCostType: type }: Fields): NetworkCost {
  if (type === 'Unrestricted') return 'free'
  return type === 'Fixed' || type === 'Variable' ? 'metered' : 'unknown'
}

/** NetworkConnectivityLevel: the best one is what the machine has. */
function reachFrom(profiles: readonly Fields[]): NonNullable<NetworkState['reach']> {
  const levels = new Set(profiles.map(({ ConnectivityLevel: level }) => level))
  if (levels.has('InternetAccess')) return 'full'
  if (levels.has('ConstrainedInternetAccess')) return 'portal'
  return levels.has('LocalAccess') ? 'limited' : 'unknown'
}
