import type { NetworkCost } from '../src/scheduler/conditions.ts'

const words: Readonly<Record<NetworkCost, string>> = {
  'free': 'free',
  'metered': 'metered',
  'near-limit': 'near its limit',
  'over-limit': 'over its limit',
  'roaming': 'roaming',
  'unknown': 'cost unknown',
  'offline': 'offline',
}

/** A cost as a person reads it. */
export function costInWords(cost: NetworkCost): string {
  return words[cost]
}
