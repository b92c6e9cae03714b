import { InvalidArgumentError, type Command } from 'commander'
import type { Config } from '../../config/options.ts'
import type { History, SentPack } from '../../src/control/history.ts'
import type { Clock } from '../../src/scheduler/words.ts'
import type { ConfigOptions } from '../options.ts'
import { formatBytes } from '../../config/units.ts'
import { dayAt } from '../../src/budget/civil-day.ts'
import { listInWords, timeInWords } from '../../src/scheduler/words.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import { counted, table, type Io } from '../output.ts'
import { serviceAt, serviceOfOthers } from '../service-at.ts'

interface HistoryOptions extends ConfigOptions {
  readonly last: number
  readonly days?: true
}

/** As the service tells at most at once. */
const mostPacks = 1000

export function register(program: Command, io: Io): void {
  const command = program.command('history')
    .option('--last <packs>', `how many packs, at most ${mostPacks}`, packs, 20)
    .option('--days', 'a line for each day in place of each pack')
  describe(addJson(addConfig(command)), 'Show what left this machine: when, of which streams, how much, over which network.', [
    ['sluice history', 'the last 20 packs, the latest first'],
    ['sluice history --last 1000 --days', 'what the last days came to'],
  ]).action((options: HistoryOptions) => history(options, io))
}

function packs(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (count < 1 || count > mostPacks) throw new InvalidArgumentError(`Allowed: 1 to ${mostPacks}.`)
  return count
}

async function history(options: HistoryOptions, io: Io): Promise<void> {
  const { config } = await configFor(options)
  const found = await read(config, options.last)
  const clock = { now: io.now(), timeZone: config.timeZone }
  const rows = options.days ? dayRows(found.packs, clock) : found.packs.map((pack) => packRow(pack, clock))
  const heading = options.days ? ['day', 'packs', 'size', 'of captures', 'network', 'streams'] : ['when', 'size', 'of captures', 'network', 'streams']
  io.result(options.json, found, found.packs.length === 0 ? ['Nothing has left this machine yet.'] : [
    ...table([heading, ...rows], 80),
    ...(found.more ? ['', `There is more: sluice history --last ${Math.min(mostPacks, options.last * 5)}`] : []),
  ])
}

async function read(config: Config, limit: number): Promise<History> {
  const service = await serviceOfOthers(config) ?? await serviceAt(config)
  const told = await service?.call('GET /v1/history', { limit }).catch(() => undefined)
  if (told) return told
  const [{ existsSync }, { Journal }, { journalPath }, { readHistory }, { readSettings }] = await Promise.all([
    import('node:fs'), import('../../src/journal/journal.ts'), import('../../src/journal/open-state.ts'),
    import('../../src/control/history.ts'), import('../../src/journal/settings.ts'),
  ])
  const path = journalPath(config.stateFolder)
  if (!existsSync(path)) return { version: 1, packs: [], more: false }
  using journal = new Journal(path, 'read')
  return readHistory(journal, readSettings(config.stateFolder).networks, limit)
}

function packRow(pack: SentPack, clock: Clock): string[] {
  return [timeInWords(pack.sentAt, clock), formatBytes(pack.packBytes), formatBytes(pack.rawBytes), networksOf([pack]), streamsOf([pack])]
}

function dayRows(packs: readonly SentPack[], clock: Clock): string[][] {
  const days = Map.groupBy(packs, ({ sentAt }) => dayAt(sentAt, clock.timeZone))
  return [...days.values()].map((its) => {
    const sum = (key: 'packBytes' | 'rawBytes'): string => formatBytes(its.reduce((bytes, pack) => bytes + pack[key], 0))
    const day = new Intl.DateTimeFormat('en-GB', { timeZone: clock.timeZone, weekday: 'short', day: 'numeric', month: 'short' }).format(its[0]?.sentAt)
    return [day.replace(',', ''), counted(its.length, 'pack'), sum('packBytes'), sum('rawBytes'), networksOf(its), streamsOf(its)]
  })
}

/** `home (free)`, those that carried most first. */
function networksOf(packs: readonly SentPack[]): string {
  const uses = packs.flatMap(({ networks }) => networks)
  const words = uses.map(({ id, name, class: on, bytes }) => {
    const known = name ?? id
    return { text: [known, on && known ? `(${on})` : on].filter(Boolean).join(' ') || 'not known', bytes }
  })
  const sums = [...Map.groupBy(words, ({ text }) => text)].map(([text, its]) => ({ text, bytes: its.reduce((sum, { bytes }) => sum + bytes, 0) }))
  return sums.sort((a, b) => b.bytes - a.bytes).map(({ text }) => text).join(', ') || '-'
}

function streamsOf(packs: readonly SentPack[]): string {
  return listInWords([...new Set(packs.flatMap(({ streams = ['not known'] }) => streams))].sort())
}
