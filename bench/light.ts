import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { captureLoad, captureStreams, playLoad, prepareFolder, writeLoad } from './lib/capture-load.ts'
import { loopLine, loopProbe, type LoopDelay } from './lib/loop-delay.ts'
import { chooseContenders } from './lib/peers.ts'
import type { ProcessReading } from './lib/procfs.ts'
import { commonOptions, openWorkFolder, parseCount, progress, runProgram, say, writeResults } from './lib/program.ts'
import { startRunning, untilAtRest, type Running } from './lib/running.ts'
import { restOf, startSluice } from './lib/sluice-service.ts'
import { runOnce, sluiceArgv, sluiceInstalled, verifySluice, writeSluiceConfig } from './lib/sluice.ts'
import type { SluicePlaces } from './lib/sluice.ts'
import { countingSyncs, countSyncs, whyNoSyncCount } from './lib/sync-count.ts'
import { startSyncthing, syncthing } from './lib/syncthing.ts'
import { fixed, megabytes, table, whole } from './lib/table.ts'
import { bytesBelow, filesBelow } from './lib/trees.ts'

const usage = `node bench/light.ts [--seconds 300] [--corpus DIR] [--seal-seconds N] [--only NAMES] [--keep]

What a service uses while a person works: a screenshot every 2.5 s, restored
pixel for pixel, and 50 events a second, each an append of its own; beside it,
at the same time, Sluice and syncthing with nothing to do on as many files.
--corpus: screenshots of a recorded session instead of drawn ones.
--seal-seconds: the age at which packs are sealed, where not Sluice's own.
NAMES: sluice, syncthing.`

export interface LightOptions {
  readonly seconds: number
  readonly corpus: string | undefined
  readonly sealSeconds: number | undefined
  readonly only: string | undefined
  readonly keep: boolean
}

interface Row {
  readonly name: string
  readonly cpuSecondsPerHour: number
  readonly wakeUpsPerSecond: number
  readonly rssBytes: number
  readonly peakRssBytes: number
}

/** What the load came to; loop and disk syncs are those of a second service, on a folder of its own. */
interface Loaded {
  readonly screens: number
  readonly events: number
  readonly capturedBytes: number
  readonly sentBytes: number
  readonly packs: number
  readonly loopDelay: LoopDelay
  readonly syncs: number | undefined
  readonly verified: string
}

export interface MeasuredLight {
  readonly versions: Readonly<Record<string, string>>
  readonly rows: readonly Row[]
  readonly loaded: Loaded | undefined
}

interface LoadedService {
  readonly source: string
  readonly work: string
  readonly places: SluicePlaces
  readonly running: Running
}

interface Services {
  readonly plain: LoadedService
  /** With the instruments. */
  readonly probed: LoadedService
  readonly syncLog: string
  readonly whyNoSyncs: string | undefined
}

/** Sluice's own, in seconds. */
const defaultSealSeconds = 300
const slackSeconds = 30
/** Some programs never rest quite. */
const peerRest = { cpuMs: 50, windowMs: 5000, limitMs: 60_000 }

/** Measures, prints the table, and writes `bench/out/light.json`. */
export async function light(options: LightOptions): Promise<void> {
  const { versions, rows, loaded } = await measureLight(options)
  progress('')
  say(`\n${options.seconds} s of light load and of nothing\n`)
  say(table(['', 'CPU s/hour', 'wake-ups/s', 'RSS MB', 'peak MB'], rows.map((row) => [
    row.name, fixed(row.cpuSecondsPerHour, 1), fixed(row.wakeUpsPerSecond, 1),
    megabytes(row.rssBytes), megabytes(row.peakRssBytes),
  ])))
  if (loaded) {
    say(`\n${whole(loaded.screens)} screenshots and ${whole(loaded.events)} events: ${whole(loaded.capturedBytes)} bytes,`)
    say(`sent as ${whole(loaded.sentBytes)} bytes in ${loaded.packs} packs`)
    const { syncs } = loaded
    if (syncs !== undefined) say(`disk syncs: ${syncs}, ${fixed(syncs / (options.seconds / 60), 1)} a minute`)
    say(loopLine('sluice', loaded.loopDelay))
    say(`sluice: ${loaded.verified}`)
  }
  const { seconds, sealSeconds = defaultSealSeconds, corpus } = options
  writeResults('light', versions, { seconds, sealSeconds, corpus, rows, loaded })
}

/** All at the same time. Throws when what was sent does not come back. */
export async function measureLight(options: LightOptions): Promise<MeasuredLight> {
  const { seconds } = options
  const { chosen, versions, missing } = await chooseContenders([sluiceInstalled, syncthing], options.only)
  for (const line of missing) say(line)
  using work = openWorkFolder(options.keep)
  await using stack = new AsyncDisposableStack()
  progress('drawing the load')
  const load = captureLoad(seconds, options.corpus)
  const finished = join(work.path, 'finished')
  writeLoad(load, finished)
  const idle: Running[] = []
  if (chosen.includes(sluiceInstalled)) idle.push(stack.use(await startIdle(finished, join(work.path, 'idle'))))
  if (chosen.includes(syncthing)) idle.push(stack.use(await startSyncthing(finished, join(work.path, 'syncthing'))))
  const services = chosen.includes(sluiceInstalled) ? await startServices(work.path, options, stack) : undefined
  progress('waiting until all are at rest')
  for (const each of idle) if (!await untilAtRest(each, peerRest)) say(`${each.name} is not at rest; measured as it is`)
  const running = services ? [services.plain.running, ...idle] : idle
  const before = running.map((each) => each.read())
  const syncsBefore = services && countSyncs(services.syncLog)
  progress(`watching for ${seconds} s`)
  if (services) await playLoad(load, [services.plain.source, services.probed.source])
  else await delay(seconds * 1000)
  const after = running.map((each) => each.read())
  if (!services) return { versions, rows: rowsOf(running, before, after, seconds), loaded: undefined }
  const { plain, probed, syncLog } = services
  const limitMs = ((options.sealSeconds ?? defaultSealSeconds) + slackSeconds) * 1000
  progress('waiting until the last of it is sent')
  await Promise.all([untilSent(plain, limitMs), untilSent(probed, limitMs)])
  const rows = rowsOf(running, before, [withWorkOf(after[0], plain.running.read()), ...after.slice(1)], seconds)
  const syncs = services.whyNoSyncs === undefined ? countSyncs(syncLog) - (syncsBefore ?? 0) : undefined
  await Promise.all([plain.running.stop(), probed.running.stop()])
  const loopDelay = loopProbe(probed.work).read()
  const loaded = { screens: load.screens.length, events: load.events.length, syncs, loopDelay, ...await verify(plain) }
  return { versions, rows, loaded }
}

