import type { Conditions } from './conditions.ts'
import type { Decision } from './gate.ts'

/**
 * What packing may cost, as zstd levels, which screenshots go along with (`frameEffort`). Measured in docs/benchmarks.md,
 * *What effort buys*.
 */
export const efforts = { quick: 3, normal: 6, thorough: 13 } as const

/**
 * How hard to try now: CPU is paid in battery, bytes are paid in money. On battery quickly; on a charger thoroughly where
 * bytes cost something or have to wait anyway; else as usual. `chosen`: a level that the config fixes.
 */
export function effortFor(chosen: number | 'auto', { power, network }: Conditions, { prepare, send }: Pick<Decision, 'prepare' | 'send'>): number {
  if (chosen !== 'auto') return chosen
  const isPoweredWell = power.value.supply === 'mains' && !power.value.weakCharger && power.value.saver !== 'on'
  if (!isPoweredWell) return power.value.supply === 'unknown' && prepare === 'full' ? efforts.normal : efforts.quick
  return send === 'full' && network.value.cost === 'free' ? efforts.normal : efforts.thorough
}
