import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { readProcess, type ProcessReading } from './procfs.ts'

/** A program that runs until it is told to end. Disposing of it ends it; so does the end of this process. */
export interface Running extends AsyncDisposable {
  readonly name: string
  /** Throws when it has ended by itself. */
  read(): ProcessReading
  stop(): Promise<void>
}

export interface RunningOptions {
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** The program only starts another one, which is the one that is read and told to end. */
  readonly isWrapper?: boolean
}

export interface Rest {
  /** CPU time that passes for rest, within a window. */
  readonly cpuMs: number
  readonly windowMs: number
  readonly limitMs: number
}

/** Starts a program in a small fixed environment. Throws when it cannot be started. */
export async function startRunning(name: string, { argv, env, isWrapper = false }: RunningOptions): Promise<Running> {
  const [program = '', ...args] = argv
  const child = spawn(program, args, { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env }, stdio: 'ignore' })
  await once(child, 'spawn')
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
  const pid = (): number => {
    if (hasEnded() || child.pid === undefined) throw new Error(`${name} ended by itself, status ${child.exitCode ?? 'none'}`)
    return isWrapper ? readProcess(child.pid).pids[1] ?? child.pid : child.pid
  }
  const end = (): void => { if (!hasEnded()) process.kill(pid(), 'SIGTERM') }
  process.once('exit', end)
  const stop = async (): Promise<void> => {
    process.removeListener('exit', end)
    if (hasEnded()) return
    end()
    await once(child, 'exit')
  }
  return { name, read: () => readProcess(pid()), stop, [Symbol.asyncDispose]: stop }
}

/** Waits until a window passes in which the program did next to nothing; false when none did within the limit. */
export async function untilAtRest(running: Running, { cpuMs, windowMs, limitMs }: Rest): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < limitMs; waitedMs += windowMs) {
    const before = running.read().cpuMs
    await delay(windowMs)
    if (running.read().cpuMs - before <= cpuMs) return true
  }
  return false
}
