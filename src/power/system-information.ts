import type { Systeminformation } from 'systeminformation'
import type { PowerState, Reading } from '../scheduler/conditions.ts'
import { within } from '../scheduler/sensor.ts'
import type { Sensor } from '../scheduler/sensor.ts'

export type BatteryFacts = Pick<Systeminformation.BatteryData, 'hasBattery' | 'isCharging' | 'acConnected' | 'percent'>

export interface SystemInformationOptions {
  readonly clock: () => number
  readonly platform: NodeJS.Platform
  /** Default: `battery()` of systeminformation, loaded at the first read. */
  readonly battery?: () => Promise<BatteryFacts>
  /** Default 10 s: on Windows a reading starts a PowerShell. */
  readonly limitMs?: number
}

/**
 * Battery and charger of macOS and Windows. Elsewhere `unknown`: systeminformation misses chargers and batteries by
 * name on Linux, and turns charging round on the BSDs. It does not know the power saver.
 */
export function systemInformationPower(options: SystemInformationOptions): Sensor<PowerState> {
  const battery = options.battery ?? (async () => (await import('systeminformation')).default.battery())
  const reading = (supply: PowerState['supply'], source: string, percent?: number): Reading<PowerState> => ({
    value: { supply, ...(percent !== undefined && { percent }), saver: 'unknown' },
    source,
    at: options.clock(),
  })
  return {
    read: async () => {
      if (options.platform !== 'darwin' && options.platform !== 'win32') return reading('unknown', `none on ${options.platform}`)
      try {
        const facts = await within(battery(), options.limitMs ?? 10_000)
        if (!facts.hasBattery) return reading('mains', 'systeminformation')
        const percent = Number.isFinite(facts.percent) ? Math.floor(Math.min(100, Math.max(0, facts.percent))) : undefined
        return reading(facts.acConnected || facts.isCharging ? 'mains' : 'battery', 'systeminformation', percent)
      } catch (error) {
        return reading('unknown', `systeminformation: ${error instanceof Error ? error.message : String(error)}`)
      }
    },
    close: async () => {},
  }
}
