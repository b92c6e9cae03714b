import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureLimits } from './lib/limits.ts'
import type { Limits } from './lib/limits.ts'
import { loopLine, type LoopDelay } from './lib/loop-delay.ts'
import { hasGnuTime } from './lib/measure.ts'
import type { Totals } from './lib/measure.ts'
import { generateMixedFiles, generateSingleFile } from './lib/mixed-files.ts'
import { median } from './lib/median.ts'
import { chooseContenders, onceContenders } from './lib/peers.ts'
import type { Contender } from './lib/peers.ts'
import {
  commonOptions, openWorkFolder, parseCount, parseSize, progress, runProgram, say, settleDisk, writeResults,
} from './lib/program.ts'
import type { StreamConfig } from './lib/sluice.ts'
import { fixed, megabytes, ratio, table } from './lib/table.ts'

const usage = `node bench/bulk.ts [--size 2GiB] [--rounds 1] [--level 3] [--only NAMES] [--keep]
node bench/bulk.ts --single 5GiB [--only NAMES] [--keep]

First upload of generated mixed files to a folder, and this machine's own
limits on the same bytes. --level: the zstd level of those limits. --single:
one file, sluice alone unless --only says otherwise.
NAMES: sluice, restic, borg-3, borg-19; on request: restic-max, rsync.`

export interface BulkOptions {
  readonly sizeBytes: number
  readonly rounds: number
  readonly level: number
  readonly only: string | undefined
  readonly keep: boolean
  /** One file of `sizeBytes` and no limits, instead of mixed files. */
  readonly single: boolean
}

interface Run extends Totals {
  readonly storedBytes: number
  readonly verified: string
  readonly loopDelay?: LoopDelay
}

interface Row {
  readonly name: string
  readonly bytesPerSecond: number
  readonly cpuSeconds: number
  readonly peakRssBytes: number | undefined
  readonly storedBytes: number
  readonly verified: string
  readonly runs: readonly Run[]
}

const streams: readonly StreamConfig[] = [{ name: 'files', folder: '.', files: 'whole' }]

