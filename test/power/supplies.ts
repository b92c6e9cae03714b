import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { PowerState } from '../../src/scheduler/conditions.ts'

/** Writes attributes as the kernel shows them: one file each, below `folder`. */
export async function writeAttributes(folder: string, attributes: Record<string, string | number>): Promise<void> {
  for (const [path, value] of Object.entries(attributes)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), `${value}\n`)
  }
}

/** A laptop at 42 % with its charger unplugged, under the names that real ones use. */
export const laptop = {
  'ADP1/type': 'Mains',
  'ADP1/online': 0,
  'BAT1/type': 'Battery',
  'BAT1/scope': 'System',
  'BAT1/present': 1,
  'BAT1/status': 'Discharging',
  'BAT1/capacity': 42,
  'BAT1/energy_full': 60000000,
  'BAT1/energy_now': 25200000,
  'BAT1/voltage_now': 12000000,
}

/** Whether a reading's value has the shape of a power state. */
export function isPowerState({ supply, saver, percent = 0, weakCharger = true }: PowerState): boolean {
  return ['mains', 'battery', 'unknown'].includes(supply) && ['on', 'off', 'unknown'].includes(saver)
    && percent >= 0 && percent <= 100 && weakCharger
}
