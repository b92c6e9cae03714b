import type { Command } from 'commander'

import type { Config } from '../../config/options.ts'
import type { ChosenNetwork, KnownNetwork, NetworkWish } from '../../src/control/networks.ts'
import type { Settings } from '../../src/journal/settings.ts'
import type { Clock } from '../../src/scheduler/words.ts'
import { formatBytes } from '../../config/units.ts'
import { setNetwork } from '../../src/control/networks.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { timeInWords, wrap } from '../../src/scheduler/words.ts'
import { costInWords } from '../network-words.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import type { ConfigOptions } from '../options.ts'
import { table } from '../output.ts'
import { serviceOfOthers } from '../service-at.ts'
import type { Io } from '../output.ts'

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
  const service = await serviceOfOthers(config)
  const networks = service ? (await service.call('GET /v1/networks', {})).networks : await known(config, readSettings(config.stateFolder), now)
  io.result(options.json, { version: 1, networks }, networkTable(networks, { now, timeZone: config.timeZone }))
}

async function set(which: string, cost: string, options: SetOptions, io: Io): Promise<void> {
  if (cost !== 'free' && cost !== 'metered' && cost !== 'auto') {
    throw new SluiceError('usage', `"${cost}" is no cost of a network: allowed are metered, free and auto`)
  }
  const { config, settings: { readSettings, updateSettings } } = await load(options)
  const wish: NetworkWish = { which, cost, ...(options.name !== undefined && { name: options.name }) }
  const service = await serviceOfOthers(config)
  const networks = service ? (await service.call('GET /v1/networks', {})).networks : await known(config, readSettings(config.stateFolder), io.now())
  const here = networks.find(({ isCurrent }) => isCurrent)
  let chosen: ChosenNetwork | undefined
  if (service) {
    const { set: network, before } = await service.call('POST /v1/networks/set', wish)
    chosen = { network, ...(before && { before }) }
  } else {
    updateSettings(config.stateFolder, (old) => {
      const { settings, ...choice } = setNetwork(wish, old, networks, config)
      chosen = choice
      return settings
    })
  }
  if (!chosen) throw new Error('no network was chosen')
  const { network, before } = chosen
  const isCurrent = network.id === here?.id
  const said = inWords(chosen, isCurrent, which).flatMap((line) => wrap(line, 80, ''))
  io.result(options.json, { version: 1, set: network, ...(before && { before }), isCurrent }, said)
}

function inWords({ network, before }: ChosenNetwork, isCurrent: boolean, which: string): string[] {
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
