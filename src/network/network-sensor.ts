import type { NetworkState, Reading } from '../scheduler/conditions.ts'
import { fixed } from '../scheduler/sensor.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import { kernelRoutes } from './kernel-routes.ts'
import { macNetwork } from './macos.ts'
import { networkManager } from './network-manager.ts'
import { usesNoLink } from './no-link.ts'
import { withOverrides } from './overrides.ts'
import type { NetworkOverrides } from './overrides.ts'
import { windowsNetwork } from './windows.ts'

export type NetworkSensor = Sensor<NetworkState>

export interface NetworkSensorOptions {
  /** Address of the destination. */
  readonly destination: string
  readonly clock: () => number
  readonly platform: NodeJS.Platform
  /** D-Bus address of the system bus, from the environment. */
  readonly busAddress?: string | undefined
  /** Secret of network identities (`networkSecret`), asked once, at the first reading. If it throws, they have none. */
  readonly secret: () => Uint8Array
  /** What the worker says of networks, asked at each reading. */
  readonly overrides?: () => NetworkOverrides
}

/** The sensor for the cost of reaching a destination from this machine. */
export function networkSensor(options: NetworkSensorOptions): NetworkSensor {
  const { destination, clock, overrides } = options
  if (usesNoLink(destination)) return fixed({ cost: 'free' }, clock, 'no link is used')
  const sensor = machineNetwork(options)
  return overrides ? withOverrides(sensor, overrides) : sensor
}

function machineNetwork({ clock, platform, busAddress, ...options }: NetworkSensorOptions): NetworkSensor {
  const secret = once(options.secret)
  if (platform === 'linux') {
    return either(networkManager({ clock, address: busAddress, secret }), kernelRoutes({ clock, secret }))
  }
  if (platform === 'darwin') return macNetwork({ clock, secret })
  if (platform === 'win32') return windowsNetwork({ clock, secret })
  return fixed({ cost: 'unknown' }, clock, `none on ${platform}`)
}

/** The first result of `make`, or undefined when it failed. */
function once<T>(make: () => T): () => T | undefined {
  let made: { readonly value: T | undefined } | undefined
  return () => {
    if (!made) {
      try {
        made = { value: make() }
      } catch {
        made = { value: undefined }
      }
    }
    return made.value
  }
}

/**
 * NetworkManager, and the kernel’s routes where it cannot say: it is not there, does not answer, or looks after no link
 * while the kernel has one.
 */
export function either(manager: Required<NetworkSensor>, routes: NetworkSensor): NetworkSensor {
  const read = async (): Promise<Reading<NetworkState>> => {
    const said = await manager.read()
    const silent = said.value.cost === 'unknown' && said.source !== 'NetworkManager'
    if (!silent && said.value.cost !== 'offline') return said
    const found = await routes.read()
    if (found.source === 'none') return said
    if (!silent) return found.value.cost === 'offline' ? said : found
    return said.source === 'none' ? found : { ...found, source: `${found.source}; ${said.source}` }
  }
  return {
    read,
    watch: (onChange) => manager.watch(onChange),
    close: async () => {
      await Promise.all([manager.close(), routes.close()])
    },
  }
}
