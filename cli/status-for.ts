import type { Config } from '../config/options.ts'
import type { Journal } from '../src/journal/journal.ts'
import type { Settings } from '../src/journal/settings.ts'
import type { NetworkState, Reading } from '../src/scheduler/conditions.ts'
import { machineSensors, planWatch } from '../daemon/assemble.ts'
import { readStatus, type Status } from '../src/control/status.ts'
import { makePrivateFolder } from '../src/journal/durable-file.ts'
import { networkSecret } from '../src/network/network-secret.ts'
import { networkSensor } from '../src/network/network-sensor.ts'
import { fixed } from '../src/scheduler/sensor.ts'
import { wireBytesTo } from '../src/transfer/open-destination.ts'

/**
 * The status of the config's state folder with this machine's sensors, which are closed again; with `change` as it would
 * be with other settings.
 */
export async function statusFor(config: Config, now: number, change?: (settings: Settings) => Settings): Promise<Status | undefined> {
  const sensors = machineSensors(config)
  try {
    const plan = (journal: Journal) => planWatch(config, journal)
    return await readStatus({ config, sensors, plan, change, wireBytes: wireBytesTo(config.destination, config.connection.direct) }, now)
  } finally {
    await Promise.all([sensors.power.close(), sensors.network.close()])
  }
}

/**
 * What the system says of the network that is used now, whatever the worker says of it. Makes the state folder: what tells
 * networks apart is kept there.
 */
export async function networkNow({ conditions, destination, stateFolder }: Config): Promise<Reading<NetworkState>> {
  makePrivateFolder(stateFolder)
  const sensor = conditions.network ? fixed<NetworkState>({ cost: conditions.network }, Date.now) : networkSensor({
    destination, clock: Date.now, platform: process.platform, secret: () => networkSecret(stateFolder),
    busAddress: process.env['DBUS_SYSTEM_BUS_ADDRESS'],
  })
  try {
    return await sensor.read()
  } finally {
    await sensor.close()
  }
}
