import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'

/** Options that every bench takes. */
export const commonOptions = {
  only: { type: 'string' },
  keep: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

/** Says something on the terminal. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Shows progress on one line that the next call overwrites; nothing when the output is no terminal. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text.slice(0, 79)}`)
}

/** Runs a bench as a program: status 2 for wrong options, 1 for any other failure. */
export async function runProgram(usage: string, bench: (args: string[]) => Promise<void>): Promise<void> {
  const args = process.argv.slice(2)
  if (args.includes('--help')) { say(usage); return }
  try {
    await bench(args)
  } catch (error) {
    const wrongOption = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${wrongOption ? `${usage}\n` : ''}`)
    process.exitCode = wrongOption ? 2 : 1
  }
}

/** A temporary folder that goes away with the bench, also on Ctrl-C, unless `keep` is set. */
export function openWorkFolder(keep: boolean): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const remove = (): void => { if (!keep) rmSync(path, { recursive: true, force: true }) }
  const interrupted = (): void => { remove(); process.exit(130) }
  process.once('SIGINT', interrupted)
  return {
    path,
    [Symbol.dispose]: () => {
      process.removeListener('SIGINT', interrupted)
      remove()
      if (keep) say(`kept: ${path}`)
    },
  }
}

const units: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

/** `2GiB`, `500 MB`, `1000` → bytes. Throws on anything else. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kKMG]?i?B)?$/.exec(text)
  const unit = units[match?.[2] ?? 'B']
  if (!match?.[1] || unit === undefined) throw new Error(`${text} is no size; write it like 64MiB or 2GiB`)
  return Math.round(Number(match[1]) * unit)
}

/** A whole number from 1. Throws on anything else. */
export function parseCount(option: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`--${option} ${text} is no whole number from 1`)
  return Number(text)
}

/** Without these, figures of two machines look comparable when they are not. */
function machineFacts(): Record<string, string | number | readonly number[]> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    loadAverage: loadavg(),
  }
}

/** Writes `bench/out/NAME.json`: facts of the machine, versions of the contenders, and the bench's own results. */
export function writeResults(name: string, versions: Readonly<Record<string, string>>, results: object): void {
  const folder = join(import.meta.dirname, '..', 'out')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${name}.json`)
  const content = { bench: name, schema: 1, date: new Date().toISOString(), machine: machineFacts(), versions, ...results }
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`)
  say(`\nwritten: bench/out/${name}.json`)
}

/** Lets the disk finish what earlier runs left in its queue, so that they are not charged to the next one. */
export function settleDisk(): void {
  execFileSync('/bin/sync')
}
