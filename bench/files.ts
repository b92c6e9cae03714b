import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { hasGnuTime, type Totals, type Usage } from './lib/measure.ts'
import { median } from './lib/median.ts'
import { chooseContenders, onceContenders, type Contender, type Job } from './lib/peers.ts'
import { commonOptions, openWorkFolder, parseCount, progress, runProgram } from './lib/program.ts'
import { say, settleDisk, writeResults } from './lib/program.ts'
import { generateSmallFiles } from './lib/small-files.ts'
import type { StreamConfig } from './lib/sluice.ts'
import { fixed, megabytes, ratio, table, whole } from './lib/table.ts'

const usage = `node bench/files.ts [--files 100000] [--folders 500] [--rounds 3] [--only NAMES] [--keep]

Many small files (200 B to 4 kB): the first run over them, and runs in which
nothing has changed. --rounds: how many of those.
NAMES: sluice, restic, borg-3; on request: borg-19, restic-max, rsync.`

export interface FilesOptions {
  readonly files: number
  readonly folders: number
  readonly rounds: number
  readonly only: string | undefined
  readonly keep: boolean
}

interface Row {
  readonly name: string
  readonly first: Usage
  readonly unchanged: readonly Usage[]
  readonly storedBytes: number
  readonly verified: string
}

export interface MeasuredFiles {
  readonly bytes: number
  readonly versions: Readonly<Record<string, string>>
  readonly rows: readonly Row[]
}

const streams: readonly StreamConfig[] = [{ name: 'files', folder: '.', files: 'whole' }]

/** Measures, prints the table, and writes `bench/out/files.json`. */
export async function files(options: FilesOptions): Promise<void> {
  const measured = await measureFiles(options)
  progress('')
  print(options, measured)
  const runOf = ({ cpuSeconds, wallSeconds, peakRssBytes }: Usage): Totals => ({ cpuSeconds, wallSeconds, peakRssBytes })
  writeResults('files', measured.versions, {
    files: options.files, folders: options.folders, bytes: measured.bytes,
    rows: measured.rows.map((row) => ({ ...row, first: runOf(row.first), unchanged: row.unchanged.map(runOf) })),
  })
}

/** Throws when a contender fails, or does not give back what it took. */
export async function measureFiles(options: FilesOptions): Promise<MeasuredFiles> {
  const only = options.only ?? 'sluice,restic,borg-3'
  const { chosen, versions, missing } = await chooseContenders(onceContenders(streams), only)
  for (const line of missing) say(line)
  if (!hasGnuTime) say('no peak memory: apt-get install time')
  using work = openWorkFolder(options.keep)
  const source = join(work.path, 'source')
  progress(`writing ${options.files} files`)
  const { files: count, folders, rounds } = options
  const bytes = generateSmallFiles(source, { files: count, folders, leastBytes: 200, mostBytes: 4000 })
  const entries: { readonly contender: Contender, readonly job: Job, readonly runs: Usage[] }[] = []
  for (const contender of chosen) {
    const own = join(work.path, contender.name)
    await mkdir(own)
    entries.push({ contender, job: await contender.start({ source, work: own }), runs: [] })
  }
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < entries.length; turn++) {
      const entry = entries[(round + turn) % entries.length]
      progress(`${round === 0 ? 'first run' : `unchanged, ${round} of ${rounds}`}: ${entry?.contender.name ?? ''}`)
      settleDisk()
      entry?.runs.push(await entry.job.run())
    }
  }
  const rows: Row[] = []
  for (const { contender: { name }, job, runs: [first, ...unchanged] } of entries) {
    progress(`verifying ${name}`)
    if (first) rows.push({ name, first, unchanged, storedBytes: await job.storedBytes(), verified: await job.verify() })
  }
  return { bytes, versions, rows }
}

function print({ files: count, folders, rounds }: FilesOptions, { bytes, rows }: MeasuredFiles): void {
  const own = rows.find(({ name }) => name === 'sluice')
  const head = ['', 'wall s', '/own', 'CPU s', '/own', 'peak MB', '/own']
  say(`\n${whole(count)} files in ${whole(folders)} folders, ${megabytes(bytes)} MB: the first run\n`)
  say(table([...head, 'stored MB'], rows.map((row) => [
    ...cells([row.first], own && [own.first], row.name), megabytes(row.storedBytes),
  ])))
  say(`\nNothing changed, ${rounds === 1 ? 'one run' : `median of ${rounds} runs`}\n`)
  say(table(head, rows.map((row) => cells(row.unchanged, own?.unchanged, row.name))))
  say('')
  for (const { name, verified } of rows) say(`${name}: ${verified}`)
}

function cells(runs: readonly Usage[], own: readonly Usage[] | undefined, name: string): string[] {
  type Figure = (run: Usage) => number | undefined
  const medianOf = (of: readonly Usage[] | undefined, value: Figure): number | undefined => {
    const values = of?.map(value).filter((each) => each !== undefined) ?? []
    return values.length === 0 ? undefined : median(values)
  }
  const both = (value: Figure) => [medianOf(runs, value), medianOf(own, value)] as const
  const [wall, ownWall] = both(({ wallSeconds }) => wallSeconds)
  const [cpu, ownCpu] = both(({ cpuSeconds }) => cpuSeconds)
  const [peak, ownPeak] = both(({ peakRssBytes }) => peakRssBytes)
  return [
    name, fixed(wall, 2), ratio(wall, ownWall), fixed(cpu, 2), ratio(cpu, ownCpu), megabytes(peak), ratio(peak, ownPeak),
  ]
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({
      args,
      options: {
        ...commonOptions, files: { type: 'string', default: '100000' }, folders: { type: 'string', default: '500' },
        rounds: { type: 'string', default: '3' },
      },
    })
    await files({
      files: parseCount('files', values.files), folders: parseCount('folders', values.folders),
      rounds: parseCount('rounds', values.rounds), only: values.only, keep: values.keep,
    })
  })
}
