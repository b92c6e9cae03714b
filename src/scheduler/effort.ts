import type { PackEffort } from '../pack/packer.ts'
import type { Conditions } from './conditions.ts'
import type { Decision } from './gate.ts'

/**
 * What packing may cost, as zstd levels, which screenshots go along with (`frameEffort`). Measured in docs/benchmarks.md,
 * *What effort buys* and *First upload*.
 */
export const efforts = { bulk: 1, quick: 3, normal: 6, thorough: 13 } as const

/** Captures of the moment are less; what is more at a stretch is a backlog, or a folder that is sent for the first time. */
const bulkBytes = 8 << 20

/**
 * How hard to try now: CPU is paid in battery, bytes are paid in money. On battery quickly; on a charger thoroughly where
 * bytes cost something or have to wait anyway; else as usual, and in bulk where `takenBytes` at this stretch are many.
 * `chosen`: a level that the config fixes.
 */
export function effortFor(
  chosen: number | 'auto', { power, network }: Conditions, { prepare, send }: Pick<Decision, 'prepare' | 'send'>, takenBytes: number,
): PackEffort {
  if (chosen !== 'auto') return { level: chosen, isBulk: false }
  const isPoweredWell = power.value.supply === 'mains' && !power.value.weakCharger && power.value.saver !== 'on'
  if (!isPoweredWell) return { level: power.value.supply === 'unknown' && prepare === 'full' ? efforts.normal : efforts.quick, isBulk: false }
  if (send !== 'full' || network.value.cost !== 'free') return { level: efforts.thorough, isBulk: false }
  const isBulk = takenBytes > bulkBytes
  return { level: isBulk ? efforts.bulk : efforts.normal, isBulk }
}
