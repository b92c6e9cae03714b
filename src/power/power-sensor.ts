import type { PowerState } from '../scheduler/conditions.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import { sysfsPower } from './sysfs.ts'
import { systemInformationPower } from './system-information.ts'

export type PowerSensor = Sensor<PowerState>

/** The sensor for this machine's battery and charger. */
export function powerSensor(platform: NodeJS.Platform, clock: () => number): PowerSensor {
  return platform === 'linux' ? sysfsPower({ clock }) : systemInformationPower({ clock, platform })
}

/** What the config's `conditions: { power }` stands for; `battery` is one that is well charged. */
export const assumedPower = {
  'mains': { supply: 'mains', saver: 'off' },
  'battery': { supply: 'battery', percent: 100, saver: 'off' },
  'battery-low': { supply: 'battery', percent: 0, saver: 'off' },
  'unknown': { supply: 'unknown', saver: 'unknown' },
} as const satisfies Record<string, PowerState>
