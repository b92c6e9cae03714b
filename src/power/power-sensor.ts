import type { PowerState } from '../scheduler/conditions.ts'
import { fixed } from '../scheduler/sensor.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import { commandPower, pmset, powerShell } from './command-power.ts'
import { linuxPower } from './linux-power.ts'
import type { LinuxPowerOptions } from './linux-power.ts'

export type PowerSensor = Sensor<PowerState>

export interface PowerSensorOptions extends LinuxPowerOptions {
  readonly platform: NodeJS.Platform
}

/** The sensor for this machine's battery, charger and power saver. */
export function powerSensor(options: PowerSensorOptions): PowerSensor {
  const { platform, clock } = options
  if (platform === 'linux') return linuxPower(options)
  if (platform === 'darwin') return commandPower(pmset, { clock })
  if (platform === 'win32') return commandPower(powerShell, { clock })
  return fixed({ supply: 'unknown', saver: 'unknown' }, clock, `none on ${platform}`)
}

/** What the config's `conditions: { power }` stands for; `battery` is one that is well charged. */
export const assumedPower = {
  'mains': { supply: 'mains', saver: 'off' },
  'battery': { supply: 'battery', percent: 100, saver: 'off' },
  'battery-low': { supply: 'battery', percent: 0, saver: 'off' },
  'unknown': { supply: 'unknown', saver: 'unknown' },
} as const satisfies Record<string, PowerState>
