import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'

import type { Config } from '../../config/options.ts'
import type { Cap } from '../../src/budget/cap.ts'
import type { CapStatus } from '../../src/control/status.ts'
import type { Settings, WorkerCap } from '../../src/journal/settings.ts'
import { SluiceError } from '../../src/observe/error.ts'
import type { Clock } from '../../src/scheduler/words.ts'
import { parseCap } from '../cap-text.ts'
import { capInWords, inEffect, periodInWords } from '../cap-words.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import type { ConfigOptions } from '../options.ts'
import { folded } from '../output.ts'
import type { Io } from '../output.ts'

/** As the settings hold at most. */
const maxWorkerCaps = 32

interface SetOptions extends ConfigOptions {
  readonly resetDay?: number
  readonly network?: string
  readonly on?: string
  readonly stream?: string
  readonly pace?: true
}

/** A cap with its use, where something ran on the state folder already. */
type ListedCap = (Cap | CapStatus) & {
  readonly from: 'policy' | 'worker'
  /** False when another cap is at least as strict wherever this one counts. */
  readonly inEffect: boolean
}

export function register(program: Command, io: Io): void {
  const group = describe(program.command('cap'), 'Limit the bytes that Sluice may use. The strictest cap counts.', [
    ['sluice cap set 5GB/month --reset-day 15', 'at most 5 GB from the 15th to the 15th'],
    ['sluice cap list', 'what applies, what is used, and how long it will last'],
  ])
  const setting = group.command('set').argument('<limit...>', 'such as 5GB/month, 1 GB/week, 200MB/day, 6GB/30days')
    .option('--reset-day <day>', 'day of the month on which a monthly cap starts again', dayOfMonth)
    .option('--network <name>', 'count only what goes over this network of yours')
    .option('--on <class>', 'count only what goes over metered, or free, networks')
    .option('--stream <name>', 'count only this stream')
    .option('--pace', 'spread what is left over the days that are left')
  describe(addJson(addConfig(setting)), 'Set a cap.', [
    ['sluice cap set 5GB/month', 'replaces your monthly cap'],
    ['sluice cap set 200MB/day --on metered', 'beside it: at most 200 MB a day where it costs'],
    ['sluice cap set 6GB/30days', 'in any 30 days, without a reset day'],
    ['sluice cap set 2GB/month --network home --pace', 'at home, the same share each day'],
  ]).action((words: string[], options: SetOptions) => set(words.join(' '), options, io))
  describe(addJson(addConfig(group.command('list'))), 'List your caps and those of the policy, with their use.', [
    ['sluice cap list', 'with what has an effect'],
  ]).action((options: ConfigOptions) => list(options, io))
  describe(addJson(addConfig(group.command('remove')
    .argument('[id]', 'as `cap list` shows it; not needed when there is but one'))), 'Remove a cap of yours.', [
    ['sluice cap remove month', 'your monthly cap'],
  ]).action((id: string | undefined, options: ConfigOptions) => remove(id, options, io))
}

async function set(text: string, options: SetOptions, io: Io): Promise<void> {
  const limit = limitOf(text, options)
  const { config, settings: { updateSettings } } = await load(options)
  if (limit.stream !== undefined && !config.streams.some(({ name }) => name === limit.stream)) {
    const names = config.streams.map(({ name }) => name).join(', ')
    throw new SluiceError('usage', `there is no stream "${limit.stream}"; there are: ${names}`)
  }
  const { capName } = await import('../../src/budget/cap.ts')
  const cap: WorkerCap = { id: capName(limit), ...limit }
  let before: WorkerCap | undefined
  const settings = updateSettings(config.stateFolder, (old) => {
    before = old.caps.find(({ id }) => id === cap.id)
    const others = old.caps.filter(({ id }) => id !== cap.id)
    if (others.length >= maxWorkerCaps) {
      throw new SluiceError('usage', `you have set ${maxWorkerCaps} caps, the most there can be; remove one first`)
    }
    return { ...old, caps: [...others, cap] }
  })
  const caps = await listed(config, settings, io.now())
  const ineffective = caps.some((each) => each.from === 'worker' && each.id === cap.id && !each.inEffect)
  const isNamed = cap.network === undefined || settings.networks.some(({ name }) => name === cap.network)
  io.result(options.json, { version: 1, set: cap, ...(before && { before }), caps }, [
    ...folded(`Set ${capInWords(cap)}.${before ? ` Before: ${capInWords(before)}.` : ''}`
      + (ineffective ? ' It has no effect: a stricter cap applies.' : '')),
    ...(isNamed ? [] : folded(`No network is called ${cap.network} yet: it counts nothing until one is (sluice network list).`)),
    '',
    ...await lines(caps, { now: io.now(), timeZone: config.timeZone }),
  ])
}

