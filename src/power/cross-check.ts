import type { PowerState } from '../scheduler/conditions.ts'
import { ownSupplies, powerFrom } from './on-mains.ts'
import type { PowerSupply } from './on-mains.ts'

type Power = Omit<PowerState, 'saver'>

/** One who can tell of the machine's power, and what it said. */
export interface Witness {
  readonly name: string
  /** Missing: it said nothing. */
  readonly supplies?: readonly PowerSupply[] | undefined
  /** Its own verdict, where it gives one. */
  readonly onBattery?: boolean | undefined
  /** It looked at the hardware so long ago that its word does not stand against one who looks now. */
  readonly isStale?: boolean | undefined
  /** Why it said nothing; missing where it is simply not there. */
  readonly cause?: string | undefined
}

export interface CrossCheck {
  readonly power: Power
  /** Who said so, and who said otherwise. */
  readonly source: string
}

/** Worst first: what is believed when witnesses differ. */
const supplies = ['battery', 'unknown', 'mains'] as const satisfies readonly PowerState['supply'][]

/**
 * What the machine runs on when two witnesses tell of it. Pure.
 *
 * A witness is credible when it knows at least one battery or charger of this machine: an empty list is what a container
 * shows of a laptop. Of two credible ones the worse is believed: `battery` before `unknown` before `mains`, the lower
 * percent, and a charger is weak when either says so; but one that is stale is not heard against one that is not. One
 * credible witness is believed alone. With none, a witness that answered and knows of no battery means mains, as in a
 * desktop; and when nobody answered it is `unknown`.
 */
export function crossCheck(witnesses: readonly [Witness, Witness]): CrossCheck {
  const answered = witnesses.filter((witness) => witness.supplies !== undefined)
  const credible = answered.filter((witness) => ownSupplies(witness.supplies ?? []).length > 0)
  const silent = witnesses.filter((witness) => witness.supplies === undefined && witness.cause !== undefined)
  const complaint = silent.map(({ name, cause }) => `${name}: ${cause}`).join('; ')
  const [first, second] = credible.length > 0 ? credible : answered
  if (!first) return { power: { supply: 'unknown' }, source: complaint || 'none' }
  if (second) return ofTwo(first, second)
  return { power: verdict(first), source: complaint ? `${first.name} (${complaint})` : first.name }
}

function verdict({ supplies = [], onBattery }: Witness): Power {
  const { weakCharger, ...power } = powerFrom(supplies)
  if (onBattery) return { ...power, supply: 'battery' }
  return { ...power, ...(weakCharger && { weakCharger }) }
}

function ofTwo(first: Witness, second: Witness): CrossCheck {
  const said = verdict(first)
  const saidToo = verdict(second)
  const agree = said.supply === saidToo.supply
  if (Boolean(first.isStale) !== Boolean(second.isStale)) {
    const [fresh, stale, power] = first.isStale ? [second, first, saidToo] : [first, second, said]
    return { power, source: agree ? fresh.name : `${fresh.name} (${stale.name} is stale)` }
  }
  const isFirstWorse = supplies.indexOf(said.supply) <= supplies.indexOf(saidToo.supply)
  const [worse, better, claim] = isFirstWorse ? [first, second, saidToo.supply] : [second, first, said.supply]
  const supply = isFirstWorse ? said.supply : saidToo.supply
  const percents = [said.percent, saidToo.percent].filter((percent) => percent !== undefined)
  const isWeak = supply === 'mains' && Boolean(said.weakCharger || saidToo.weakCharger)
  const power = {
    supply,
    ...(percents.length > 0 && { percent: Math.min(...percents) }),
    ...(isWeak && { weakCharger: true }),
  }
  return { power, source: agree ? first.name : `${worse.name} (${better.name} says ${claim})` }
}
