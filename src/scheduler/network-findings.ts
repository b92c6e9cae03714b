import type { NetworkClass, NetworkCost } from './conditions.ts'
import type { Finding, GateInput, GatePolicy } from './gate.ts'
import { ageInWords } from './words.ts'

/** What a cost counts as for streams, caps and overrides; a network of unknown cost as the policy says. */
export function classOf(cost: NetworkCost, policy: GatePolicy['network']): NetworkClass {
  if (cost === 'unknown') return policy.onUnknown
  return cost === 'free' ? 'free' : 'metered'
}

const costWords: Record<NetworkCost, string> = {
  'free': 'is free',
  'metered': 'is metered',
  'near-limit': 'is near its data limit',
  'over-limit': 'is over its data limit',
  'roaming': 'is roaming',
  'unknown': 'has an unknown cost',
  'offline': 'is offline',
}

/** What the network says against sending now. Pure. */
export function networkFindings({ now, conditions, policy, queue }: GateInput): Finding[] {
  const { value: { cost, because, reach }, source, at } = conditions.network
  const seen = `(${source}, ${ageInWords(now - at)})`
  if (cost === 'offline') return [{ code: 'offline', evidence: `no network ${seen}` }]
  const counts = classOf(cost, policy.network)
  const why = because === undefined ? '' : `: ${because}`
  const words = `network ${costWords[cost]}${why} ${seen}${cost === 'unknown' ? `, counts as ${counts}` : ''}`
  const found: Finding[] = []
  if (reach === 'portal') found.push({ code: 'login-page', evidence: `the system sees a login page ${seen}` })
  if (cost === 'roaming' || cost === 'over-limit' || cost === 'near-limit') {
    found.push({ code: cost, evidence: words })
  } else if (counts === 'metered' && policy.network.onMetered !== 'send') {
    found.push({ code: cost === 'unknown' ? 'network-unknown' : 'metered', level: policy.network.onMetered, evidence: words })
  }
  if (queue.networks && !queue.networks.includes(counts)) {
    found.push({ code: 'stream-network', evidence: `${words}; allowed: ${queue.networks.join(', ') || 'none'}` })
  }
  return found
}
