import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { loopLine, loopProbe, type LoopDelay } from './lib/loop-delay.ts'
import { chooseContenders } from './lib/peers.ts'
import { commonOptions, openWorkFolder, parseCount, progress, runProgram, say, writeResults } from './lib/program.ts'
import { untilAtRest, type Running } from './lib/running.ts'
import { restOf, startSluice } from './lib/sluice-service.ts'
import { runOnce, sluiceInstalled, writeSluiceConfig, type SluicePlaces } from './lib/sluice.ts'
import { generateSmallFiles } from './lib/small-files.ts'
import { startSyncthing, syncthing } from './lib/syncthing.ts'
import { fixed, megabytes, ratio, table, whole } from './lib/table.ts'

const usage = `node bench/idle.ts [--seconds 60] [--files 10000] [--sensors] [--only NAMES] [--keep]

What a running service uses while nothing happens: CPU, context switches, memory,
with the files already sent and watched; beside it, at the same time, syncthing.
--sensors: read the machine's real power and network conditions instead of
fixed ones. NAMES: sluice, syncthing.`

export interface IdleOptions {
  readonly seconds: number
  readonly files: number
  /** Real sensors instead of conditions fixed in the config. */
  readonly sensors: boolean
  readonly only: string | undefined
  readonly keep: boolean
}

/** Beyond these an idle service is felt: one wake-up a second at 0.8 ms, and what a small laptop can spare. */
const targets = { cpuMs: 50, rssBytes: 100 * 2 ** 20 }

const folders = 20
/** Noticing a file takes some milliseconds; an idle service uses about a hundredth of one in the same time. */
const reactionCpuMs = 1
const reactionMs = 10_000
/** At rest: no more than one step of what the kernel tells; some programs never rest quite. */
const rest = { cpuMs: 10, windowMs: 5000, limitMs: 180_000 }
const peerRest = { ...rest, cpuMs: 50 }

/** What one program used. */
interface Used {
  readonly name: string
  readonly settled: boolean
  readonly cpuMs: number
  readonly threadCpuMs: number
  readonly contextSwitches: number
  readonly rssBytes: number
  readonly processes: number
  readonly threads: number
}

export interface MeasuredIdle {
  readonly versions: Readonly<Record<string, string>>
  readonly used: readonly Used[]
  /** Whether Sluice stirs when a file comes: a service that watches nothing is idle too. */
  readonly awake: boolean | undefined
  /** Of another start on the same files, and a few seconds of rest. */
  readonly loopDelay: LoopDelay | undefined
}

/** Measures idle programs, prints the table, and writes `bench/out/idle.json`. */
export async function idle(options: IdleOptions): Promise<void> {
  const measured = await measureIdle(options)
  progress('')
  print(options, measured)
  writeResults('idle', measured.versions, { ...options, ...measured, target: targetOf(options) })
}

const targetOf = ({ seconds }: IdleOptions): { readonly cpuMs: number, readonly rssBytes: number } =>
  ({ cpuMs: (targets.cpuMs * seconds) / 60, rssBytes: targets.rssBytes })

/** Sluice and its peer over the same files, at the same time. */
export async function measureIdle(options: IdleOptions): Promise<MeasuredIdle> {
  const { chosen, versions, missing } = await chooseContenders([sluiceInstalled, syncthing], options.only)
  for (const line of missing) say(line)
  using work = openWorkFolder(options.keep)
  const source = join(work.path, 'source')
  progress(`writing ${options.files} files`)
  generateSmallFiles(source, { files: options.files, folders, leastBytes: 200, mostBytes: 2000 })
  const places = chosen.includes(sluiceInstalled) ? await sendOnce(source, work.path, options.sensors) : undefined
  const peerHome = chosen.includes(syncthing) ? join(work.path, 'syncthing') : undefined
  const { used, awake } = await watch(source, places, peerHome, options.seconds)
  return { versions, used, awake, loopDelay: places && await loopDelayOf(places, work.path) }
}

async function sendOnce(source: string, work: string, sensors: boolean): Promise<SluicePlaces> {
  const places = await writeSluiceConfig(source, work, [{ name: 'files', folder: '.', files: 'whole' }], { sensors })
  progress('sending them once')
  await runOnce(places)
  return places
}

