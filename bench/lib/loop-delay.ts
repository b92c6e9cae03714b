import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fixed, whole } from './table.ts'

/** How long the main loop of `sluice run` was kept from turning, as a timer of 5 ms saw it: its step is in every figure. */
export interface LoopDelay {
  /** The longest until the service's modules were loaded. */
  readonly loadingMs: number
  /** The longest afterwards, what all but one in a hundred took at most, and how many took longer than 50 ms. */
  readonly maxMs: number
  readonly p99Ms: number
  readonly over50: number
}

export interface LoopProbe {
  /** What has to be in the environment of `sluice run`. The probe uses some 1.5 % of a core where nothing else does. */
  readonly env: Readonly<Record<string, string>>
  /** Of the run that ended last. Throws where none has ended in order. */
  read(): LoopDelay
}

/** Measures main loops from within; `folder` takes what they tell. */
export function loopProbe(folder: string): LoopProbe {
  const path = join(folder, 'loop-delay.json')
  return {
    env: { NODE_OPTIONS: `--import=${new URL('loop-probe.mjs', import.meta.url).href}`, SLUICE_BENCH_LOOP: path },
    read: () => {
      if (!existsSync(path)) throw new Error('sluice run ended without telling how long its loop was blocked')
      const told = JSON.parse(readFileSync(path, 'utf8')) as Partial<LoopDelay>
      if (told.maxMs === undefined) throw new Error('sluice run ended before it was loaded, or its modules have moved')
      return told as LoopDelay
    },
  }
}

/** One line; loading is told where it is the longest of all. */
export function loopLine(name: string, { loadingMs, maxMs, p99Ms, over50 }: LoopDelay): string {
  const loading = loadingMs > maxMs ? `; loading ${fixed(loadingMs, 0)} ms` : ''
  const often = `${whole(over50)}× over 50 ms`
  return `main loop of ${name}: at most ${fixed(maxMs, 0)} ms, p99 ${fixed(p99Ms, 0)} ms, ${often}${loading}`
}
