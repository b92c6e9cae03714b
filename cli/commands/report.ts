import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Fleet } from '../../src/observe/report/fleet.ts'
import type { ReadCounts } from '../../src/observe/report/read-counts.ts'
import type { FoundLogs } from '../../src/observe/report/read-logs.ts'
import type { ReportOptions } from '../../src/observe/report/report.ts'
import type { Section } from '../../src/observe/report/tables.ts'
import type { OutputOptions } from '../options.ts'
import type { Io } from '../output.ts'
import { dayAt, dayMs, dayStart } from '../../src/budget/civil-day.ts'
import { formatBytes, parseDate, parseDuration } from '../../config/units.ts'
import { SluiceError, systemCode } from '../../src/observe/error.ts'
import { wrap } from '../../src/scheduler/words.ts'
import { addJson, describe } from '../options.ts'
import { table } from '../output.ts'

interface Options extends OutputOptions {
  readonly html?: string
  readonly since?: string
  readonly until?: string
  readonly silentAfter: string
  readonly stuckAfter: string
}

/** Narrower than this nothing is legible; wider than 80 nobody asked for. */
const [leastColumns, mostColumns] = [32, 80]

/** What a terminal shows; the page shows more, and JSON all. */
const limits = { days: 31, rows: 10 }

export function register(program: Command, io: Io): void {
  const command = program.command('report')
    .argument('<logs...>', 'files, folders, or - for standard input; .gz and .zst too')
    .option('--html <file>', 'write a page with pictures')
    .option('--since <time>', 'from then on: 2026-11-01, an ISO time, or 30d')
    .option('--until <time>', 'up to then; a day is included')
    .option('--silent-after <time>', 'call a device silent after', '3d')
    .option('--stuck-after <time>', 'call a device stuck after', '3d')
  describe(addJson(command), 'What a fleet sent, saved and held, from the service’s own logs.', [
    ['sluice report /var/log/fleet', 'every log below that folder'],
    ['sluice report logs --since 7d --html week.html', 'the last seven days, with pictures'],
    ['journalctl -u sluice -o json | sluice report -', 'this machine, from its journal'],
  ]).action((paths: readonly string[], options: Options) => report(paths, options, io))
}

async function report(paths: readonly string[], options: Options, io: Io): Promise<void> {
  const [{ Fleet }, { findLogs }, { reportOf }, tables] = await Promise.all([
    import('../../src/observe/report/fleet.ts'), import('../../src/observe/report/read-logs.ts'),
    import('../../src/observe/report/report.ts'), import('../../src/observe/report/tables.ts'),
  ])
  const span = spanOf(options, io.now())
  const found = await findLogs(paths, io.signal)
  if (found.logs.length === 0 && found.refused.length === 0) {
    throw new SluiceError('usage', `there are no logs in ${paths.join(', ')}: names such as *.log, *.json, *.log.1.gz or *.ndjson.zst are looked for`)
  }
  const fleet = new Fleet(span)
  const read = await readAll(found, fleet, io)
  const result = reportOf(fleet, read, span)
  if (options.html !== undefined) {
    const { page } = await import('../../src/observe/report/page.ts')
    await save(options.html, page(result))
  }
  const columns = Math.min(mostColumns, Math.max(leastColumns, process.stdout.columns ?? mostColumns))
  const lines = [
    ...tables.headline(result).flatMap((line) => wrap(line, columns, '')),
    ...tables.sections(result, limits).flatMap((section) => sectionLines(section, tables.more(section), columns)),
    ...(options.html === undefined ? [] : ['', `Pictures: ${options.html}`]),
  ]
  io.result(options.json, { version: 1, ...result, ...limitsOf(options, span) }, lines)
  for (const line of tables.omissions(result)) io.note(line)
  if (result.read.refused.length > 0) io.exit(1)
}

/** What was asked for, in `--json`. */
function limitsOf({ since, until }: Options, span: ReportOptions): { since?: number, until?: number } {
  return { ...(since !== undefined && { since: span.since }), ...(until !== undefined && { until: span.until }) }
}

/** Reads every log once, with progress by bytes where that takes more than a second. */
async function readAll(found: FoundLogs, fleet: Fleet, io: Io): Promise<ReadCounts & { readonly summaries: number }> {
  const [{ readLogs }, { parseSummary }] = await Promise.all([
    import('../../src/observe/report/read-logs.ts'), import('../../src/observe/report/summary-line.ts'),
  ])
  const totalBytes = found.logs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const progress = io.progress()
  const startedAt = io.now()
  let summaries = 0
  try {
    const read = await readLogs({
      ...found, stdin: process.stdin, signal: io.signal,
      onLine: (text) => {
        const summary = parseSummary(text)
        if (summary === undefined) return false
        if (summary === 'other') return true
        summaries += 1
        fleet.add(summary)
        return true
      },
      onProgress: (bytes) => {
        if (io.now() - startedAt < 1000) return
        const of = bytes <= totalBytes ? ` of ${formatBytes(totalBytes)} (${Math.floor(100 * bytes / totalBytes)} %)` : ''
        progress.show(`Reading: ${formatBytes(bytes)}${of}`)
      },
    })
    return { ...read, summaries }
  } finally {
    progress.end()
  }
}

function sectionLines({ title, rows }: Section, more: string | undefined, columns: number): string[] {
  return ['', `${title}:`, ...table(fitting(rows, columns), columns), ...(more === undefined ? [] : [more])]
}

/** Without the last columns where a terminal is too narrow for them: what is cut in the middle misleads. */
function fitting(rows: readonly (readonly string[])[], columns: number): (readonly string[])[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  let [kept, used] = [0, -2]
  for (const width of widths) {
    used += width + 2
    if (kept >= 2 && used > columns) break
    kept += 1
  }
  return rows.map((row) => row.slice(0, kept))
}

function spanOf({ since, until, silentAfter, stuckAfter }: Options, now: number): ReportOptions {
  const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone
  const end = until === undefined ? now + dayMs : timeOf('until', until, now, timeZone, 1)
  const start = since === undefined ? 0 : timeOf('since', since, now, timeZone, 0)
  if (start >= end) throw new SluiceError('usage', `--since ${since ?? ''} is not before --until ${until ?? 'now'}`)
  return {
    since: start, until: end, timeZone, now,
    silentAfterMs: durationOf('silent-after', silentAfter), stuckAfterMs: durationOf('stuck-after', stuckAfter),
  }
}

/** A day in this machine's time zone, an ISO time, or how long ago; of a day its beginning, plus `days`. */
function timeOf(option: string, text: string, now: number, timeZone: string, days: number): number {
  const day = parseDate(text)
  if (day !== undefined) return dayStart(day / dayMs + days, timeZone)
  const agoMs = parseDuration(text)
  if (agoMs !== undefined) return agoMs % dayMs === 0 && agoMs > 0 ? dayStart(dayAt(now, timeZone) - agoMs / dayMs + days, timeZone) : now - agoMs
  const time = /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : NaN
  if (!Number.isNaN(time)) return time
  throw new SluiceError('usage', `--${option} "${text}" is no time: allowed are days such as 2026-11-01, ISO times such as 2026-11-01T12:00:00Z, and how long ago, such as 30d`)
}

function durationOf(option: string, text: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined && ms > 0) return ms
  throw new SluiceError('usage', `--${option} "${text}" is no duration: allowed are such as 3d, 12h or 90m`)
}

async function save(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text)
  } catch (error) {
    throw new SluiceError('usage', `cannot write ${file} (${systemCode(error) ?? 'unknown'})`, { cause: error })
  }
}