async function watch(
  source: string, places: SluicePlaces | undefined, peerHome: string | undefined, seconds: number,
): Promise<Pick<MeasuredIdle, 'used' | 'awake'>> {
  await using stack = new AsyncDisposableStack()
  const service = places && stack.use(await startSluice(places))
  const peer = peerHome === undefined ? undefined : stack.use(await startSyncthing(source, peerHome))
  const running = [service, peer].filter((each) => each !== undefined)
  progress('waiting until all are at rest')
  const settled: boolean[] = []
  for (const each of running) settled.push(await untilAtRest(each, each === service ? rest : peerRest))
  progress(`watching for ${seconds} s`)
  const before = running.map((each) => each.read())
  await delay(seconds * 1000)
  const after = running.map((each) => each.read())
  const awake = service && await reactsTo(service, join(source, '0', 'one-more.jsonl'))
  const used = running.flatMap(({ name }, at) => {
    const [first, last] = [before[at], after[at]]
    if (!first || !last) return []
    return [{
      name, settled: settled[at] === true,
      cpuMs: last.cpuMs - first.cpuMs, threadCpuMs: last.threadCpuMs - first.threadCpuMs,
      contextSwitches: last.contextSwitches - first.contextSwitches,
      rssBytes: last.rssBytes, processes: last.pids.length, threads: last.threads,
    }]
  })
  return { used, awake }
}

/** Whether a new file costs the service any work. */
async function reactsTo(service: Running, path: string): Promise<boolean> {
  const before = service.read().threadCpuMs
  writeFileSync(path, '{"one":"more"}\n')
  for (let waitedMs = 0; waitedMs < reactionMs; waitedMs += 250) {
    await delay(250)
    if (service.read().threadCpuMs - before > reactionCpuMs) return true
  }
  return false
}

/** The probe would be most of what an idle service uses: it gets a start of its own. */
async function loopDelayOf(places: SluicePlaces, work: string): Promise<LoopDelay> {
  progress('starting it again, to see how long its main loop is blocked')
  const probe = loopProbe(work)
  const service = await startSluice(places, probe)
  try {
    await untilAtRest(service, restOf(true))
  } finally {
    await service.stop()
  }
  return probe.read()
}

function print(options: IdleOptions, { used, awake, loopDelay }: MeasuredIdle): void {
  const [own, peer] = [used.find(({ name }) => name !== 'syncthing'), used.find(({ name }) => name === 'syncthing')]
  const target = targetOf(options)
  const conditions = options.sensors ? 'real sensors' : 'fixed conditions'
  say(`\n${options.seconds} s idle, ${whole(options.files)} files in ${folders} folders watched, ${conditions}\n`)
  const row = (name: string, value: (of: Used) => number, format: (value: number) => string, limit = ''): string[] => [
    name, own ? format(value(own)) : '', limit, peer ? format(value(peer)) : '',
    ratio(peer && value(peer), own && value(own)),
  ]
  const tenths = (value: number): string => fixed(value, 1)
  const mebibytes = (bytes: number): string => fixed(bytes / 2 ** 20, 1)
  say(table(['', 'sluice', 'target', 'syncthing', '/own'], [
    row('CPU ms, utime + stime (by 10)', ({ cpuMs }) => cpuMs, whole, `≤ ${fixed(target.cpuMs, 0)}`),
    row('CPU ms, living threads', ({ threadCpuMs }) => threadCpuMs, tenths, `≤ ${fixed(target.cpuMs, 0)}`),
    row('context switches', ({ contextSwitches }) => contextSwitches, whole),
    row('memory MiB (RSS)', ({ rssBytes }) => rssBytes, mebibytes, `≤ ${target.rssBytes / 2 ** 20}`),
    row('memory MB (RSS)', ({ rssBytes }) => rssBytes, (value) => megabytes(value, 1)),
    row('processes', ({ processes }) => processes, whole),
    row('threads', ({ threads }) => threads, whole),
  ]))
  for (const { name } of used.filter(({ settled }) => !settled)) say(`${name}: not at rest after ${rest.limitMs / 1000} s`)
  if (awake === false) say(`no reaction to a new file within ${reactionMs / 1000} s: was anything watched at all?`)
  if (loopDelay) say(loopLine('sluice, from its start', loopDelay))
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({
      args,
      options: {
        ...commonOptions,
        seconds: { type: 'string', default: '60' },
        files: { type: 'string', default: '10000' },
        sensors: { type: 'boolean', default: false },
      },
    })
    await idle({
      seconds: parseCount('seconds', values.seconds),
      files: parseCount('files', values.files),
      sensors: values.sensors,
      only: values.only,
      keep: values.keep,
    })
  })
}
