import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import type { FleetLoad, FleetLoaded, Target } from './lib/fleet-load.ts'
import { bodySizes } from './lib/fleet-plan.ts'
import type { FleetSize } from './lib/fleet-plan.ts'
import { fleetContenders } from './lib/fleet-servers.ts'
import type { FleetContender, ObjectStore } from './lib/fleet-servers.ts'
import { median } from './lib/median.ts'
import { chooseContenders } from './lib/peers.ts'
import { readProcess } from './lib/procfs.ts'
import { commonOptions, openWorkFolder, parseCount, progress, runProgram, say, settleDisk, writeResults } from './lib/program.ts'
import { fixed, megabytes, ratio, table, whole } from './lib/table.ts'

const usage = `node bench/fleet.ts [--devices 500] [--packs 10] [--rounds 3] [--generators 1]
                    [--only NAMES] [--store s3://BUCKET/PREFIX?endpoint=URL] [--keep]

Many devices at once, each with 3 to 10 packs (at most --packs) of 64 KiB to
4 MiB, to one collector on loopback, and the same bytes by PUT to nginx.
--store: the collector keeps them there, and the peer writes there directly;
with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. NAMES: collector, nginx (or puts); on request: tus-server.`

export interface FleetOptions {
  readonly devices: number
  readonly mostPacks: number
  readonly rounds: number
  /** Processes that play the devices. */
  readonly generators: number
  readonly store: ObjectStore | undefined
  readonly only: string | undefined
  readonly keep: boolean
}

interface Run {
  readonly contender: string
  readonly round: number
  readonly packs: number
  readonly bytes: number
  readonly failedDevices: number
  readonly errors: readonly string[]
  /** From the first request to the last answer, and until all of it was on the disk. */
  readonly seconds: number
  readonly syncedSeconds: number
  /** Of the server, its children included; undefined where it is no process of ours. */
  readonly cpuSeconds?: number
  readonly peakRssBytes?: number
  readonly generatorCpuSeconds: number
  /** How long one pack took: half of them, and all but one in a hundred, took no longer. */
  readonly packMs: { readonly median: number, readonly p99: number, readonly most: number }
  readonly loadAverage: number
}

interface Measured {
  readonly runs: readonly Run[]
  readonly versions: Readonly<Record<string, string>>
}

/** Measures, prints the table, and writes `bench/out/fleet.json`. */
export async function fleet(options: FleetOptions): Promise<void> {
  const { runs, versions } = await measureFleet(options)
  const { devices, mostPacks, rounds, generators, store } = options
  progress('')
  print(fleetOf(options), runs)
  writeResults('fleet', versions, { devices, mostPacks, rounds, generators, store: store?.address, runs })
  if (runs.some(({ failedDevices, errors }) => failedDevices > 0 || errors.length > 0)) process.exitCode = 1
}

const fleetOf = ({ devices, mostPacks }: FleetOptions): FleetSize => ({ devices, mostPacks, seed: 1 })

/** One upload of the whole fleet for each round and contender. */
export async function measureFleet(options: FleetOptions): Promise<Measured> {
  const { chosen, versions, missing } = await chooseContenders(fleetContenders(options.store), options.only)
  for (const line of missing) say(line)
  using work = openWorkFolder(options.keep)
  const runs: Run[] = []
  for (let round = 0; round < options.rounds; round++) {
    for (let turn = 0; turn < chosen.length; turn++) {
      const contender = chosen[(round + turn) % chosen.length]
      if (!contender) continue
      progress(`round ${round + 1} of ${options.rounds}: ${contender.name}`)
      const folder = join(work.path, contender.name)
      await mkdir(folder)
      runs.push({ contender: contender.name, round, ...await measureRun(contender, folder, fleetOf(options), options.generators) })
      await rm(folder, { recursive: true })
    }
  }
  return { runs, versions }
}