/** Counts what was sent, sends what the last moments left, and compares all of it. */
async function verify(
  { source, work, places }: LoadedService,
): Promise<Pick<Loaded, 'capturedBytes' | 'sentBytes' | 'packs' | 'verified'>> {
  const sent = { sentBytes: await bytesBelow(places.destination), packs: await packsAt(places) }
  progress('verifying sluice')
  await runOnce(places)
  const verified = await verifySluice(captureStreams, source, work, places)
  return { ...sent, capturedBytes: await bytesBelow(source), verified }
}

/** A service that has sent everything, and watches. */
async function startIdle(source: string, work: string): Promise<Running> {
  mkdirSync(work)
  const places = await writeSluiceConfig(source, work, captureStreams, { sensors: false })
  progress('sending the idle folder once')
  await runOnce(places)
  return { ...await startSluice(places), name: 'sluice, idle' }
}

/** Two services on folders that are still empty, one of them with the instruments. */
async function startServices(
  work: string, { sealSeconds }: LightOptions, stack: AsyncDisposableStack,
): Promise<Services> {
  const whyNoSyncs = whyNoSyncCount()
  if (whyNoSyncs !== undefined) say(`no count of disk syncs: ${whyNoSyncs}`)
  const syncLog = join(work, 'syncs.log')
  const start = async (name: string, isProbed: boolean): Promise<LoadedService> => {
    const own = join(work, name)
    const source = join(own, 'source')
    prepareFolder(source)
    const places = await writeSluiceConfig(source, own, captureStreams, {
      sensors: false, ...(sealSeconds !== undefined && { sealAge: `${sealSeconds}s` }),
    })
    const isWrapper = isProbed && whyNoSyncs === undefined
    const argv = sluiceArgv('run', '--config', places.config)
    const running = stack.use(await startRunning('sluice, light load', {
      argv: isWrapper ? countingSyncs(argv, syncLog) : argv,
      env: { HOME: places.home, ...(isProbed && loopProbe(own).env) }, isWrapper,
    }))
    await untilAtRest(running, restOf(isProbed))
    return { source, work: own, places, running }
  }
  return { plain: await start('plain', false), probed: await start('probed', true), syncLog, whyNoSyncs }
}

/** Until a pack arrives that was not there, and the service rests: the work that the load's end still owes. */
async function untilSent({ running, places }: LoadedService, limitMs: number): Promise<void> {
  const before = await packsAt(places)
  for (let waitedMs = 0; waitedMs < limitMs && await packsAt(places) === before; waitedMs += 500) await delay(500)
  await untilAtRest(running, restOf(true))
}

async function packsAt({ destination }: SluicePlaces): Promise<number> {
  return (await filesBelow(destination)).filter((path) => path.endsWith('.pack')).length
}

/** Wake-ups and memory as they were, with the CPU time and the peak of what came later. */
function withWorkOf(reading: ProcessReading | undefined, later: ProcessReading): ProcessReading {
  const { cpuMs, threadCpuMs, summedPeakRssBytes } = later
  return { ...later, ...reading, cpuMs, threadCpuMs, summedPeakRssBytes }
}

function rowsOf(
  running: readonly Running[], before: readonly ProcessReading[], after: readonly ProcessReading[], seconds: number,
): Row[] {
  return running.flatMap(({ name }, at) => {
    const [first, last] = [before[at], after[at]]
    if (!first || !last) return []
    // The finer figure misses threads that ended, the other one rounds down to 10 ms.
    const cpuMs = Math.max(last.cpuMs - first.cpuMs, last.threadCpuMs - first.threadCpuMs)
    return [{
      name: name === 'syncthing' ? 'syncthing, idle' : name,
      cpuSecondsPerHour: (cpuMs / seconds) * 3.6,
      wakeUpsPerSecond: (last.wakeUps - first.wakeUps) / seconds,
      rssBytes: last.rssBytes, peakRssBytes: last.summedPeakRssBytes,
    }]
  })
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({
      args,
      options: {
        ...commonOptions, seconds: { type: 'string', default: '300' }, corpus: { type: 'string' },
        'seal-seconds': { type: 'string' },
      },
    })
    const seal = values['seal-seconds']
    await light({
      seconds: parseCount('seconds', values.seconds), corpus: values.corpus,
      sealSeconds: seal === undefined ? undefined : parseCount('seal-seconds', seal),
      only: values.only, keep: values.keep,
    })
  })
}
