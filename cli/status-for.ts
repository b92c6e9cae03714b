import type { Config } from '../config/options.ts'
import { machineSensors } from '../daemon/assemble.ts'
import { readStatus, type Status } from '../src/control/status.ts'

/** The status of the config's state folder with this machine's sensors, which are closed again. */
export async function statusFor(config: Config, now: number): Promise<Status | undefined> {
  const sensors = machineSensors(config)
  try {
    return await readStatus(config, sensors, now)
  } finally {
    await Promise.all([sensors.power.close(), sensors.network.close()])
  }
}
