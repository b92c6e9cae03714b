import { setTimeout as delay } from 'node:timers/promises'
import type { LoopProbe } from './loop-delay.ts'
import type { Usage } from './measure.ts'
import { startRunning, untilAtRest, type Rest, type Running } from './running.ts'
import { sluiceArgv, type SluicePlaces } from './sluice.ts'

/** A running `sluice run`. */
export interface SluiceService {
  /** Waits until what is new has been taken and sent, and says what that used; the first time with its start. */
  run(): Promise<Usage>
  stop(): Promise<void>
}

/** What was written may wait so long for its closing to be seen as complete, and then for its pack to be sealed. */
const leastWaitMs = 4000
const limitMs = 600_000

/** No more than one step of what the kernel tells; a probe of the main loop uses 15 ms a second. */
export const restOf = (isProbed: boolean): Rest => ({ cpuMs: isProbed ? 60 : 10, windowMs: 2000, limitMs })

/** `sluice run`, as a bench reads it. */
export function startSluice({ config, home }: SluicePlaces, probe?: LoopProbe): Promise<Running> {
  return startRunning('sluice run', { argv: sluiceArgv('run', '--config', config), env: { HOME: home, ...probe?.env } })
}

export async function startSluiceService(places: SluicePlaces, probe?: LoopProbe): Promise<SluiceService> {
  const service = await startSluice(places, probe)
  let before = 0
  return {
    run: async () => {
      const startMs = performance.now()
      await delay(leastWaitMs)
      const isAtRest = await untilAtRest(service, restOf(probe !== undefined))
      if (!isAtRest) throw new Error(`sluice run was not at rest after ${limitMs / 1000} s`)
      const { cpuMs, peakRssBytes } = service.read()
      const cpuSeconds = (cpuMs - before) / 1000
      before = cpuMs
      const wallSeconds = (performance.now() - startMs) / 1000
      return { cpuSeconds, wallSeconds, peakRssBytes, status: 0, stdout: '', stderr: '' }
    },
    stop: () => service.stop(),
  }
}
