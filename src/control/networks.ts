import type { Config } from '../../config/options.ts'
import type { NamedNetwork, Settings } from '../journal/settings.ts'
import type { NetworkClass, NetworkCost, NetworkState, Reading } from '../scheduler/conditions.ts'
import { capName } from '../budget/cap.ts'
import { SluiceError } from '../observe/error.ts'

/** As the settings hold at most. */
const maxNetworks = 200

/** One network of this machine as `network list` shows it. Nothing here is a network’s own name. */
export interface KnownNetwork {
  /** Missing where networks cannot be told apart. */
  readonly id?: string
  /** What the worker calls it. */
  readonly name?: string
  readonly isCurrent: boolean
  /** What the system says of the network that is used now, and why. */
  readonly cost?: NetworkCost
  readonly because?: string
  readonly source?: string
  /** What the worker says; missing or `auto`: the system is believed. */
  readonly override?: NetworkClass | 'auto'
  /** When bytes last went over it. */
  readonly lastAt?: number
  /** Bytes on the wire since the calendar month began. */
  readonly monthBytes?: number
}

/** A network that bytes went over, as the ledger knows it. */
export interface UsedNetwork {
  readonly id: string
  readonly lastAt: number
  readonly monthBytes: number
}

/** The current network first, then those that were used last, then those that only have a name. Pure. */
export function knownNetworks(
  current: Reading<NetworkState>, named: readonly NamedNetwork[], used: readonly UsedNetwork[],
): KnownNetwork[] {
  const { id: currentId, cost, because } = current.value
  const ids = new Set([...used.map(({ id }) => id), ...named.map(({ id }) => id)])
  if (currentId !== undefined) ids.delete(currentId)
  const facts = (id: string | undefined): Omit<KnownNetwork, 'isCurrent'> => {
    const name = named.find((network) => network.id === id)
    const use = used.find((network) => network.id === id)
    return {
      ...(id !== undefined && { id }),
      ...(name && { name: name.name, override: name.cost }),
      ...(use && { lastAt: use.lastAt, monthBytes: use.monthBytes }),
    }
  }
  const here = { ...facts(currentId), isCurrent: true, cost, ...(because !== undefined && { because }), source: current.source }
  const others = [...ids].map((id) => ({ ...facts(id), isCurrent: false }))
  return [
    ...(cost === 'offline' ? [] : [here]),
    ...others.sort((a, b) => (b.lastAt ?? 0) - (a.lastAt ?? 0) || ((a.name ?? a.id ?? '') < (b.name ?? b.id ?? '') ? -1 : 1)),
  ]
}

/** What the worker asked for: whose cost is to be which, and a new name. */
export interface NetworkWish {
  /** `current`, a name, or an id. */
  readonly which: string
  readonly cost: NamedNetwork['cost']
  readonly name?: string | undefined
}

/** The network that a wish is for, and as it was before if it had a name. */
export interface ChosenNetwork {
  readonly network: NamedNetwork
  readonly before?: NamedNetwork
}

/** The network that a wish is for, or why it is for none. */
type NetworkChoice =
  | ChosenNetwork
  | { readonly refused: 'no-current' | 'unknown' | 'named-otherwise' | 'name-taken'; readonly currentName?: string }

/**
 * Finds what `which` means. A name that no network bears becomes that of the current one, unless that has a name. A network
 * gets a name in any case, for settings and caps to speak of it. Pure.
 */
export function chooseNetwork(
  wish: NetworkWish, settings: Settings, currentId: string | undefined, seen: readonly string[],
): NetworkChoice {
  const { networks } = settings
  const current = networks.find(({ id }) => id === currentId)
  const byName = networks.find(({ name }) => name === wish.which)
  const isId = /^[0-9a-f]{12}$/.test(wish.which)
  const ids = [...networks.map(({ id }) => id), ...seen, ...(currentId === undefined ? [] : [currentId])]
  const idAsked = isId ? ids.find((known) => known === wish.which) : currentId
  const id = wish.which === 'current' ? currentId : byName?.id ?? idAsked
  if (id === undefined) return { refused: wish.which === 'current' || !isId ? 'no-current' : 'unknown' }
  const isNewName = wish.which !== 'current' && !byName && !isId
  if (isNewName && current) return { refused: 'named-otherwise', currentName: current.name }
  const before = networks.find((network) => network.id === id)
  const name = wish.name ?? before?.name ?? (isNewName ? wish.which : freeName(networks))
  if (networks.some((network) => network.name === name && network.id !== id)) return { refused: 'name-taken' }
  return { network: { id, name, cost: wish.cost }, ...(before && { before }) }
}

