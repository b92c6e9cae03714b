import type { NetworkState, Reading } from '../scheduler/conditions.ts'
import { subscribe } from '../scheduler/sensor.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import { hardwareAddress } from './kernel-routes.ts'
import { stateFrom } from './links.ts'
import { factsFrom } from './manager-facts.ts'
import type { ManagerObjects } from './manager-facts.ts'
import { isErrorReply, keepBus, systemBusAddress } from './system-bus.ts'
import type { SystemBus } from './system-bus.ts'

export interface NetworkManagerOptions {
  readonly clock: () => number
  /** D-Bus address of the system bus. */
  readonly address?: string | undefined
  /** Default 2000: after this a bus that does not answer counts as unknown. */
  readonly limitMs?: number
  /** For identities; read at the first need. Without it networks have none. */
  readonly secret?: (() => Uint8Array | undefined) | undefined
}

const service = 'org.freedesktop.NetworkManager'
const modems = 'org.freedesktop.ModemManager1'

/**
 * Changes that may change the answer, by interface; connecting brings a hundred others. Scans and statistics, which
 * never rest, are on interfaces that are not listened to.
 */
const telling: Readonly<Record<string, readonly string[]>> = {
  [service]: ['ActiveConnections', 'Connectivity', 'Metered', 'PrimaryConnection', 'State'],
  [`${service}.Connection.Active`]: ['Default', 'Default6', 'Ip4Config', 'Ip6Config', 'State'],
  [`${service}.Device`]: ['Metered', 'Ports'],
  [`${service}.IP4Config`]: ['Gateway'],
  [`${service}.IP6Config`]: ['Gateway'],
  [`${modems}.Modem.Modem3gpp`]: ['RegistrationState'],
}

const properties = `type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'`

const rules = [
  ...Object.keys(telling).map((name) =>
    `${properties},sender='${name.startsWith(service) ? service : modems}',arg0='${name}'`),
  // A profile that is changed counts at once, whether or not it is applied to its device.
  `type='signal',sender='${service}',interface='${service}.Settings.Connection',member='Updated'`,
  // NetworkManager itself comes and goes.
  `type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${service}'`,
]

/**
 * Network from NetworkManager on the system bus (networkmanager.dev, D-Bus API). Without a bus or without
 * NetworkManager the cost is unknown and the source `none`. A lost connection is made anew by the next read.
 */
export function networkManager(options: NetworkManagerOptions): Required<Sensor<NetworkState>> {
  const listeners = new Set<() => void>()
  const notify = () => {
    for (const listener of [...listeners]) listener()
  }
  const bus = keepBus({
    address: options.address ?? systemBusAddress, limitMs: options.limitMs ?? 2000, rules, onLost: notify,
    onSignal: (body) => {
      if (mayChangeNetwork(body)) notify()
    },
  })
  const read = async (): Promise<Reading<NetworkState>> => {
    const reading = (value: NetworkState, source: string) => ({ value, source, at: options.clock() })
    try {
      const facts = await bus.use((used) => factsFrom(objectsOn(used)))
      if (!facts) return reading({ cost: 'unknown' }, 'none')
      return reading(stateFrom(facts, options.secret?.()), 'NetworkManager')
    } catch (error) {
      return reading({ cost: 'unknown' }, `NetworkManager: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return {
    read,
    watch: (onChange) => {
      // Signals arrive once there is a connection; a read makes one, and never rejects.
      void read()
      return subscribe(listeners, onChange)
    },
    close: async () => {
      listeners.clear()
      await bus.close()
    },
  }
}

function objectsOn(bus: SystemBus): ManagerObjects {
  return {
    manager: (path, name) => ifThere(bus.properties(service, path, name === '' ? service : `${service}.${name}`)),
    meteredSetting: async (path) =>
      meteredIn(await ifThere(bus.call(service, path, `${service}.Settings.Connection`, 'GetSettings'))),
    modem: (path) => ifThere(bus.properties(modems, path, `${modems}.Modem.Modem3gpp`)),
    hardwareAddress,
  }
}

/** An object may go between two questions, and a profile of somebody else’s may be closed to us. */
async function ifThere<T>(answer: Promise<T | undefined>): Promise<T | undefined> {
  return answer.catch((error: unknown) => {
    if (isErrorReply(error)) return undefined
    throw error
  })
}

/** `connection.metered` in what GetSettings returns: groups of settings, each value a variant. */
function meteredIn(reply: readonly unknown[] | undefined): number | undefined {
  const settings = reply?.[0] as { connection?: { metered?: { value?: unknown } } } | undefined
  const metered = settings?.connection?.metered?.value
  return typeof metered === 'number' ? metered : undefined
}

/** Profiles and owners of names always may; properties by their names. */
function mayChangeNetwork([name, changed]: readonly unknown[]): boolean {
  const names = typeof name === 'string' ? telling[name] : undefined
  return !names || typeof changed !== 'object' || changed === null || names.some((property) => property in changed)
}
