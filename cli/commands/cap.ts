import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'

import type { Config } from '../../config/options.ts'
import type { Cap } from '../../src/budget/cap.ts'
import type { CapWish } from '../../src/control/api.ts'
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
import { serviceOfOthers } from '../service-at.ts'

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
  const place = await capsAt(options)
  const { set: cap, before } = await place.set(limit)
  const caps = await place.list(io.now())
  const ineffective = caps.some((each) => each.from === 'worker' && each.id === cap.id && !each.inEffect)
  const isNamed = cap.network === undefined || await place.knowsNetwork(cap.network)
  io.result(options.json, { version: 1, set: cap, ...(before && { before }), caps }, [
    ...folded(`Set ${capInWords(cap)}.${before ? ` Before: ${capInWords(before)}.` : ''}`
      + (ineffective ? ' It has no effect: a stricter cap applies.' : '')),
    ...(isNamed ? [] : folded(`No network is called ${cap.network} yet: it counts nothing until one is (sluice network list).`)),
    '',
    ...await lines(caps, { now: io.now(), timeZone: place.timeZone }),
  ])
}

async function list(options: ConfigOptions, io: Io): Promise<void> {
  const place = await capsAt(options)
  const caps = await place.list(io.now())
  io.result(options.json, { version: 1, caps }, await lines(caps, { now: io.now(), timeZone: place.timeZone }))
}

async function remove(id: string | undefined, options: ConfigOptions, io: Io): Promise<void> {
  const place = await capsAt(options)
  const removed = await place.remove(id ?? onlyOne(await place.list(io.now())))
  const caps = await place.list(io.now())
  const shown = await lines(caps, { now: io.now(), timeZone: place.timeZone })
  io.result(options.json, { version: 1, removed, caps }, [`Removed ${capInWords(removed)}.`, '', ...shown])
}

function onlyOne(caps: readonly ListedCap[]): string {
  const yours = caps.filter(({ from }) => from === 'worker')
  const [one, ...others] = yours
  if (one && others.length === 0) return one.id
  throw new SluiceError('usage', `which cap? ${one ? `yours are: ${yours.map(({ id }) => id).join(', ')}` : 'you have set none'}`)
}

/** The caps of a config’s state folder: of one’s own, or of a service that belongs to another user and lets one ask. */
interface CapsPlace {
  readonly timeZone: string
  set(wish: CapWish): Promise<{ readonly set: WorkerCap, readonly before?: WorkerCap }>
  remove(id: string): Promise<WorkerCap>
  list(now: number): Promise<readonly ListedCap[]>
  knowsNetwork(name: string): Promise<boolean>
}

async function capsAt(options: ConfigOptions): Promise<CapsPlace> {
  const { config } = await configFor(options)
  const { stateFolder, timeZone } = config
  const service = await serviceOfOthers(config)
  if (service) {
    return {
      timeZone,
      set: (wish) => service.call('POST /v1/caps/set', wish),
      remove: async (id) => (await service.call('POST /v1/caps/remove', { id })).removed,
      list: async () => withEffect((await service.call('GET /v1/caps', {})).caps),
      knowsNetwork: async (wanted) => (await service.call('GET /v1/networks', {})).networks.some(({ name }) => name === wanted),
    }
  }
  const [{ readSettings, updateSettings }, { withCap, withoutCap }] = await Promise.all([
    import('../../src/journal/settings.ts'), import('../../src/control/wishes.ts'),
  ])
  return {
    timeZone,
    set: async (wish) => {
      let done: ReturnType<typeof withCap> | undefined
      updateSettings(stateFolder, (old) => (done = withCap(wish, old, config)).settings)
      return done!
    },
    remove: async (id) => {
      let done: ReturnType<typeof withoutCap> | undefined
      updateSettings(stateFolder, (old) => (done = withoutCap(id, old, config)).settings)
      return done!.removed
    },
    list: (now) => listed(config, readSettings(stateFolder), now),
    knowsNetwork: async (wanted) => readSettings(stateFolder).networks.some(({ name }) => name === wanted),
  }
}

function limitOf(text: string, options: SetOptions): CapWish {
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

async function listed(config: Config, settings: Settings, now: number): Promise<readonly ListedCap[]> {
  const { readCaps } = await import('../../src/control/status.ts')
  return withEffect(readCaps(config, settings, now) ?? [
    ...config.caps.map((cap) => ({ ...cap, from: 'policy' as const })),
    ...settings.caps.map((cap) => ({ ...cap, from: 'worker' as const })),
  ])
}

function withEffect(caps: readonly Omit<ListedCap, 'inEffect'>[]): readonly ListedCap[] {
  const effects = inEffect(caps)
  return caps.map((cap, index) => ({ ...cap, inEffect: effects[index] ?? true }))
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
