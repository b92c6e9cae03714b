import { keepBus, systemBusAddress } from '../network/system-bus.ts'
import type { SystemBus } from '../network/system-bus.ts'
import { systemCode } from '../observe/error.ts'
import type { PowerState } from '../scheduler/conditions.ts'
import { subscribe, within } from '../scheduler/sensor.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import { crossCheck } from './cross-check.ts'
import type { Witness } from './cross-check.ts'
import { readPlatformProfile, readSupplies } from './sysfs.ts'
import { mayChangePower, powerRules, readProfile, readUPower } from './upower.ts'

export interface LinuxPowerOptions {
  readonly clock: () => number
  /** D-Bus address of the system bus. */
  readonly address?: string | undefined
  /** Default `/sys/class/power_supply`. */
  readonly suppliesFolder?: string | undefined
  /** Default `/sys/firmware/acpi/platform_profile`. */
  readonly profileFile?: string | undefined
  /** Default 2000; a bus or an embedded controller that hangs must not hang the gate. */
  readonly limitMs?: number | undefined
}

interface BusSays {
  readonly upower: Witness
  readonly saver?: PowerState['saver'] | undefined
}

/** UPower looks at a battery every half minute to two minutes, so what is older was missed, as in a sleep. */
const staleMs = 5 * 60_000

/**
 * Battery, charger and power profile of a Linux machine: UPower by its signals, checked against the kernel's own word in
 * sysfs at each reading, as `crossCheck` says. sysfs is live; UPower remembers, cannot be told to look again, and is stale
 * when it has not looked for five minutes. The power saver is what power-profiles-daemon says, or else the machine's own
 * platform profile.
 */
export function linuxPower(options: LinuxPowerOptions): Required<Sensor<PowerState>> {
  const { suppliesFolder = '/sys/class/power_supply', profileFile = '/sys/firmware/acpi/platform_profile', limitMs = 2000 } = options
  const listeners = new Set<() => void>()
  const notify = () => {
    for (const listener of [...listeners]) listener()
  }
  const bus = keepBus({
    address: options.address ?? systemBusAddress,
    limitMs,
    rules: powerRules,
    onSignal: (body, member) => {
      if (mayChangePower(body, member)) notify()
    },
    onLost: notify,
  })
  const askBus = async (): Promise<BusSays> => {
    try {
      return await bus.use((open) => readBus(open, options.clock)) ?? { upower: { name: 'UPower' } }
    } catch (error) {
      return { upower: { name: 'UPower', cause: causeOf(error) } }
    }
  }
  const askKernel = async (): Promise<Witness> => {
    try {
      return { name: 'sysfs', supplies: await within(readSupplies(suppliesFolder), limitMs) }
    } catch (error) {
      return { name: 'sysfs', cause: causeOf(error) }
    }
  }
  const askFirmware = () => within(readPlatformProfile(profileFile), limitMs).catch(() => 'unknown' as const)
  const read = async () => {
    const [{ upower, saver }, sysfs, profile] = await Promise.all([askBus(), askKernel(), askFirmware()])
    const { power, source } = crossCheck([upower, sysfs])
    return { value: { ...power, saver: saver ?? profile }, source, at: options.clock() }
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

async function readBus(bus: SystemBus, clock: () => number): Promise<BusSays> {
  const [says, saver] = await Promise.all([readUPower(bus), readProfile(bus)])
  const isStale = says !== undefined && clock() - says.lookedAt > staleMs
  return { upower: { name: 'UPower', ...says, isStale }, saver }
}

function causeOf(error: unknown): string {
  return systemCode(error) ?? (error instanceof Error ? error.message : String(error))
}
