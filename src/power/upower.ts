import type { PowerState } from '../scheduler/conditions.ts'
import { isErrorReply } from '../network/system-bus.ts'
import type { SystemBus } from '../network/system-bus.ts'
import type { PowerSupply } from './on-mains.ts'

const service = 'org.freedesktop.UPower'
const path = '/org/freedesktop/UPower'
const device = `${service}.Device`

/** The bus names of power-profiles-daemon, the newer first. */
const profileServices = [
  { name: 'org.freedesktop.UPower.PowerProfiles', path: '/org/freedesktop/UPower/PowerProfiles' },
  { name: 'net.hadess.PowerProfiles', path: '/net/hadess/PowerProfiles' },
]

const changes = `type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'`
const owners = `type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'`

/** Match rules for all that may change a reading, the coming and going of the services included. */
export const powerRules = [
  `type='signal',sender='${service}',path_namespace='${path}'`,
  `${owners},arg0namespace='${service}'`,
  ...profileServices.map(({ name, path }) => `${changes},sender='${name}',path='${path}'`),
  ...profileServices.slice(1).map(({ name }) => `${owners},arg0='${name}'`),
]

/** Properties that a reading rests on. UPower tells every half minute of others: rates, voltages, times to go. */
const relevant = [
  'OnBattery', 'Online', 'State', 'Percentage', 'IsPresent', 'PowerSupply', 'ChargeEndThreshold', 'ChargeThresholdEnabled', 'ActiveProfile',
]

/** Whether a signal may bring another reading. */
export function mayChangePower([, changed]: readonly unknown[], member: string): boolean {
  if (member !== 'PropertiesChanged') return member !== 'NameAcquired'
  return typeof changed !== 'object' || changed === null || relevant.some((name) => name in changed)
}

export interface UPowerSays {
  readonly supplies: readonly PowerSupply[]
  readonly onBattery: boolean
  /** When UPower last looked at a device, milliseconds since the epoch; 0 when it never did. */
  readonly lookedAt: number
}

/** What UPower remembers of batteries and chargers (upower.freedesktop.org/docs); undefined where it does not run. */
export async function readUPower(bus: SystemBus): Promise<UPowerSays | undefined> {
  const [manager, paths] = await Promise.all([bus.properties(service, path, service), devicePaths(bus)])
  if (!manager || !paths) return undefined
  const devices = await Promise.all(paths.map((devicePath) => unlessGone(bus.properties(service, devicePath, device))))
  return {
    supplies: devices.flatMap((properties) => supplyFrom(properties ?? {}) ?? []),
    onBattery: manager['OnBattery'] === true,
    lookedAt: Math.max(0, ...devices.map((properties) => Number(properties?.['UpdateTime'] ?? 0))) * 1000,
  }
}

/** Whether the person chose to save power; undefined where power-profiles-daemon does not run. A hot machine is none's choice. */
export async function readProfile(bus: SystemBus): Promise<PowerState['saver'] | undefined> {
  for (const { name, path } of profileServices) {
    const profile = (await bus.properties(name, path, name))?.['ActiveProfile']
    if (typeof profile === 'string') return profile === 'power-saver' ? 'on' : 'off'
  }
  return undefined
}

async function devicePaths(bus: SystemBus): Promise<string[] | undefined> {
  const [paths] = await bus.call(service, path, service, 'EnumerateDevices') ?? []
  return Array.isArray(paths) ? paths.filter((entry) => typeof entry === 'string') : undefined
}

/** Undefined when the device went away between being listed and being asked. */
async function unlessGone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (isErrorReply(error)) return undefined
    throw error
  }
}

/** UPower's UpDeviceState, in the kernel's words. */
const statuses = ['Unknown', 'Charging', 'Discharging', 'Not charging', 'Full', 'Not charging', 'Not charging']

/** UPower's UpDeviceKind: 1 is line power, 2 a battery, 3 an uninterruptible power supply. Others are no supplies. */
function supplyFrom(properties: Readonly<Record<string, unknown>>): PowerSupply | undefined {
  const { Type: kind, PowerSupply: isOwn, Online: online, IsPresent: present, State: state, Percentage: percent } = properties
  const { EnergyFull: energyFull, ChargeThresholdEnabled: limited, ChargeEndThreshold: limit } = properties
  const scope = isOwn === false ? { scope: 'Device' } : {}
  if (kind === 1) return { type: 'Mains', ...scope, online: online === true ? 1 : 0 }
  if (kind !== 2 && kind !== 3) return undefined
  return {
    type: 'Battery',
    ...scope,
    present: present === false ? 0 : 1,
    status: statuses[Number(state)] ?? 'Unknown',
    ...(typeof percent === 'number' && { capacity: percent }),
    // UPower counts in Wh, the kernel in µWh.
    ...(typeof energyFull === 'number' && energyFull > 0 && { energyFull: energyFull * 1e6 }),
    ...(limited === true && typeof limit === 'number' && { chargeLimit: limit }),
  }
}
