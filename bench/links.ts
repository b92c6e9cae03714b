import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { whyNoWireNetwork } from '../test/link/wire-network.ts'
import { stamp } from '../test/pack/make-log.ts'
import { startBadRoad } from './lib/bad-road.ts'
import type { BadRoad, Line } from './lib/bad-road.ts'
import { startFarSide } from './lib/far-side.ts'
import { median } from './lib/median.ts'
import { whyNoNginx } from './lib/nginx.ts'
import { chooseContenders } from './lib/peers.ts'
import { commonOptions, openWorkFolder, parseCount, progress, runProgram, say, writeResults } from './lib/program.ts'
import { incompressible } from './lib/random.ts'
import { fixed, ratio, table, whole } from './lib/table.ts'
import { digestOf, uploaders } from './lib/uploaders.ts'
import type { Cargo, FarSide, Uploader } from './lib/uploaders.ts'

const usage = `node bench/links.ts [--lines NAMES] [--rounds 3] [--share 1] [--only NAMES]
                    [--keep]

One upload over TLS on bad lines, by Sluice and by other programs on the same
line: goodput, bytes on the wire, retries. Needs Linux, root, ip, tc, nft,
ethtool, python3, nginx. --share: of the sizes, 0.1 for a short look.
LINES: flap, loss-1, loss-5, loss-20, delay, slow.
NAMES: sluice, sluice-yield, curl, rclone.`

export interface LinksOptions {
  /** Names of lines; undefined: all. */
  readonly lines: readonly string[] | undefined
  readonly rounds: number
  /** Of each line's size. */
  readonly share: number
  readonly only: string | undefined
  readonly keep: boolean
}

interface Cell {
  readonly line: Line
  /** What takes 10 to 40 seconds on this line. */
  readonly sizeBytes: number
}

/** 20 Mbit/s with 100 ms of queue: common for a home's upload, and no line's bottleneck but the distant one's. */
const home = { roundTripMs: 40, bytesPerSecond: 2_500_000, queueBytes: 250_000 }

const cells: Readonly<Record<string, Cell>> = {
  'flap': { line: { ...home, bytesPerSecond: 1_000_000, queueBytes: 100_000, flap: { upMs: 3000, downMs: 2000 } }, sizeBytes: 8_000_000 },
  'loss-1': { line: { ...home, lossPercent: 1 }, sizeBytes: 8_000_000 },
  'loss-5': { line: { ...home, lossPercent: 5 }, sizeBytes: 2_500_000 },
  'loss-20': { line: { ...home, lossPercent: 20 }, sizeBytes: 200_000 },
  'delay': { line: { ...home, roundTripMs: 300 }, sizeBytes: 25_000_000 },
  'slow': { line: { roundTripMs: 40, bytesPerSecond: 8_000, queueBytes: 16_000 }, sizeBytes: 120_000 },
}

/** A run that takes longer is ended and counts as goodput 0: nobody would wait for it. */
const limitMs = 120_000

interface Run {
  readonly line: string
  readonly uploader: string
  readonly round: number
  readonly arrived: boolean
  readonly seconds: number
  /** Both directions, Ethernet headers included, at the uploader's interface. */
  readonly wireBytes: number
  readonly retries: number
  /** TCP segments that the uploader's machine sent again. */
  readonly segmentsAgain: number
  readonly stderr: string
}

interface Row {
  readonly line: string
  readonly uploader: string
  readonly goodputBytesPerSecond: number
  readonly least: number
  readonly most: number
  readonly wireShare: number
  readonly retries: number
  readonly failed: number
}

interface Measured {
  readonly runs: readonly Run[]
  readonly versions: Readonly<Record<string, string>>
}

/** Measures, prints the table, and writes `bench/out/links.json`. */
export async function links(options: LinksOptions): Promise<void> {
  const why = whyNoLinks()
  if (why !== undefined) { say(`left out: ${why}`); return }
  const { runs, versions } = await measureLinks(options)
  progress('')
  const rows = [...Map.groupBy(runs, ({ line, uploader }) => `${line} ${uploader}`).values()].map((own) => summary(own, options.share))
  print(rows)
  writeResults('links', versions, { rounds: options.rounds, share: options.share, cells, rows, runs })
}

/** What is missing here, or undefined. */
export function whyNoLinks(): string | undefined {
  return whyNoWireNetwork() ?? whyNoNginx() ?? (existsSync('/usr/bin/curl') ? undefined : 'apt-get install curl')
}

/** One upload for each line, round and uploader. Throws where a name is unknown. */
export async function measureLinks(options: LinksOptions): Promise<Measured> {
  const { chosen, versions, missing } = await chooseContenders(uploaders, options.only)
  for (const line of missing) say(line)
  using work = openWorkFolder(options.keep)
  await using road = await startBadRoad()
  const far = await startFarSide(road.net, work.path)
  const runs: Run[] = []
  for (const line of options.lines ?? Object.keys(cells)) {
    const cell = cells[line]
    if (!cell) throw new Error(`--lines ${line}: there are ${Object.keys(cells).join(', ')}`)
    for (let round = 0; round < options.rounds; round++) {
      for (const uploader of inTurn(chosen, round)) {
        progress(`${line}, round ${round + 1} of ${options.rounds}: ${uploader.name}`)
        const device = `${line}-${round}-${uploader.name}`
        const cargo = await load(work.path, far, device, Math.round(cell.sizeBytes * options.share))
        const run = await measureRun(road, far, { uploader, line: cell.line, seed: round, cargo })
        runs.push({ line, round, uploader: uploader.name, ...run })
      }
    }
  }
  return { runs, versions }
}

