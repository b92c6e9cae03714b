import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openCorpus, replay } from './lib/corpus.ts'
import type { Corpus } from './lib/corpus.ts'
import { loopLine, type LoopDelay } from './lib/loop-delay.ts'
import { addUsage, hasGnuTime, noUsage } from './lib/measure.ts'
import type { Totals, Usage } from './lib/measure.ts'
import { chooseContenders, sessionContenders } from './lib/peers.ts'
import type { Contender, Job } from './lib/peers.ts'
import { commonOptions, openWorkFolder, parseCount, progress, runProgram, say, writeResults } from './lib/program.ts'
import { fixed, megabytes, ratio, table, whole } from './lib/table.ts'

const usage = `node bench/session.ts --corpus DIR [--slices 20] [--pixels STREAMS] [--effort 6] [--only NAMES] [--keep]

Plays a recorded session (DIR/timeline.jsonl and its files) into a folder in
slices of equal time, with one incremental run of each contender after each.
STREAMS: those that Sluice may restore pixel for pixel instead of byte for byte.
NAMES: sluice (a service that keeps running), restic, borg-3, borg-19; on
request: sluice-once (a process for each slice), sluice-probed (a service that
tells how long its main loop was blocked), restic-max, rsync.`

export interface SessionOptions {
  readonly corpus: Corpus
  readonly slices: number
  /** Names of streams with `fidelity: pixels`. */
  readonly pixels?: readonly string[]
  /** The config's `effort` where it is not the default. */
  readonly effort?: number | undefined
  readonly only: string | undefined
  readonly keep: boolean
}

interface Row {
  readonly name: string
  readonly storedBytes: number
  readonly cpuSeconds: number
  readonly wallSeconds: number
  readonly peakRssBytes: number | undefined
  readonly verified: string
  readonly loopDelay?: LoopDelay
  /** One a slice, in order. */
  readonly runs: readonly { readonly cpuSeconds: number; readonly wallSeconds: number }[]
}

interface Entry {
  readonly contender: Contender
  readonly job: Job
  readonly runs: Usage[]
  failure: string | undefined
}

/** Measures a session, prints the table, and writes `bench/out/session.json`. */
export async function session(options: SessionOptions): Promise<void> {
  const { corpus, slices, pixels = [], effort } = options
  const streams = corpus.streams.map((stream) => (pixels.includes(stream.name) ? { ...stream, fidelity: 'pixels' as const } : stream))
  const { chosen, versions, missing } = await chooseContenders(sessionContenders(streams, effort), options.only)
  for (const line of missing) say(line)
  if (!hasGnuTime) say('no peak memory column: apt-get install time')
  using work = openWorkFolder(options.keep)
  const source = join(work.path, 'source')
  const entries = await startAll(chosen, source, work.path)
  for (const slice of replay(corpus, source, slices)) await runAll(entries, slice, slices)
  const rows: Row[] = []
  for (const entry of entries) {
    progress(`verifying ${entry.contender.name}`)
    const row = await finish(entry)
    if (row) rows.push(row)
  }
  progress('')
  print(corpus, slices, rows)
  for (const { contender, failure } of entries) if (failure) say(`${contender.name} FAILED: ${failure}`)
  writeResults('session', versions, { corpusBytes: corpus.rawBytes, slices, pixels, effort, rows })
  if (entries.some(({ failure }) => failure)) process.exitCode = 1
}

async function startAll(chosen: readonly Contender[], source: string, work: string): Promise<Entry[]> {
  await mkdir(source)
  const entries: Entry[] = []
  for (const contender of chosen) {
    const own = join(work, contender.name)
    await mkdir(own)
    entries.push({ contender, job: await contender.start({ source, work: own }), runs: [], failure: undefined })
  }
  return entries
}

/** The contenders take turns within a slice, each slice begins with another one: noise of the machine falls on all. */
async function runAll(entries: readonly Entry[], slice: number, slices: number): Promise<void> {
  for (let turn = 0; turn < entries.length; turn++) {
    const entry = entries[(slice + turn) % entries.length]
    if (!entry || entry.failure) continue
    progress(`slice ${slice} of ${slices}: ${entry.contender.name}`)
    try {
      entry.runs.push(await entry.job.run())
    } catch (error) {
      entry.failure = error instanceof Error ? error.message : String(error)
    }
  }
}

async function finish(entry: Entry): Promise<Row | undefined> {
  if (entry.failure) return undefined
  try {
    const storedBytes = await entry.job.storedBytes()
    const verified = await entry.job.verify()
    const total = entry.runs.reduce<Totals>(addUsage, noUsage)
    return {
      name: entry.contender.name,
      storedBytes,
      cpuSeconds: total.cpuSeconds,
      wallSeconds: total.wallSeconds,
      peakRssBytes: total.peakRssBytes,
      verified,
      ...(entry.job.loopDelay && { loopDelay: entry.job.loopDelay() }),
      runs: entry.runs.map(({ cpuSeconds, wallSeconds }) => ({ cpuSeconds, wallSeconds })),
    }
  } catch (error) {
    entry.failure = error instanceof Error ? error.message : String(error)
    return undefined
  }
}

function print(corpus: Corpus, slices: number, rows: readonly Row[]): void {
  const own = rows.find(({ name }) => name === 'sluice')
  say(`\nA session of ${whole(corpus.rawBytes)} bytes in ${slices} slices, one incremental run after each\n`)
  say(table(
    ['', 'bytes stored', 'of raw', 'CPU s', 'peak MB', 'wall s', 'bytes/own', 'CPU/own'],
    [
      ['raw', whole(corpus.rawBytes), '100.0%', '', '', '', ratio(corpus.rawBytes, own?.storedBytes), ''],
      ...rows.map((row) => [
        row.name,
        whole(row.storedBytes),
        `${fixed((row.storedBytes / corpus.rawBytes) * 100, 1)}%`,
        fixed(row.cpuSeconds, 2),
        megabytes(row.peakRssBytes),
        fixed(row.wallSeconds, 1),
        ratio(row.storedBytes, own?.storedBytes),
        ratio(row.cpuSeconds, own?.cpuSeconds),
      ]),
    ],
  ))
  say('')
  for (const { name, verified } of rows) say(`${name}: ${verified}`)
  for (const { name, loopDelay } of rows) if (loopDelay) say(loopLine(name, loopDelay))
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({
      args,
      options: {
        ...commonOptions, corpus: { type: 'string' }, slices: { type: 'string', default: '20' }, pixels: { type: 'string', default: '' },
        effort: { type: 'string' },
      },
    })
    if (values.corpus === undefined) throw new Error('name the folder of a recorded session with --corpus DIR')
    const slices = parseCount('slices', values.slices)
    await session({ corpus: openCorpus(values.corpus), slices, pixels: values.pixels.split(','), effort: values.effort === undefined ? undefined : parseCount('effort', values.effort), only: values.only, keep: values.keep })
  })
}
