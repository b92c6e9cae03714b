import type { PowerState } from '../scheduler/conditions.ts'

/** One power supply as the kernel describes it (kernel.org, ABI/testing/sysfs-class-power); a missing attribute is absent. */
export interface PowerSupply {
  /** `Battery`, `Mains`, `USB`, `Wireless`, … */
  readonly type: string
  /** `Device`: the battery or charger of a mouse, headset or phone, not of this machine. */
  readonly scope?: string
  /** 0: not plugged; 1 or 2: plugged. Chargers only. */
  readonly online?: number
  /** The USB-C ports of this charger all give power at the moment, and none takes it. */
  readonly givesPower?: boolean
  /** 0: the bay is empty. */
  readonly present?: number
  /** `Charging`, `Discharging`, `Not charging`, `Full`, `Unknown`. */
  readonly status?: string
  /** Percent, as the battery itself computes it. */
  readonly capacity?: number
  /** Percent above which the battery is not charged, and may be drained down to. */
  readonly chargeLimit?: number
  /** The battery was told to drain although a charger is plugged in. */
  readonly drainsOnPurpose?: boolean
  /** µWh. */
  readonly energyNow?: number
  readonly energyFull?: number
  /** µAh, of batteries that do not report energy. */
  readonly chargeNow?: number
  readonly chargeFull?: number
  /** µV, to compare charge with energy. */
  readonly voltage?: number
}

/** Batteries and chargers of this machine, not those of a mouse or a phone beside it. */
export function ownSupplies(supplies: readonly PowerSupply[]): PowerSupply[] {
  return supplies.filter((supply) => supply.scope !== 'Device')
}

/**
 * What the machine runs on, by the rules of systemd's on_ac_power: a charger that is plugged in is mains, whatever its
 * name; without one, it is battery exactly when a battery of the machine discharges. Two cases in which the kernel
 * contradicts itself are `unknown`: no charger is plugged in, and the only batteries are dead or say `Unknown`.
 * The charger is weak when a battery drains beside it that nobody wants drained, and none charges.
 */
export function powerFrom(supplies: readonly PowerSupply[]): Omit<PowerState, 'saver'> {
  const own = ownSupplies(supplies)
  const batteries = own.filter((supply) => supply.type === 'Battery' && supply.present !== 0)
  const chargers = own.filter((supply) => supply.type !== 'Battery' && supply.online !== undefined && !supply.givesPower)
  const percent = combinedPercent(batteries)
  const isPlugged = chargers.some((charger) => Number(charger.online) > 0)
  const isWeak = isPlugged && batteries.some(drainsUnwanted) && !batteries.some(({ status }) => status === 'Charging')
  return {
    supply: isPlugged ? 'mains' : supplyWithoutCharger(batteries, chargers),
    ...(percent !== undefined && { percent }),
    ...(isWeak && { weakCharger: true }),
  }
}

function supplyWithoutCharger(batteries: readonly PowerSupply[], chargers: readonly PowerSupply[]): PowerState['supply'] {
  if (batteries.some((battery) => battery.status === 'Discharging')) return 'battery'
  const contradicts = batteries.length > 0 && batteries.every((battery) => isDead(battery) || isUnknown(battery))
  return chargers.length > 0 && contradicts ? 'unknown' : 'mains'
}

function drainsUnwanted(battery: PowerSupply): boolean {
  if (battery.status !== 'Discharging' || battery.drainsOnPurpose) return false
  const { chargeLimit = 100 } = battery
  const level = levelOf(battery)
  return chargeLimit <= 0 || chargeLimit >= 100 || level === undefined || level < chargeLimit
}

function isDead(battery: PowerSupply): boolean {
  return battery.status === 'Not charging' && levelOf(battery) === 0
}

function isUnknown({ status = 'Unknown' }: PowerSupply): boolean {
  return status === 'Unknown'
}

/** Rounded down, so that no threshold is passed by rounding. One battery: its own figure. Several: weighted by energy. */
function combinedPercent(batteries: readonly PowerSupply[]): number | undefined {
  const known = batteries.flatMap((battery) => {
    const level = levelOf(battery)
    return level === undefined ? [] : [{ level, weight: fullEnergy(battery) }]
  })
  if (known.length === 0) return undefined
  const weighable = known.every(({ weight }) => weight !== undefined)
  let total = 0
  let full = 0
  for (const { level, weight } of known) {
    const size = weighable ? Number(weight) : 1
    total += level * size
    full += size
  }
  // The sum of exact percents may come out a hair below one: 1e-9 gives it back.
  return Math.min(100, Math.max(0, Math.floor((total / full) + 1e-9)))
}

/** Percent of a battery, 0–100. */
function levelOf(battery: PowerSupply): number | undefined {
  if (battery.capacity !== undefined) return battery.capacity
  const now = battery.energyNow ?? battery.chargeNow
  const full = battery.energyNow === undefined ? battery.chargeFull : battery.energyFull
  return now === undefined || !full ? undefined : (now / full) * 100
}

/** µWh, or undefined when the battery does not tell. */
function fullEnergy({ energyFull, chargeFull, voltage }: PowerSupply): number | undefined {
  if (energyFull) return energyFull
  return chargeFull && voltage ? (chargeFull * voltage) / 1e6 : undefined
}
