import { createHmac } from 'node:crypto'
import type { NetworkCost, NetworkState } from '../scheduler/conditions.ts'
import { hotspotSign } from './hotspot.ts'
import type { LinkSigns } from './hotspot.ts'

/** One wire, radio or modem that may carry our bytes. */
export interface Link extends LinkSigns {
  /** What the system says of it. */
  readonly cost: NetworkCost
  /** Why the system says so, when it is worth telling. */
  readonly because?: string | undefined
  /** What our bytes go through above it: `a VPN`, `a bridge`. */
  readonly under?: string | undefined
}

/** Everything a machine says of its network. Not for logs: it holds names. */
export interface NetworkFacts {
  /** None: offline. */
  readonly links: readonly Link[]
  /** A text that is the same each time the machine joins this network. */
  readonly identity?: string | undefined
  readonly reach?: NetworkState['reach']
}

/** From the cheapest to the one nobody may overrule. */
const byCost: readonly NetworkCost[] = ['free', 'unknown', 'metered', 'near-limit', 'over-limit', 'roaming', 'offline']

export function worseCost(a: NetworkCost, b: NetworkCost): NetworkCost {
  return byCost.indexOf(a) >= byCost.indexOf(b) ? a : b
}

/** The network as its worst link is: which of several carries the next byte is not ours to know. */
export function stateFrom({ links, identity, reach }: NetworkFacts, secret: Uint8Array | undefined): NetworkState {
  const { cost, because } = links.map(judged).reduce(worse, links.length === 0 ? { cost: 'offline' } : { cost: 'free' })
  return {
    cost,
    ...(identity !== undefined && secret && { id: networkId(identity, secret) }),
    ...(because !== undefined && cost !== 'free' && { because }),
    ...(reach !== undefined && { reach }),
  }
}

/** 12 hex digits (48 bits): no two networks of one machine meet, and without the secret no name can be tried. */
export function networkId(identity: string, secret: Uint8Array): string {
  return createHmac('sha256', secret).update(identity).digest('hex').slice(0, 12)
}

interface Judgement {
  readonly cost: NetworkCost
  readonly because?: string
}

function judged(link: Link): Judgement {
  const sign = hotspotSign(link)
  const cost = sign === undefined ? link.cost : worseCost(link.cost, 'metered')
  const under = link.under === undefined ? undefined : `under ${link.under}`
  const words = [sign ?? link.because, under].filter((word) => word !== undefined)
  return words.length === 0 ? { cost } : { cost, because: words.join(', ') }
}

/** Between equals the one that says why. */
function worse(a: Judgement, b: Judgement): Judgement {
  if (a.cost === b.cost) return a.because === undefined ? b : a
  return worseCost(a.cost, b.cost) === a.cost ? a : b
}