async function list(options: ConfigOptions, io: Io): Promise<void> {
  const { config, settings: { readSettings } } = await load(options)
  const caps = await listed(config, readSettings(config.stateFolder), io.now())
  io.result(options.json, { version: 1, caps }, await lines(caps, { now: io.now(), timeZone: config.timeZone }))
}

async function remove(id: string | undefined, options: ConfigOptions, io: Io): Promise<void> {
  const { config, settings: { updateSettings } } = await load(options)
  let removed: WorkerCap | undefined
  const settings = updateSettings(config.stateFolder, (old) => {
    const gone = id ?? (old.caps.length === 1 ? old.caps[0]?.id : undefined)
    removed = old.caps.find((cap) => cap.id === gone)
    if (removed) return { ...old, caps: old.caps.filter((cap) => cap !== removed) }
    if (config.caps.some((cap) => cap.id === gone)) {
      throw new SluiceError('usage', `${gone} is set by the policy and stays; you can only set a stricter cap`)
    }
    const yours = old.caps.length === 0 ? 'you have set none' : `yours are: ${old.caps.map((cap) => cap.id).join(', ')}`
    throw new SluiceError('usage', id === undefined ? `which cap? ${yours}` : `there is no cap "${id}"; ${yours}`)
  })
  const caps = await listed(config, settings, io.now())
  const said = removed ? `Removed ${capInWords(removed)}.` : 'Removed.'
  const shown = await lines(caps, { now: io.now(), timeZone: config.timeZone })
  io.result(options.json, { version: 1, removed, caps }, [said, '', ...shown])
}

async function load(options: ConfigOptions) {
  const [{ config }, settings] = await Promise.all([configFor(options), import('../../src/journal/settings.ts')])
  return { config, settings }
}

function limitOf(text: string, options: SetOptions): Omit<Cap, 'id'> {
  const cap = parseCap(text)
  const { resetDay, pace } = options
  if (resetDay !== undefined && cap.per !== 'month') {
    throw new SluiceError('usage', `--reset-day is for caps per month, not per ${periodInWords(cap)}`)
  }
  if (pace && cap.per !== 'month' && cap.per !== 'week') {
    throw new SluiceError('usage', `--pace is for caps per week or month, not per ${periodInWords(cap)}`)
  }
  return { ...cap, ...(resetDay !== undefined && { resetDay }), ...scopeOf(options), ...(pace && { pace }) }
}

function scopeOf({ network, on, stream }: SetOptions): Pick<Cap, 'network' | 'on' | 'stream'> {
  if (on !== undefined && on !== 'free' && on !== 'metered') {
    throw new SluiceError('usage', `"${on}" is no class of network: allowed are metered and free`)
  }
  if (network !== undefined && !/^[a-z0-9][a-z0-9._-]{0,63}$/.test(network)) {
    throw new SluiceError('usage', `"${network}" is no name of a network: see sluice network list`)
  }
  return { ...(network !== undefined && { network }), ...(on !== undefined && { on }), ...(stream !== undefined && { stream }) }
}

function dayOfMonth(text: string): number {
  const day = /^\d{1,2}$/.test(text) ? Number(text) : 0
  if (day < 1 || day > 31) throw new InvalidArgumentError('Allowed: 1 to 31.')
  return day
}

async function listed(config: Config, settings: Settings, now: number): Promise<ListedCap[]> {
  const { readCaps } = await import('../../src/control/status.ts')
  const used = readCaps(config, settings, now)
  const all: Omit<ListedCap, 'inEffect'>[] = used ? [...used] : [
    ...config.caps.map((cap) => ({ ...cap, from: 'policy' as const })),
    ...settings.caps.map((cap) => ({ ...cap, from: 'worker' as const })),
  ]
  const effects = inEffect(all)
  return all.map((cap, index) => ({ ...cap, inEffect: effects[index] ?? true }))
}

/** Each cap with its id in front of what there is to say of it. */
async function lines(caps: readonly ListedCap[], clock: Clock): Promise<string[]> {
  if (caps.length === 0) return ['There is no cap. Set one with: sluice cap set 5GB/month']
  const [{ wrap }, { useInWords }] = await Promise.all([import('../../src/scheduler/words.ts'), import('../cap-use.ts')])
  return caps.flatMap((cap) => [
    ...wrap(`${cap.id}: ${capInWords(cap)}, set by ${cap.from === 'policy' ? 'the policy' : 'you'}`
      + `${cap.inEffect ? '' : '; a stricter one applies'}`, 80, '  ', ''),
    ...('usedBytes' in cap ? wrap(useInWords(cap, clock), 80, '  ') : []),
  ])
}
