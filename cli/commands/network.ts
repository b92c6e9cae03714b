import type { Command } from 'commander'

import type { Config } from '../../config/options.ts'
import type { KnownNetwork, NetworkChoice } from '../../src/control/networks.ts'
import type { NamedNetwork, Settings } from '../../src/journal/settings.ts'
import type { Clock } from '../../src/scheduler/words.ts'
import { formatBytes } from '../../config/units.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { timeInWords, wrap } from '../../src/scheduler/words.ts'
import { costInWords } from '../network-words.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import type { ConfigOptions } from '../options.ts'
import { table } from '../output.ts'
import type { Io } from '../output.ts'

/** As the settings hold at most. */
const maxNetworks = 200

interface SetOptions extends ConfigOptions {
  readonly name?: string
}

export function register(program: Command, io: Io): void {
  const group = describe(program.command('network'), 'See networks, name them, and say what they cost.', [
    ['sluice network list', 'where you are, what it costs, what went over it'],
    ['sluice network set current free', 'this network costs you nothing'],
  ])
  describe(addJson(addConfig(group.command('list'))), 'List the networks that Sluice knows, the current one first.', [
    ['sluice network list', 'names are yours; the network’s own name is never kept'],
  ]).action((options: ConfigOptions) => list(options, io))
  const setting = group.command('set')
    .argument('<network>', 'current, a name of yours, or an id of `network list`')
    .argument('<cost>', 'metered, free, or auto (what the system says)')
    .option('--name <new>', 'what to call it from now on')
  describe(addJson(addConfig(setting)), 'Say what a network costs.', [
    ['sluice network set current free --name home', 'the network you are on is home, and free'],
    ['sluice network set home metered', 'from now on home costs money'],
    ['sluice network set home auto', 'believe the system again'],
  ]).action((which: string, cost: string, options: SetOptions) => set(which, cost, options, io))
}

async function list(options: ConfigOptions, io: Io): Promise<void> {
  const { config, settings: { readSettings } } = await load(options)
  const now = io.now()
  const networks = await known(config, readSettings(config.stateFolder), now)
  io.result(options.json, { version: 1, networks }, networkTable(networks, { now, timeZone: config.timeZone }))
}

async function set(which: string, cost: string, options: SetOptions, io: Io): Promise<void> {
  if (cost !== 'free' && cost !== 'metered' && cost !== 'auto') {
    throw new SluiceError('usage', `"${cost}" is no cost of a network: allowed are metered, free and auto`)
  }
  for (const name of [which, options.name ?? which]) checkName(name, name === options.name)
  const { config, settings: { readSettings, updateSettings } } = await load(options)
  const now = io.now()
  const networks = await known(config, readSettings(config.stateFolder), now)
  const here = networks.find(({ isCurrent }) => isCurrent)
  const seen = networks.flatMap(({ id }) => id ?? [])
  const { chooseNetwork } = await import('../../src/control/networks.ts')
  const { capName } = await import('../../src/budget/cap.ts')
  let chosen: Chosen | undefined
  updateSettings(config.stateFolder, (old) => {
    const choice = chooseNetwork({ which, cost, name: options.name }, old, here?.id, seen)
    if ('refused' in choice) throw refusal(choice, which, options.name, here)
    chosen = choice
    return changed(old, choice, config, capName)
  })
  if (!chosen) throw new Error('no network was chosen')
  const { network, before } = chosen
  const isCurrent = network.id === here?.id
  const said = inWords(chosen, isCurrent, which).flatMap((line) => wrap(line, 80, ''))
  io.result(options.json, { version: 1, set: network, ...(before && { before }), isCurrent }, said)
}

type Chosen = Extract<NetworkChoice, { readonly network: NamedNetwork }>

/** The settings with the network as it is now; the worker’s caps for it follow it to its new name. */
function changed(
  old: Settings, { network, before }: Chosen, config: Config, capId: (cap: Settings['caps'][number]) => string,
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
    return { ...moved, id: capId(moved) }
  })
  return { ...old, networks, caps }
}

function refusal(
  choice: Exclude<NetworkChoice, Chosen>, which: string, newName: string | undefined, here: KnownNetwork | undefined,
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

function inWords({ network, before }: Chosen, isCurrent: boolean, which: string): string[] {
  const costs = {
    free: 'counts as free from now on. Roaming and a used-up allowance still stop sending.',
    metered: 'counts as metered from now on.',
    auto: 'costs what the system says, from now on.',
  } as const
  const { id, name, cost } = network
  const isNewName = before === undefined && which === name
  return [
    ...(isNewName ? [
      `No network was called ${name}: from now on that is the one you are on.`,
      `If that is wrong: sluice network set ${name} auto --name OTHER`,
    ] : []),
    ...(before === undefined && !isNewName ? [`The network ${isCurrent ? 'you are on' : id} is called ${name} from now on.`] : []),
    ...(before && before.name !== name ? [`${before.name} is called ${name} from now on.`] : []),
    `${name} ${costs[cost]}`,
  ]
}

async function load(options: ConfigOptions) {
  const [{ config }, settings] = await Promise.all([configFor(options), import('../../src/journal/settings.ts')])
  return { config, settings }
}

async function known(config: Config, settings: Settings, now: number): Promise<KnownNetwork[]> {
  const [{ networkNow }, { readNetworks }, { knownNetworks }] = await Promise.all([
    import('../status-for.ts'), import('../../src/control/status.ts'), import('../../src/control/networks.ts'),
  ])
  return knownNetworks(await networkNow(config), settings.networks, readNetworks(config, now))
}

function networkTable(networks: readonly KnownNetwork[], clock: Clock): string[] {
  const rows = networks.map(({ id, name, isCurrent, cost, override, lastAt, monthBytes }) => [
    isCurrent ? 'now' : '',
    name ?? id ?? 'cannot be told',
    cost ? costInWords(cost) : '-',
    override === undefined || override === 'auto' ? '-' : override,
    lastAt === undefined ? '-' : timeInWords(lastAt, clock),
    monthBytes === undefined ? '-' : formatBytes(monthBytes),
  ])
  const here = networks.find(({ isCurrent }) => isCurrent)
  const sign = here?.because === undefined ? '' : `, ${here.because}`
  const source = here ? `Now: ${costInWords(here.cost ?? 'unknown')}${sign} (${here.source}).` : 'There is no network now.'
  const isNameless = here?.id !== undefined && here.name === undefined
  const heading = ['', 'network', 'system says', 'you say', 'last used', 'this month']
  return [
    ...(networks.length === 0 ? [] : [...table([heading, ...rows], 80), '']),
    ...wrap(source, 80, ''),
    ...(isNameless ? ['Give it a name: sluice network set current free|metered|auto --name home'] : []),
  ]
}