/** Each round begins with another one: noise of the machine falls on all. */
function inTurn<T>(all: readonly T[], round: number): T[] {
  return all.map((_, turn) => all[(round + turn) % all.length] as T)
}

async function load(folder: string, far: FarSide, device: string, sizeBytes: number): Promise<Cargo> {
  const body = Buffer.alloc(sizeBytes)
  incompressible(sizeBytes)(body)
  const { name, bytes } = stamp(body, { device, seq: 1 })
  const file = join(folder, `${device}.pack`)
  await writeFile(file, bytes)
  return { ...name, file, sizeBytes: bytes.length, credential: await far.enrol(device) }
}

async function measureRun(
  road: BadRoad, far: FarSide, what: { readonly uploader: Uploader, readonly line: Line, readonly seed: number, readonly cargo: Cargo },
): Promise<Omit<Run, 'line' | 'round' | 'uploader'>> {
  const { uploader, line, seed, cargo } = what
  const { net } = road
  const { argv, env } = uploader.command(cargo, far)
  const before = await road.quiet()
  const segmentsBefore = await segmentsAgain(road)
  await road.lay(line, seed)
  const startedAt = performance.now()
  const child = net.spawn('near', argv, {
    stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/nowhere', ...env },
  })
  const timer = setTimeout(() => { child.kill('SIGKILL') }, limitMs)
  if (!child.stdout || !child.stderr) throw new Error('an uploader needs pipes')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  clearTimeout(timer)
  const seconds = (performance.now() - startedAt) / 1000
  const after = await road.quiet()
  const arrivedFile = uploader.arrived(cargo, far)
  const arrived = child.exitCode === 0 && await digestOf(arrivedFile) === await digestOf(cargo.file)
  await Promise.all([cargo.file, arrivedFile].map((file) => rm(file, { force: true })))
  return {
    arrived, seconds,
    wireBytes: after.inBytes + after.outBytes - before.inBytes - before.outBytes,
    retries: arrived ? uploader.retries(stdout, stderr) : NaN,
    segmentsAgain: await segmentsAgain(road) - segmentsBefore,
    stderr: arrived ? '' : stderr.slice(-500),
  }
}

async function segmentsAgain({ net }: BadRoad): Promise<number> {
  const [names = [], values = []] = (await net.exec('near', ['cat', '/proc/net/snmp'])).split('\n')
    .filter((line) => line.startsWith('Tcp:')).map((line) => line.split(' '))
  return Number(values[names.indexOf('RetransSegs')])
}

function summary(runs: readonly Run[], share: number): Row {
  const { line = '', uploader = '' } = runs[0] ?? {}
  const sizeBytes = (cells[line]?.sizeBytes ?? NaN) * share
  const goodputs = runs.map(({ arrived, seconds }) => arrived ? sizeBytes / seconds : 0)
  const done = runs.filter(({ arrived }) => arrived)
  return {
    line, uploader,
    goodputBytesPerSecond: median(goodputs), least: Math.min(...goodputs), most: Math.max(...goodputs),
    wireShare: median(done.map(({ wireBytes }) => wireBytes / sizeBytes - 1)),
    retries: median(done.map(({ retries }) => retries)),
    failed: runs.length - done.length,
  }
}

function print(rows: readonly Row[]): void {
  const own = (row: Row): Row | undefined => rows.find(({ line, uploader }) => line === row.line && uploader === 'sluice')
  say(`\nUploads on bad lines, medians; load average ${fixed(loadavg()[0], 1)}\n`)
  say(table(
    ['line', 'uploader', 'kB/s', 'least–most', 'sluice/it', 'wire', 'retries', 'failed'],
    rows.map((row) => [
      row.line, row.uploader, fixed(row.goodputBytesPerSecond / 1000, 1),
      `${fixed(row.least / 1000, 1)}–${fixed(row.most / 1000, 1)}`,
      ratio(own(row)?.goodputBytesPerSecond, row.goodputBytesPerSecond),
      Number.isNaN(row.wireShare) ? '–' : `+${fixed(row.wireShare * 100, 1)}%`,
      Number.isNaN(row.retries) ? '–' : whole(row.retries), row.failed === 0 ? '' : whole(row.failed),
    ]),
  ))
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({
      args,
      options: {
        ...commonOptions,
        lines: { type: 'string' }, rounds: { type: 'string', default: '3' }, share: { type: 'string', default: '1' },
      },
    })
    await links({
      lines: values.lines?.split(','),
      rounds: parseCount('rounds', values.rounds),
      share: Number(values.share),
      only: values.only,
      keep: values.keep,
    })
  })
}
