import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { PowerState } from '../scheduler/conditions.ts'
import type { PowerSupply } from './on-mains.ts'

/**
 * What the Linux kernel says of each battery and charger in `folder` (usually `/sys/class/power_supply`). Rejects when
 * the folder cannot be read, as in containers that hide it.
 */
export async function readSupplies(folder: string): Promise<PowerSupply[]> {
  const names = await readdir(folder)
  const supplies = await Promise.all(names.map((name) => readSupply(join(folder, name))))
  return supplies.filter((supply) => supply !== undefined)
}

/** The machine's own power profile (usually `/sys/firmware/acpi/platform_profile`), which a key or the firmware sets. */
export async function readPlatformProfile(file: string): Promise<PowerState['saver']> {
  const profile = await readAttribute(file)
  if (profile === undefined) return 'unknown'
  return profile === 'low-power' ? 'on' : 'off'
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
    chargeLimit: await number('charge_control_end_threshold'),
    // The behaviour in use stands in brackets: `auto inhibit-charge [force-discharge]`.
    drainsOnPurpose: (await text('charge_behaviour'))?.includes('[force-discharge]'),
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
