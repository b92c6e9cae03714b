import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import type { PowerState, Reading } from '../scheduler/conditions.ts'
import { subscribe } from '../scheduler/sensor.ts'
import type { Sensor } from '../scheduler/sensor.ts'
import { powerFromPmset, saverFromPmset } from './pmset.ts'
import { powerFromWindows, windowsPowerScript } from './windows-power.ts'

type Command = readonly [file: string, ...args: string[]]

export interface CommandPower {
  /** What the commands' output tells, one text for each. Throws on output of another form. */
  readonly parse: (outputs: readonly string[]) => PowerState
  readonly commands: readonly Command[]
  /** Prints something whenever the power changes, and runs until it is ended. Missing where the system has no such command. */
  readonly tells?: Command
  readonly source: string
  /** A reading is this fresh at least: starting the commands again costs more than it tells. */
  readonly freshMs: number
  readonly limitMs: number
}

export interface CommandPowerOptions {
  readonly clock: () => number
}

/** macOS, by its own tool. Two starts of pmset take a few hundredths of a second. */
export const pmset: CommandPower = {
  commands: [['/usr/bin/pmset', '-g', 'batt'], ['/usr/bin/pmset', '-g']],
  tells: ['/usr/bin/pmset', '-g', 'pslog'],
  parse: ([batteries = '', settings = '']) => ({ ...powerFromPmset(batteries), saver: saverFromPmset(settings) }),
  source: 'pmset',
  freshMs: 3000,
  limitMs: 5000,
}

/** Windows, by the PowerShell that comes with it: only 5.1 can ask for the energy saver. It takes about a second to start. */
export const powerShell: CommandPower = {
  commands: [['powershell.exe', '-NoLogo', '-NoProfile', '-NonInteractive', '-Command', windowsPowerScript]],
  parse: ([output = '']) => powerFromWindows(output),
  source: 'Windows',
  freshMs: 10_000,
  limitMs: 15_000,
}

const run = promisify(execFile)

/** A sensor for systems whose own commands tell of battery and charger. Readings asked for at once share one run. */
export function commandPower(system: CommandPower, { clock }: CommandPowerOptions): Sensor<PowerState> {
  const { commands, tells, source, freshMs, limitMs } = system
  const listeners = new Set<() => void>()
  const closing = new AbortController()
  let last: Reading<PowerState> | undefined
  let asking: Promise<Reading<PowerState>> | undefined
  const ask = async (): Promise<Reading<PowerState>> => {
    const at = clock()
    try {
      // A child that is given a signal that was aborted before is started all the same, and ended then.
      if (closing.signal.aborted) throw new Error('closed')
      const outputs = await Promise.all(commands.map(async ([file, ...args]) => {
        const options = { timeout: limitMs, killSignal: 'SIGKILL', signal: closing.signal, windowsHide: true, encoding: 'utf8' } as const
        return (await run(file, args, options)).stdout
      }))
      return { value: system.parse(outputs), source, at }
    } catch (error) {
      return { value: { supply: 'unknown', saver: 'unknown' }, source: `${source}: ${causeOf(error, limitMs)}`, at }
    }
  }
  const read = async (): Promise<Reading<PowerState>> => {
    const age = last && clock() - last.at
    // A clock that went back makes no reading fresh.
    if (last && age !== undefined && age >= 0 && age < freshMs) return last
    const mine = asking ??= ask()
    const reading = await mine
    if (asking === mine) {
      asking = undefined
      last = reading
    }
    return reading
  }
  const forget = () => {
    last = undefined
    asking = undefined
    for (const listener of [...listeners]) listener()
  }
  return {
    read,
    ...(tells && { watch: watchWith(tells, { listeners, forget, signal: closing.signal }) }),
    close: async () => {
      listeners.clear()
      closing.abort()
    },
  }
}

interface Watching {
  readonly listeners: Set<() => void>
  readonly forget: () => void
  readonly signal: AbortSignal
}

/** The command runs from the first watcher to the close; when it ends by itself, ticks go on without it. */
function watchWith([file, ...args]: Command, { listeners, forget, signal }: Watching): (onChange: () => void) => () => void {
  let isStarted = false
  return (onChange) => {
    if (!isStarted && !signal.aborted) {
      isStarted = true
      const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'], signal })
      child.on('error', () => {}) // an abort, or a command that is not there
      child.stdout.on('data', forget)
    }
    return subscribe(listeners, onChange)
  }
}

/** In words of our own: what a command prints when it fails is nobody's business here. */
function causeOf(error: unknown, limitMs: number): string {
  const { code, killed, message } = error as { readonly code?: unknown; readonly killed?: unknown; readonly message: string }
  if (killed === true) return `no answer within ${limitMs / 1000} s`
  if (code === 'ENOENT') return 'its command is missing'
  if (code === 'ABORT_ERR') return 'closed'
  return typeof code === 'number' || typeof code === 'string' ? `its command failed (${code})` : message
}
