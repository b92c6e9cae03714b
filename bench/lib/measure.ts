import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What a command, or several in a row, used. */
export interface Totals {
  /** User and system time of the command, all its threads, and every descendant it waited for. */
  readonly cpuSeconds: number
  readonly wallSeconds: number
  /** Largest resident set of any single process of the command; undefined without GNU time. */
  readonly peakRssBytes: number | undefined
}

/** What one finished command used, and how it ended. */
export interface Usage extends Totals {
  /** Exit status; undefined when a signal ended it. */
  readonly status: number | undefined
  readonly stdout: string
  readonly stderr: string
}

export interface Command {
  readonly argv: readonly string[]
  readonly cwd?: string
  /** Set on top of a small fixed environment: nothing of the caller's own environment reaches a measured command. */
  readonly env?: Readonly<Record<string, string>>
}

/** The Linux ABI fixes the unit of /proc/PID/stat times at 100 a second, whatever the kernel's own tick is. */
const ticksPerSecond = 100

/** More output than this is not kept: the benches read a summary line or an error at most. */
const keptOutputBytes = 1 << 20

const gnuTime = '/usr/bin/time'

/** Without it there is no peak memory column. */
export const hasGnuTime = existsSync(gnuTime)

const baseEnvironment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' }

/** Fields of /proc/PID/stat from the third on: the second, the name in brackets, may itself hold spaces and brackets. */
export function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).trim().split(' ')
}

/**
 * CPU seconds of all children that this process has waited for. The kernel adds nanoseconds up and rounds the
 * sum down when it is read, so a difference of two readings errs by at most one tick a field and not to one side.
 */
function waitedChildrenCpuSeconds(): number {
  const fields = statFields(readFileSync('/proc/self/stat', 'utf8'))
  return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond
}

let running = false

/**
 * Runs a command to its end and says what it used. One at a time, because the CPU time of children is kept as one sum.
 * Throws when the program cannot be started; an exit status other than 0 is the caller's to judge.
 */
export async function measure(command: Command): Promise<Usage> {
  if (running) throw new Error('measure() cannot tell two commands at once apart')
  running = true
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-time-'))
  try {
    const report = join(folder, 'rss')
    // GNU time is a process of 2 MB: measured through it, the peak is the command's own and not that of this process,
    // whose memory the kernel would count for the moment between fork and exec.
    const argv = hasGnuTime ? [gnuTime, '-q', '-f', '%M', '-o', report, '--', ...command.argv] : [...command.argv]
    const cpuBefore = waitedChildrenCpuSeconds()
    const startNs = process.hrtime.bigint()
    const ended = await run(argv, command)
    const wallSeconds = Number(process.hrtime.bigint() - startNs) / 1e9
    const cpuSeconds = waitedChildrenCpuSeconds() - cpuBefore
    const peakRssBytes = hasGnuTime ? Number((await readFile(report, 'utf8')).trim().split('\n').at(-1)) * 1024 : undefined
    return { ...ended, cpuSeconds, wallSeconds, peakRssBytes }
  } finally {
    running = false
    await rm(folder, { recursive: true, force: true })
  }
}

function run(argv: readonly string[], { cwd, env }: Command): Promise<Pick<Usage, 'status' | 'stdout' | 'stderr'>> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      cwd, env: { ...baseEnvironment, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout = (stdout + text).slice(-keptOutputBytes) })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr = (stderr + text).slice(-keptOutputBytes) })
    child.on('error', reject)
    child.on('close', (status) => { resolve({ status: status ?? undefined, stdout, stderr }) })
  })
}

/** Like `measure`, but a status other than 0 throws with the last lines the command wrote. */
export async function measureOk(command: Command): Promise<Usage> {
  const usage = await measure(command)
  if (usage.status === 0) return usage
  const said = (usage.stderr || usage.stdout).trim().split('\n').slice(-5).join('\n')
  throw new Error(`${command.argv.slice(0, 4).join(' ')} … ended with status ${usage.status ?? 'none (signal)'}: ${said}`)
}

/** Where adding up begins. */
export const noUsage: Totals = { cpuSeconds: 0, wallSeconds: 0, peakRssBytes: undefined }

/** Sums CPU and wall time, keeps the highest peak. */
export function addUsage(a: Totals, b: Totals): Totals {
  const peaks = [a.peakRssBytes, b.peakRssBytes].filter((peak) => peak !== undefined)
  return {
    cpuSeconds: a.cpuSeconds + b.cpuSeconds,
    wallSeconds: a.wallSeconds + b.wallSeconds,
    peakRssBytes: peaks.length === 0 ? undefined : Math.max(...peaks),
  }
}
