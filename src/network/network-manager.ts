import type { NetworkState, Reading } from '../scheduler/conditions.ts'
import { subscribe } from '../scheduler/sensor.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import { busMayExist, isErrorReply, openSystemBus, systemBusAddress } from './system-bus.ts'
import type { SystemBus } from './system-bus.ts'

export interface NetworkManagerOptions {
  readonly clock: () => number
  /** D-Bus address of the system bus. */
  readonly address?: string | undefined
  /** Default 2000: after this a bus that does not answer counts as unknown. */
  readonly limitMs?: number
}

const service = 'org.freedesktop.NetworkManager'
const path = '/org/freedesktop/NetworkManager'

const matchRules = [
  `type='signal',sender='${service}',path='${path}',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'`,
  // NetworkManager itself comes and goes.
  `type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${service}'`,
]

/**
 * Network cost from NetworkManager on the system bus (networkmanager.dev, D-Bus API). Without a bus or without
 * NetworkManager the cost is unknown and the source `none`. A lost connection is made anew by the next read.
 */
export function networkManager(options: NetworkManagerOptions): Required<Sensor<NetworkState>> {
  const address = options.address ?? systemBusAddress
  const listeners = new Set<() => void>()
  const notify = () => {
    for (const listener of [...listeners]) listener()
  }
  let closed = false
  let connection: Promise<SystemBus> | undefined

  const drop = async (dropped: Promise<SystemBus>) => {
    if (connection === dropped) connection = undefined
    await dropped.then((bus) => bus.close(), () => {})
  }
  const connect = async () => {
    const bus = await openSystemBus({
      address,
      limitMs: options.limitMs ?? 2000,
      onSignal: (body) => {
        if (mayChangeCost(body)) notify()
      },
      onLost: () => {
        connection = undefined
        notify()
      },
    })
    try {
      for (const rule of matchRules) await bus.listen(rule)
      return bus
    } catch (error) {
      bus.close()
      throw new Error(`no signals: ${messageOf(error)}`, { cause: error })
    }
  }
  const unknown = (source: string): Reading<NetworkState> => ({ value: { cost: 'unknown' }, source, at: options.clock() })
  const read = async (): Promise<Reading<NetworkState>> => {
    if (!connection && !await busMayExist(address)) return unknown('none')
    // Asked after the last wait and right before connecting, so that `close` sees every connection there will be.
    if (closed) return unknown('NetworkManager: closed')
    const used = connection ??= connect()
    try {
      const properties = await (await used).properties(service, path, service)
      if (!properties) return unknown('none')
      return { value: { cost: costFrom(properties) }, source: 'NetworkManager', at: options.clock() }
    } catch (error) {
      if (!isErrorReply(error)) await drop(used)
      return unknown(`NetworkManager: ${messageOf(error)}`)
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
      closed = true
      listeners.clear()
      if (connection) await drop(connection)
    },
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** NMState below 50: asleep, disconnected, disconnecting or connecting. 0 is NetworkManager's own "unknown". */
const firstConnectedState = 50

/** Everything but a change of other properties only, of which connecting alone brings a dozen. */
function mayChangeCost([, changed]: readonly unknown[]): boolean {
  return typeof changed !== 'object' || changed === null || 'Metered' in changed || 'State' in changed
}

/** NMMetered: 1 yes, 2 no, 3 and 4 the same guessed, 0 unknown. */
function costFrom({ Metered: metered, State: state }: Readonly<Record<string, unknown>>): NetworkState['cost'] {
  if (typeof state === 'number' && state > 0 && state < firstConnectedState) return 'offline'
  if (metered === 1 || metered === 3) return 'metered'
  if (metered === 2 || metered === 4) return 'free'
  return 'unknown'
}