async function measureRun(
  contender: FleetContender, folder: string, size: FleetSize, generators: number,
): Promise<Omit<Run, 'contender' | 'round'>> {
  await using server = await contender.start(folder, size.devices)
  const parts = await Promise.all(Array.from({ length: generators }, (_, part) => startLoad(server.target, size, {
    from: Math.floor(size.devices * part / generators), to: Math.floor(size.devices * (part + 1) / generators),
  })))
  settleDisk()
  const before = server.pid === undefined ? undefined : readProcess(server.pid)
  const startedAt = performance.now()
  const loaded = await Promise.all(parts.map(({ go }) => go()))
  const seconds = (performance.now() - startedAt) / 1000
  const after = server.pid === undefined ? undefined : readProcess(server.pid)
  settleDisk()
  const syncedSeconds = (performance.now() - startedAt) / 1000
  const packMs = loaded.flatMap((each) => each.packMs).sort((a, b) => a - b)
  const sum = (of: (part: FleetLoaded) => number): number => loaded.reduce((total, part) => total + of(part), 0)
  const kept = await server.packs()
  const lost = kept === undefined ? 0 : sum(({ packs }) => packs) - kept
  return {
    packs: sum(({ packs }) => packs), bytes: sum(({ bytes }) => bytes), failedDevices: sum(({ failedDevices }) => failedDevices),
    errors: [...loaded.flatMap(({ errors }) => errors), ...(lost === 0 ? [] : [`${lost} packs were answered for and are not there`])],
    seconds, syncedSeconds,
    ...(before && after && { cpuSeconds: (after.cpuMs - before.cpuMs) / 1000, peakRssBytes: after.peakRssBytes }),
    generatorCpuSeconds: sum(({ cpuMs }) => cpuMs) / 1000,
    packMs: { median: median(packMs), p99: packMs[Math.floor(packMs.length * 0.99)] ?? NaN, most: packMs.at(-1) ?? NaN },
    loadAverage: loadavg()[0] ?? NaN,
  }
}

/** Prepares a part of the fleet in a process of its own. */
async function startLoad(target: Target, size: FleetSize, part: { readonly from: number, readonly to: number }) {
  const load: FleetLoad = { target, size, ...part }
  const script = fileURLToPath(new URL('./lib/fleet-load.ts', import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify(load)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  const ended = once(child, 'exit').then(() => { throw new Error('a load generator ended early') })
  ended.catch(() => undefined)
  const line = async (): Promise<string> => (await Promise.race([once(lines, 'line'), ended]) as [string])[0]
  await line()
  return {
    go: async (): Promise<FleetLoaded> => {
      child.stdin.write('go\n')
      return JSON.parse(await line()) as FleetLoaded
    },
  }
}

function print(size: FleetSize, runs: readonly Run[]): void {
  const packs = Array.from({ length: size.devices }, (_, device) => bodySizes(size, device)).flat()
  const bytes = packs.reduce((total, each) => total + each, 0)
  say(`\n${whole(size.devices)} devices at once, ${whole(packs.length)} packs, ${megabytes(bytes)} MB; medians; load average ${fixed(loadavg()[0], 1)}\n`)
  const rowOf = (name: string) => {
    const own = runs.filter(({ contender }) => contender === name)
    const of = (value: (run: Run) => number | undefined): number | undefined => {
      const values = own.map(value).filter((each) => each !== undefined)
      return values.length === 0 ? undefined : median(values)
    }
    return {
      name, rate: of((run) => run.bytes / run.seconds), syncedRate: of((run) => run.bytes / run.syncedSeconds),
      cpu: of(({ cpuSeconds }) => cpuSeconds), peak: of(({ peakRssBytes }) => peakRssBytes),
      packMs: of(({ packMs }) => packMs.median), slowMs: of(({ packMs }) => packMs.p99),
      failed: own.reduce((total, { failedDevices }) => total + failedDevices, 0),
    }
  }
  const rows = [...new Set(runs.map(({ contender }) => contender))].map(rowOf)
  const [first] = rows
  say(table(
    ['', 'MB/s', 'of it', 'synced', 'of it', 'CPU s', 'peak MB', 'pack ms', 'p99', 'failed'],
    rows.map(({ name, rate, syncedRate, cpu, peak, packMs, slowMs, failed }) => [
      name, megabytes(rate, 1), ratio(first?.rate, rate), megabytes(syncedRate, 1), ratio(first?.syncedRate, syncedRate),
      fixed(cpu, 1), megabytes(peak), fixed(packMs, 0), fixed(slowMs, 0), whole(failed),
    ]),
  ))
  for (const { contender, errors } of runs) for (const error of errors) say(`${contender}: ${error}`)
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({
      args,
      options: {
        ...commonOptions,
        devices: { type: 'string', default: '500' }, packs: { type: 'string', default: '10' }, rounds: { type: 'string', default: '3' },
        generators: { type: 'string', default: '1' }, store: { type: 'string' },
      },
    })
    const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = process.env
    await fleet({
      devices: parseCount('devices', values.devices),
      mostPacks: parseCount('packs', values.packs),
      rounds: parseCount('rounds', values.rounds),
      generators: parseCount('generators', values.generators),
      store: values.store === undefined ? undefined : { address: values.store, accessKeyId, secretAccessKey },
      only: values.only,
      keep: values.keep,
    })
  })
}
