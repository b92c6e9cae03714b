import type { NetworkState } from '../scheduler/conditions.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import { commandSensor } from './command-sensor.ts'
import type { CommandSensorOptions } from './command-sensor.ts'
import { macFacts } from './macos-facts.ts'

/** Two small programs at each asking; a change is noticed this late. */
const freshMs = 5000

/** Network of macOS, from `netstat -rn` and `ifconfig -v`. Neither names the Wi-Fi or knows of login pages. */
export function macNetwork(options: CommandSensorOptions): Sensor<NetworkState> {
  return commandSensor({
    ...options, source: 'macOS', freshMs,
    ask: async (run) => macFacts(await run('/usr/sbin/netstat', ['-rn']), await run('/sbin/ifconfig', ['-v'])),
  })
}
