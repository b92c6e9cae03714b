import type { NetworkState } from '../scheduler/conditions.ts'
import { fixed } from '../scheduler/sensor.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import { networkManager } from './network-manager.ts'
import { usesNoLink } from './no-link.ts'

export type NetworkSensor = Sensor<NetworkState>

export interface NetworkSensorOptions {
  /** Address of the destination. */
  readonly destination: string
  readonly clock: () => number
  /** D-Bus address of the system bus, from the environment. */
  readonly busAddress?: string | undefined
}

/** The sensor for the cost of reaching a destination from this machine. */
export function networkSensor({ destination, clock, busAddress }: NetworkSensorOptions): NetworkSensor {
  if (usesNoLink(destination)) return fixed({ cost: 'free' }, clock, 'no link used')
  return networkManager({ clock, address: busAddress })
}
