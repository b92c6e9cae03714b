import type { NamedNetwork, Settings } from '../journal/settings.ts'
import type { NetworkClass, NetworkCost, NetworkState, Reading } from '../scheduler/conditions.ts'

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

/** The network that a wish is for, or why it is for none. */
export type NetworkChoice =
  | { readonly network: NamedNetwork; readonly before?: NamedNetwork }
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