/** `network-1`, or the first such name that is free. */
function freeName(networks: readonly NamedNetwork[]): string {
  for (let number = 1; ; number++) {
    if (!networks.some(({ name }) => name === `network-${number}`)) return `network-${number}`
  }
}

type LimitedNetworks = Pick<Config, 'caps' | 'plan'>

/** The settings with a wish fulfilled, given the networks that are known. Throws `usage` where it cannot be. Pure. */
export function setNetwork(
  wish: NetworkWish, settings: Settings, networks: readonly KnownNetwork[], config: LimitedNetworks,
): ChosenNetwork & { readonly settings: Settings } {
  for (const name of [wish.which, wish.name ?? wish.which]) checkName(name, name === wish.name)
  const here = networks.find(({ isCurrent }) => isCurrent)
  const choice = chooseNetwork(wish, settings, here?.id, networks.flatMap(({ id }) => id ?? []))
  if ('refused' in choice) throw refusal(choice, wish.which, wish.name, here)
  return { ...choice, settings: changed(settings, choice, config) }
}

/** The settings with the network as it is now; the worker’s caps for it follow it to its new name. */
function changed(
  old: Settings, { network, before }: ChosenNetwork, config: LimitedNetworks,
): Settings {
  const networks = [...old.networks.filter(({ id }) => id !== network.id), network]
  if (networks.length > maxNetworks) {
    throw new SluiceError('usage', `${maxNetworks} networks have names, the most there can be; rename one with --name`)
  }
  if (!before || before.name === network.name) return { ...old, networks }
  if ([...config.caps, ...config.plan ? [config.plan] : []].some((cap) => cap.network === before.name)) {
    throw new SluiceError('usage', `${before.name} must keep its name: the config limits what goes over the network of that name`)
  }
  const caps = old.caps.map((cap) => {
    if (cap.network !== before.name) return cap
    const moved = { ...cap, network: network.name }
    return { ...moved, id: capName(moved) }
  })
  return { ...old, networks, caps }
}

function refusal(
  choice: Exclude<NetworkChoice, ChosenNetwork>, which: string, newName: string | undefined, here: KnownNetwork | undefined,
): SluiceError {
  switch (choice.refused) {
    case 'no-current':
      return new SluiceError('usage', noCurrent(here))
    case 'unknown':
      return new SluiceError('usage', `no network with the id ${which} is known: see sluice network list`)
    case 'named-otherwise':
      return new SluiceError('usage', `no network is called ${which}, and the one you are on is called ${choice.currentName}. `
        + `To rename this one: sluice network set current ${here?.override ?? 'auto'} --name ${which}. Else join ${which} and try again`)
    case 'name-taken':
      return new SluiceError('usage', `another network is called ${newName ?? which} already: choose another name`)
  }
}

function noCurrent(here: KnownNetwork | undefined): string {
  if (!here) return 'there is no network now: join it first, then say what it costs'
  if (here.source === 'config') return 'the config says what all networks cost (`conditions.network`), so nothing can be said of this one'
  return `which network this is cannot be told (${here.source}), so nothing can be said of it. `
    + 'If all networks of this machine cost the same, set `conditions: { network: free }` in the config'
}

function checkName(name: string, isNew: boolean): void {
  const isReserved = isNew && (name === 'current' || /^[0-9a-f]{12}$/.test(name))
  if (/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name) && !isReserved) return
  const allowed = 'at most 64 characters a-z, 0-9, ".", "_", "-", beginning with a letter or digit'
  const reserved = isReserved ? ', and neither "current" nor an id' : ''
  throw new SluiceError('usage', `"${name}" is no name for a network: allowed are ${allowed}${reserved}`)
}
