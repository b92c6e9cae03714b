import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { NetworkState, Reading } from '../scheduler/conditions.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import { stateFrom } from './links.ts'
import type { NetworkFacts } from './links.ts'

/** Runs a program of the system and returns what it prints. Rejects when it fails, takes too long or is called off. */
export type RunCommand = (program: string, args: readonly string[], signal: AbortSignal) => Promise<string>

export interface CommandSensorOptions {
  readonly clock: () => number
  readonly secret?: (() => Uint8Array | undefined) | undefined
  /** Default: the system’s own. */
  readonly run?: RunCommand
}

interface CommandSensorParts extends CommandSensorOptions {
  readonly source: string
  /** How long an answer serves: what it costs to ask against how late a change may be noticed. */
  readonly freshMs: number
  /** Runs one program after another. */
  readonly ask: (run: (program: string, args: readonly string[]) => Promise<string>) => Promise<NetworkFacts>
}

/**
 * A sensor whose answer the system’s own programs give. Readings asked for at once share one run; readings within
 * `freshMs` share its answer, and keep its time. It cannot be watched.
 */
export function commandSensor(parts: CommandSensorParts): Sensor<NetworkState> {
  const { clock, secret, run = runCommand, source, freshMs, ask } = parts
  const closing = new AbortController()
  let last: Reading<NetworkState> | undefined
  let running: Promise<Reading<NetworkState>> | undefined
  const measure = async (): Promise<Reading<NetworkState>> => {
    const at = clock()
    try {
      const facts = await ask((program, args) => run(program, args, closing.signal))
      return { value: stateFrom(facts, secret?.()), source, at }
    } catch (error) {
      return { value: { cost: 'unknown' }, source: `${source}: ${whyNot(error)}`, at }
    }
  }
  const isFresh = (reading: Reading<NetworkState>) => {
    const age = clock() - reading.at
    return age >= 0 && age < freshMs
  }
  return {
    read: async () => {
      if (last && isFresh(last)) return last
      if (closing.signal.aborted) return { value: { cost: 'unknown' }, source: `${source}: closed`, at: clock() }
      running ??= measure().finally(() => {
        running = undefined
      })
      last = await running
      return last
    },
    close: async () => {
      closing.abort()
      await running
    },
  }
}

/** A program that prints more than this is not one we know. */
const mostBytes = 4 << 20

/** Longer than a PowerShell takes to start on a busy machine, and short enough for a reading. */
const limitMs = 10_000

const execute = promisify(execFile)

const runCommand: RunCommand = async (program, args, signal) => {
  const { stdout } = await execute(program, args, { signal, timeout: limitMs, maxBuffer: mostBytes, windowsHide: true })
  return stdout
}

/** In our own words: what a program prints on failing may hold names. */
function whyNot(error: unknown): string {
  const { code, killed } = error as { readonly code?: unknown, readonly killed?: unknown }
  if (killed === true) return `no answer within ${limitMs / 1000} s`
  if (code === 'ENOENT') return 'its command is missing'
  return typeof code === 'number' ? `its command failed (${code})` : 'its command failed'
}
