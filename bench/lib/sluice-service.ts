import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Usage } from './measure.ts'
import { readProcess } from './procfs.ts'
import { sluiceArgv, type SluicePlaces } from './sluice.ts'

/** A running `sluice run`. */
export interface SluiceService {
  /** Waits until what is new has been taken and sent, and says what that used; the first time with its start. */
  run(): Promise<Usage>
  stop(): Promise<void>
}

/** What was written may wait so long for its closing to be seen as complete, and then for its pack to be sealed. */
const leastWaitMs = 4000
const windowMs = 2000
/** One step of what the kernel tells. */
const atRestCpuMs = 10
const limitMs = 600_000

export async function startSluiceService({ config, home }: SluicePlaces): Promise<SluiceService> {
  const [program = '', ...args] = sluiceArgv('run', '--config', config)
  const child = spawn(program, args, { env: { PATH: '/usr/bin:/bin', HOME: home }, stdio: 'ignore' })
  await once(child, 'spawn')
  const pid = pidOf(child)
  let before = 0
  return {
    run: async () => {
      const startMs = performance.now()
      await untilAtRest(child, pid)
      const { cpuMs, peakRssBytes } = readProcess(pid)
      const cpuSeconds = (cpuMs - before) / 1000
      before = cpuMs
      return { cpuSeconds, wallSeconds: (performance.now() - startMs) / 1000, peakRssBytes, status: 0, stdout: '', stderr: '' }
    },
    stop: async () => {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

async function untilAtRest(child: ChildProcess, pid: number): Promise<void> {
  const startMs = performance.now()
  for (let beforeMs = -Infinity; performance.now() - startMs < limitMs;) {
    await delay(beforeMs === -Infinity ? leastWaitMs : windowMs)
    if (child.exitCode !== null) throw new Error(`sluice run ended by itself with status ${child.exitCode}`)
    const { cpuMs } = readProcess(pid)
    if (cpuMs - beforeMs <= atRestCpuMs) return
    beforeMs = cpuMs
  }
  throw new Error(`sluice run was not at rest after ${limitMs / 1000} s`)
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('sluice run could not be started')
  return pid
}
