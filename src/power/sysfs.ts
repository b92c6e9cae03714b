import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../observe/error.ts'
import type { PowerState } from '../scheduler/conditions.ts'
import { within } from '../scheduler/sensor.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import { powerFrom } from './on-mains.ts'
import type { PowerSupply } from './on-mains.ts'

export interface SysfsOptions {
  readonly clock: () => number
  /** Default `/sys/class/power_supply`. */
  readonly suppliesFolder?: string
  /** Default `/sys/firmware/acpi/platform_profile`. */
  readonly profileFile?: string
  /** Default 2000; an embedded controller that hangs must not hang the gate. */
  readonly limitMs?: number
}

/** Battery and charger from the Linux kernel. A folder that cannot be read is `unknown`; an empty one is mains. */
export function sysfsPower(options: SysfsOptions): Sensor<PowerState> {
  const suppliesFolder = options.suppliesFolder ?? '/sys/class/power_supply'
  const profileFile = options.profileFile ?? '/sys/firmware/acpi/platform_profile'
  const read = async (): Promise<PowerState> => {
    const [supplies, profile] = await Promise.all([readSupplies(suppliesFolder), readAttribute(profileFile)])
    return { ...powerFrom(supplies), saver: saverFrom(profile) }
  }
  return {
    read: async () => {
      try {
        return { value: await within(read(), options.limitMs ?? 2000), source: 'sysfs', at: options.clock() }
      } catch (error) {
        const cause = systemCode(error) ?? (error instanceof Error ? error.message : String(error))
        return { value: { supply: 'unknown', saver: 'unknown' }, source: `sysfs: ${cause}`, at: options.clock() }
      }
    },
    close: async () => {},
  }
}

function saverFrom(profile: string | undefined): PowerState['saver'] {
  if (profile === undefined) return 'unknown'
  return profile === 'low-power' ? 'on' : 'off'
}

async function readSupplies(folder: string): Promise<PowerSupply[]> {
  const names = await readdir(folder)
  const supplies = await Promise.all(names.map((name) => readSupply(join(folder, name))))
  return supplies.filter((supply) => supply !== undefined)
}

/** Undefined when it has no type: it went away between listing and reading. */
async function readSupply(folder: string): Promise<PowerSupply | undefined> {
  const text = (name: string) => readAttribute(join(folder, name))
  const number = async (name: string) => toNumber(await text(name))
  const type = await text('type')
  if (type === undefined) return undefined
  const voltage = (await number('voltage_min_design')) ?? (await number('voltage_now'))
  return withoutUndefined({
    type,
    scope: await text('scope'),
    online: await number('online'),
    givesPower: await givesPower(folder),
    present: await number('present'),
    status: await text('status'),
    capacity: await number('capacity'),
    energyNow: await number('energy_now'),
    energyFull: await number('energy_full'),
    chargeNow: await number('charge_now'),
    chargeFull: await number('charge_full'),
    voltage,
  })
}

/** `power_role` of the ports of the supply's controller: the role in use stands in brackets, `[source] sink`. */
async function givesPower(folder: string): Promise<boolean> {
  const portsFolder = join(folder, 'device/typec')
  const ports = await readdir(portsFolder).catch(() => [])
  const roles = await Promise.all(ports.map((port) => readAttribute(join(portsFolder, port, 'power_role'))))
  return roles.some((role) => role?.includes('[source]')) && !roles.some((role) => role?.includes('[sink]'))
}

/** The text of an attribute, or undefined: drivers leave attributes out, and answer ENODEV while a device goes away. */
async function readAttribute(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch {
    return undefined
  }
}

function toNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined
}

type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
  & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> }

function withoutUndefined<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>
}