/** Measures first uploads, prints the tables, and writes `bench/out/bulk.json` or `bench/out/single.json`. */
export async function bulk(options: BulkOptions): Promise<void> {
  const { sizeBytes, rounds, single } = options
  const only = options.only ?? (single ? 'sluice' : 'sluice,restic,borg-3')
  const { chosen, versions, missing } = await chooseContenders(onceContenders(streams), only)
  for (const line of missing) say(line)
  if (!hasGnuTime) say('no peak memory column: apt-get install time')
  using work = openWorkFolder(options.keep)
  const source = join(work.path, 'source')
  await mkdir(source)
  progress('generating files')
  const limits = await prepare(source, options)
  const runs = new Map<string, Run[]>()
  const failures: string[] = []
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < chosen.length; turn++) {
      const contender = chosen[(round + turn) % chosen.length]
      if (!contender) continue
      progress(`round ${round + 1} of ${rounds}: ${contender.name}`)
      try {
        const run = await firstUpload(contender, source, join(work.path, contender.name), options.keep)
        runs.set(contender.name, [...runs.get(contender.name) ?? [], run])
      } catch (error) {
        failures.push(`${contender.name} FAILED: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }
  progress('')
  const rows = chosen.flatMap(({ name }) => summarise(name, sizeBytes, runs.get(name) ?? []))
  print(options, rows, limits)
  for (const line of failures) say(line)
  writeResults(single ? 'single' : 'bulk', versions, {
    sizeBytes, rounds, level: options.level, limits, shareOfLimit: shareOfLimit(rows, limits), rows,
  })
  if (failures.length > 0) process.exitCode = 1
}

/** Writes the source files; the limits come first, so that they warm the page cache for every contender alike. */
async function prepare(source: string, { sizeBytes, level, single }: BulkOptions): Promise<Limits | undefined> {
  if (single) {
    generateSingleFile(join(source, 'single.bin'), sizeBytes)
    return undefined
  }
  const mixed = await generateMixedFiles(source, sizeBytes)
  const shares = Object.entries(mixed.bytesOf).map(([kind, bytes]) => `${kind} ${megabytes(bytes)} MB`)
  say(`\n${mixed.files.length} files: ${shares.join(', ')}`)
  settleDisk()
  progress('measuring the limits of this machine')
  return measureLimits(mixed, level)
}

async function firstUpload(contender: Contender, source: string, work: string, keep: boolean): Promise<Run> {
  await rm(work, { recursive: true, force: true })
  await mkdir(work)
  const job = await contender.start({ source, work })
  settleDisk()
  const { cpuSeconds, wallSeconds, peakRssBytes } = await job.run()
  const storedBytes = await job.storedBytes()
  const verified = await job.verify()
  const loopDelay = job.loopDelay?.()
  if (!keep) await rm(work, { recursive: true })
  return { cpuSeconds, wallSeconds, peakRssBytes, storedBytes, verified, ...(loopDelay && { loopDelay }) }
}

/** Medians, each figure by itself: a neighbour's burst of work in one round does not count. */
function summarise(name: string, sizeBytes: number, runs: readonly Run[]): Row[] {
  const last = runs.at(-1)
  if (!last) return []
  return [{
    name,
    bytesPerSecond: sizeBytes / median(runs.map(({ wallSeconds }) => wallSeconds)),
    cpuSeconds: median(runs.map(({ cpuSeconds }) => cpuSeconds)),
    peakRssBytes: last.peakRssBytes === undefined ? undefined : median(runs.map((run) => run.peakRssBytes ?? 0)),
    storedBytes: last.storedBytes,
    verified: last.verified,
    runs,
  }]
}

const ownOf = (rows: readonly Row[]): Row | undefined => rows.find(({ name }) => name === 'sluice')

function shareOfLimit(rows: readonly Row[], limits: Limits | undefined): number | undefined {
  const own = ownOf(rows)
  return own && limits && own.bytesPerSecond / limits.togetherBytesPerSecond
}

function print({ sizeBytes, rounds, level }: BulkOptions, rows: readonly Row[], limits: Limits | undefined): void {
  const own = ownOf(rows)
  say(`\nFirst upload of ${megabytes(sizeBytes)} MB to a folder, ${rounds === 1 ? 'one round' : `median of ${rounds} rounds`}\n`)
  say(table(
    ['', 'MB/s', 'CPU s', 'peak MB', 'stored MB', 'MB/s /own', 'CPU/own', 'stored/own'],
    rows.map((row) => [
      row.name,
      megabytes(row.bytesPerSecond),
      fixed(row.cpuSeconds, 2),
      megabytes(row.peakRssBytes),
      megabytes(row.storedBytes),
      ratio(row.bytesPerSecond, own?.bytesPerSecond),
      ratio(row.cpuSeconds, own?.cpuSeconds),
      ratio(row.storedBytes, own?.storedBytes),
    ]),
  ))
  if (limits) {
    say('\nLimits of this machine on the same bytes\n')
    say(table(['', 'MB/s', 'CPU s', 'out MB'], limits.kernels.map(({ name, bytesPerSecond, cpuSeconds, outBytes }) => [
      name, megabytes(bytesPerSecond), fixed(cpuSeconds, 2), outBytes === 0 ? '' : megabytes(outBytes),
    ])))
    const share = shareOfLimit(rows, limits)
    say(`\nlimit of the kernels on 2 cores (SHA-256, gear, zstd ${level}): ${megabytes(limits.togetherBytesPerSecond)} MB/s`
      + (share === undefined ? '' : `; Sluice reached ${fixed(share, 2)} of it`))
  }
  say('')
  for (const { name, verified } of rows) say(`${name}: ${verified}`)
  for (const { loopDelay } of own?.runs ?? []) if (loopDelay) say(loopLine('sluice', loopDelay))
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({
      args,
      options: {
        ...commonOptions,
        size: { type: 'string', default: '2GiB' },
        single: { type: 'string' },
        rounds: { type: 'string', default: '1' },
        level: { type: 'string', default: '3' },
      },
    })
    await bulk({
      sizeBytes: parseSize(values.single ?? values.size),
      single: values.single !== undefined,
      rounds: parseCount('rounds', values.rounds),
      level: parseCount('level', values.level),
      only: values.only,
      keep: values.keep,
    })
  })
}
