import { mkdir, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureOk } from './lib/measure.ts'
import type { Totals, Usage } from './lib/measure.ts'
import { median } from './lib/median.ts'
import { chooseContenders, versionOf } from './lib/peers.ts'
import type { Installed } from './lib/peers.ts'
import { commonOptions, openWorkFolder, parseCount, progress, runProgram, say, writeResults } from './lib/program.ts'
import { sluiceArgv, sluiceVersion } from './lib/sluice.ts'
import { summaryLog } from './lib/summary-lines.ts'
import { fixed, megabytes, ratio, table, whole } from './lib/table.ts'

const usage = `node bench/report.ts [--devices 10000] [--days 30] [--rounds 1]
                     [--only NAMES] [--keep]

\`sluice report\` over generated logs, a file of plain JSON lines for each device
with a summary an hour and one a day, against jq that adds up one field of them.
At full size the logs take 4 GB. NAMES: sluice, jq.`

export interface ReportBenchOptions {
  readonly devices: number
  readonly days: number
  readonly rounds: number
  readonly only: string | undefined
  readonly keep: boolean
}

interface Contender extends Installed {
  /** Reads all logs in `folder`, whose files are named. */
  argv(files: readonly string[]): string[]
  /** Bytes sent by all devices, from what it printed. */
  sentBytes(stdout: string): number
}

interface Run extends Totals {
  readonly contender: string
  readonly round: number
  readonly sentBytes: number
  readonly loadAverage: number
}

/** Keeps no lines and no array of them: the least that jq can do to add up the hours. */
const jqSum = 'reduce inputs as $line (0; if $line.event == "upload.summary" and $line.period == "hour" then . + $line.sentBytes else . end)'

const contenders: readonly Contender[] = [
  {
    name: 'sluice', install: 'npm install', version: sluiceVersion,
    argv: () => sluiceArgv('report', '.', '--until', '2026-12-01', '--json'),
    sentBytes: (stdout) => (JSON.parse(stdout) as { readonly totals: { readonly sentBytes: number } }).totals.sentBytes,
  },
  {
    name: 'jq', install: 'apt-get install jq', version: () => versionOf(['jq', '--version']),
    argv: (files) => ['jq', '-n', jqSum, ...files],
    sentBytes: Number,
  },
]

/** Measures, prints the table, and writes `bench/out/report.json`. */
export async function report({ devices, days, rounds, only, keep }: ReportBenchOptions): Promise<void> {
  const { chosen, versions, missing } = await chooseContenders(contenders, only)
  for (const line of missing) say(line)
  using work = openWorkFolder(keep)
  const folder = join(work.path, 'logs')
  const { files, bytes, lines } = await writeLogs(folder, devices, days)
  const runs: Run[] = []
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < chosen.length; turn += 1) {
      const contender = chosen[(round + turn) % chosen.length]
      if (!contender) continue
      progress(`round ${round + 1} of ${rounds}: ${contender.name}`)
      const measured: Usage = await measureOk({ argv: contender.argv(files), cwd: folder })
      const { cpuSeconds, wallSeconds, peakRssBytes } = measured
      runs.push({ contender: contender.name, round, sentBytes: contender.sentBytes(measured.stdout), loadAverage: loadavg()[0] ?? NaN, cpuSeconds, wallSeconds, peakRssBytes })
    }
  }
  progress('')
  if (new Set(runs.map(({ sentBytes }) => sentBytes)).size > 1) throw new Error('the sums differ')
  say(`\n${whole(devices)} devices × ${whole(days)} days: ${whole(lines)} lines, ${megabytes(bytes)} MB; medians; load average ${fixed(loadavg()[0], 1)}\n`)
  print(runs, bytes)
  writeResults('report', versions, { devices, days, rounds, lines, bytes, runs })
}

async function writeLogs(folder: string, devices: number, days: number) {
  await mkdir(folder)
  const files: string[] = []
  let [bytes, lines] = [0, 0]
  for (let device = 0; device < devices; device += 1) {
    progress(`writing logs: ${device} of ${devices}`)
    const text = summaryLog(device, days)
    const file = `${String(device).padStart(5, '0')}.log`
    await writeFile(join(folder, file), text)
    files.push(file)
    bytes += text.length
    lines += text.split('\n').length - 1
  }
  return { files, bytes, lines }
}

function print(runs: readonly Run[], bytes: number): void {
  const rows = [...new Set(runs.map(({ contender }) => contender))].map((name) => {
    const own = runs.filter(({ contender }) => contender === name)
    return {
      name, wall: median(own.map(({ wallSeconds }) => wallSeconds)), cpu: median(own.map(({ cpuSeconds }) => cpuSeconds)),
      peak: Math.max(...own.map(({ peakRssBytes }) => peakRssBytes ?? NaN)),
    }
  })
  const [first] = rows
  say(table(['', 'wall s', '/own', 'CPU s', '/own', 'MB/s', 'peak MB'], rows.map(({ name, wall, cpu, peak }) => [
    name, fixed(wall, 1), ratio(wall, first?.wall), fixed(cpu, 1), ratio(cpu, first?.cpu), megabytes(bytes / wall), megabytes(peak),
  ])))
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({
      args,
      options: { ...commonOptions, devices: { type: 'string', default: '10000' }, days: { type: 'string', default: '30' }, rounds: { type: 'string', default: '1' } },
    })
    await report({
      devices: parseCount('devices', values.devices), days: parseCount('days', values.days), rounds: parseCount('rounds', values.rounds),
      only: values.only, keep: values.keep,
    })
  })
}
