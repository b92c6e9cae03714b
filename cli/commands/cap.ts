import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'

import { formatBytes, parseBytes } from '../../config/units.ts'
import type { Cap } from '../../src/budget/cap.ts'
import type { Settings, WorkerCap } from '../../src/journal/settings.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import type { ConfigOptions } from '../options.ts'
import { table } from '../output.ts'
import type { Io } from '../output.ts'

interface SetOptions extends ConfigOptions {
  readonly resetDay?: number
}

interface ListedCap extends Cap {
  readonly from: 'policy' | 'worker'
  /** False when another cap is at least as strict wherever this one counts. */
  readonly inEffect: boolean
}

export function register(program: Command, io: Io): void {
  const group = describe(program.command('cap'), 'Limit the bytes that Sluice may use. The strictest cap counts.', [
    ['sluice cap set 5GB/month --reset-day 15', 'at most 5 GB from the 15th to the 15th'],
    ['sluice cap list', 'what applies now'],
  ])
  describe(addJson(addConfig(group.command('set').argument('<limit...>', 'such as 5GB/month, 1 GB/week or 200MB/day'))
    .option('--reset-day <day>', 'day of the month on which a monthly cap starts again', dayOfMonth)), 'Set a cap.', [
    ['sluice cap set 5GB/month', 'replaces your monthly cap'],
    ['sluice cap set 200MB/day', 'and a daily one beside it'],
  ]).action((words: string[], options: SetOptions) => set(words.join(' '), options, io))
  describe(addJson(addConfig(group.command('list'))), 'List your caps and those of the policy.', [
    ['sluice cap list', 'with what has an effect'],
  ]).action((options: ConfigOptions) => list(options, io))
  describe(addJson(addConfig(group.command('remove')
    .argument('[id]', 'as `cap list` shows it; not needed when there is but one'))), 'Remove a cap of yours.', [
    ['sluice cap remove month', 'your monthly cap'],
  ]).action((id: string | undefined, options: ConfigOptions) => remove(id, options, io))
}

async function set(text: string, options: SetOptions, io: Io): Promise<void> {
  const period = parseCap(text, options.resetDay)
  const { config, settings: { updateSettings } } = await load(options)
  const { capPeriod } = await import('../../config/parse.ts')
  const cap: WorkerCap = { id: capPeriod(period), ...period }
  const settings = updateSettings(
    config.stateFolder,
    (old) => ({ ...old, caps: [...old.caps.filter(({ id }) => id !== cap.id), cap] }),
  )
  const caps = listed(config.caps, settings)
  const ineffective = caps.some((each) => each.from === 'worker' && each.id === cap.id && !each.inEffect)
  const said = ineffective ? `Set ${inWords(cap)}. It has no effect: a stricter cap applies.` : `Set ${inWords(cap)}.`
  io.result(options.json, { version: 1, set: cap, caps }, [said, '', ...capTable(caps)])
}

async function list(options: ConfigOptions, io: Io): Promise<void> {
  const { config, settings: { readSettings } } = await load(options)
  const caps = listed(config.caps, readSettings(config.stateFolder))
  io.result(options.json, { version: 1, caps }, capTable(caps))
}

async function remove(id: string | undefined, options: ConfigOptions, io: Io): Promise<void> {
  const { config, settings: { updateSettings } } = await load(options)
  const settings = updateSettings(config.stateFolder, (old) => {
    const gone = id ?? (old.caps.length === 1 ? old.caps[0]?.id : undefined)
    if (old.caps.some((cap) => cap.id === gone)) return { ...old, caps: old.caps.filter((cap) => cap.id !== gone) }
    if (config.caps.some((cap) => cap.id === gone)) {
      throw new SluiceError('usage', `${gone} is set by the policy and stays; you can only set a stricter cap`)
    }
    const yours = old.caps.length === 0 ? 'you have set none' : `yours are: ${old.caps.map((cap) => cap.id).join(', ')}`
    throw new SluiceError('usage', id === undefined ? `which cap? ${yours}` : `there is no cap "${id}"; ${yours}`)
  })
  const caps = listed(config.caps, settings)
  io.result(options.json, { version: 1, caps }, ['Removed.', '', ...capTable(caps)])
}

async function load(options: ConfigOptions) {
  const [{ config }, settings] = await Promise.all([configFor(options), import('../../src/journal/settings.ts')])
  return { config, settings }
}

function parseCap(text: string, resetDay: number | undefined): Omit<Cap, 'id'> {
  const [, amount = '', per] = /^(.*?)\s*\/\s*(day|week|month)$/.exec(text) ?? []
  const limitBytes = parseBytes(amount)
  if (!limitBytes || (per !== 'day' && per !== 'week' && per !== 'month')) {
    throw new SluiceError(
      'usage',
      `"${text}" is no cap: allowed are a size and a period such as 5GB/month, 1GB/week or 200MB/day`,
    )
  }
  if (resetDay !== undefined && per !== 'month') {
    throw new SluiceError('usage', `--reset-day is for caps per month, not per ${per}`)
  }
  return { limitBytes, per, ...(resetDay === undefined ? {} : { resetDay }) }
}

function dayOfMonth(text: string): number {
  const day = /^\d{1,2}$/.test(text) ? Number(text) : 0
  if (day < 1 || day > 31) throw new InvalidArgumentError('Allowed: 1 to 31.')
  return day
}

function listed(policy: readonly Cap[], settings: Settings): ListedCap[] {
  const all = [
    ...policy.map((cap) => ({ ...cap, from: 'policy' as const })),
    ...settings.caps.map((cap) => ({ ...cap, from: 'worker' as const })),
  ]
  return all.map((cap, index) => ({
    ...cap,
    inEffect: !all.some((other, at) => countsWherever(other, cap)
      && (other.limitBytes < cap.limitBytes || (other.limitBytes === cap.limitBytes && at < index))),
  }))
}

/** Whether every period of `inner` lies within one of `outer`, so that a limit of `outer` is also one of `inner`. */
function countsWherever(outer: Cap, inner: Cap): boolean {
  return inner.per === 'day' || (inner.per === outer.per && (inner.resetDay ?? 1) === (outer.resetDay ?? 1))
}

function inWords({ limitBytes, per, resetDay }: Cap): string {
  return `${formatBytes(limitBytes)} per ${per}${resetDay === undefined ? '' : ` from day ${resetDay}`}`
}

function capTable(caps: readonly ListedCap[]): string[] {
  if (caps.length === 0) return ['There is no cap. Set one with: sluice cap set 5GB/month']
  const rows = caps.map((cap) => [
    cap.id,
    inWords(cap),
    cap.from === 'policy' ? 'policy' : 'you',
    cap.inEffect ? 'applies' : 'a stricter one applies',
  ])
  return table([['id', 'limit', 'set by', ''], ...rows])
}
