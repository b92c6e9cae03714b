import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { measureOk } from './lib/measure.ts'
import { readProcess } from './lib/procfs.ts'
import type { ProcessReading } from './lib/procfs.ts'
import { commonOptions, openWorkFolder, parseCount, progress, runProgram, say, writeResults } from './lib/program.ts'
import { jsonLines, seededRandom } from './lib/random.ts'
import { sluiceArgv, sluiceVersion, writeSluiceConfig } from './lib/sluice.ts'
import { fixed, megabytes, table, whole } from './lib/table.ts'

const usage = `node bench/idle.ts [--seconds 60] [--files 10000] [--sensors] [--keep]

What a running service uses while nothing happens: CPU, context switches, memory,
with the files already sent and watched. --sensors: read the machine's real power
and network conditions instead of fixed ones.`

export interface IdleOptions {
  readonly seconds: number
  readonly files: number
  /** Real sensors instead of conditions fixed in the config. */
  readonly sensors: boolean
  readonly keep: boolean
}

/** Beyond these an idle service is felt: one wake-up a second at 0.8 ms, and what a small laptop can spare. */
const targets = { cpuMs: 50, rssBytes: 100 * 2 ** 20 }

const folders = 20
/** Noticing a file takes some milliseconds; an idle service uses about a hundredth of one in the same time. */
const reactionCpuMs = 1
const reactionMs = 10_000
const settleWindowMs = 5_000
/** A service that has not come to rest by then is measured as it is, and the output says so. */
const settleLimitMs = 180_000

/** Measures an idle service, prints the table, and writes `bench/out/idle.json`. */
export async function idle(options: IdleOptions): Promise<void> {
  const version = await sluiceVersion()
  if (version === undefined) { say('sluice is not here: cli/launch.mjs is missing from this tree'); return }
  using work = openWorkFolder(options.keep)
  const source = join(work.path, 'source')
  progress(`writing ${options.files} files`)
  writeFiles(source, options.files)
  const { config, home } = await writeSluiceConfig(
    source, work.path, [{ name: 'files', folder: '.', files: 'whole' }], { sensors: options.sensors },
  )
  progress('sending them once')
  await measureOk({ argv: sluiceArgv('run', '--config', config, '--once'), env: { HOME: home } })
  const [program = '', ...args] = sluiceArgv('run', '--config', config)
  const service = spawn(program, args, { env: { PATH: '/usr/bin:/bin', HOME: home }, stdio: 'ignore' })
  try {
    await once(service, 'spawn')
    await report(service, source, options, version)
  } finally {
    if (service.exitCode === null) {
      service.kill('SIGTERM')
      await once(service, 'exit')
    }
  }
}

async function report(service: ChildProcess, source: string, options: IdleOptions, version: string): Promise<void> {
  const settled = await waitUntilSettled(service)
  if (!settled) say(`not at rest after ${settleLimitMs / 1000} s; measured as it is`)
  progress(`watching for ${options.seconds} s`)
  const before = reading(service)
  await delay(options.seconds * 1000)
  const after = reading(service)
  const awake = await reactsTo(service, join(source, '0', 'one-more.jsonl'))
  progress('')
  const used = {
    cpuMs: after.cpuMs - before.cpuMs,
    threadCpuMs: after.threadCpuMs - before.threadCpuMs,
    contextSwitches: after.contextSwitches - before.contextSwitches,
    rssBytes: after.rssBytes,
    processes: after.pids.length,
    threads: after.threads,
  }
  const target = { cpuMs: (targets.cpuMs * options.seconds) / 60, rssBytes: targets.rssBytes }
  const conditions = options.sensors ? 'real sensors' : 'fixed conditions'
  say(`\n${options.seconds} s idle, ${whole(options.files)} files in ${folders} folders watched, ${conditions}\n`)
  say(table(['', 'measured', 'target'], [
    ['CPU ms, utime + stime (steps of 10)', fixed(used.cpuMs, 0), `≤ ${fixed(target.cpuMs, 0)}`],
    ['CPU ms, living threads', fixed(used.threadCpuMs, 1), `≤ ${fixed(target.cpuMs, 0)}`],
    ['context switches', whole(used.contextSwitches), ''],
    ['memory MiB (RSS)', fixed(used.rssBytes / 2 ** 20, 1), `≤ ${targets.rssBytes / 2 ** 20}`],
    ['memory MB (RSS)', megabytes(used.rssBytes, 1), ''],
    ['processes, threads', `${used.processes}, ${used.threads}`, ''],
  ]))
  if (!awake) say(`no reaction to a new file within ${reactionMs / 1000} s: was anything watched at all?`)
  writeResults('idle', { sluice: version }, { ...options, settled, awake, used, target })
}

/** Whether a new file costs the service any work: a service that watches nothing is idle too. */
async function reactsTo(service: ChildProcess, path: string): Promise<boolean> {
  const before = reading(service).threadCpuMs
  writeFileSync(path, '{"one":"more"}\n')
  for (let waitedMs = 0; waitedMs < reactionMs; waitedMs += 250) {
    await delay(250)
    if (reading(service).threadCpuMs - before > reactionCpuMs) return true
  }
  return false
}

/** At rest: no more than one 10 ms tick of CPU in 5 s. */
async function waitUntilSettled(service: ChildProcess): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < settleLimitMs; waitedMs += settleWindowMs) {
    progress(`waiting until the service is at rest (${waitedMs / 1000} s)`)
    const before = reading(service)
    await delay(settleWindowMs)
    if (reading(service).cpuMs - before.cpuMs <= 10) return true
  }
  return false
}

function reading(service: ChildProcess): ProcessReading {
  if (service.exitCode !== null || service.pid === undefined) {
    throw new Error(`sluice run ended by itself with status ${service.exitCode ?? 'none'}`)
  }
  return readProcess(service.pid)
}

function writeFiles(source: string, count: number): void {
  const [random, fill] = [seededRandom(1), jsonLines(1)]
  for (let folder = 0; folder < folders; folder++) mkdirSync(join(source, String(folder)), { recursive: true })
  for (let index = 0; index < count; index++) {
    const bytes = Buffer.alloc(200 + Math.floor(random() * 1800))
    fill(bytes)
    writeFileSync(join(source, String(index % folders), `${index}.jsonl`), bytes)
  }
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
      keep: values.keep,
    })
  })
}
