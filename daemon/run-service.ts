import type { Config } from '../config/options.ts'
import type { Decisions } from '../src/scheduler/judge.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { putAside } from '../src/journal/aside.ts'
import { journalPath } from '../src/journal/open-state.ts'
import { realDisk } from '../src/journal/real-disk.ts'
import { SluiceError } from '../src/observe/error.ts'
import { isWaitedOut, waitAfter } from '../src/scheduler/faults.ts'
import { assemble, type AssembleOptions, type RunningService } from './assemble.ts'
import { Companions } from './beside/companions.ts'
import { Reload, type ConfigSource } from './reload.ts'

/** A service that ran this long before it failed begins with short waits again. */
const recoveredMs = 5 * 60_000

/** What `once` leaves behind. */
export interface OnceResult {
  readonly decisions: Decisions
  readonly backlog: { readonly packs: number; readonly bytes: number }
  /** Capture files that kept changing while they were read; the next run takes them. */
  readonly unsettledFiles: number
}

/** Takes every file as it stands, sends what may go, and ends. Throws what `assemble` and the service throw. */
export async function runOnce(options: AssembleOptions & { readonly signal: AbortSignal }): Promise<OnceResult> {
  return await withSoundJournal(options, async ({ service, state }) => {
    const { decisions, unsettledFiles } = await service.once(options.signal)
    return { decisions, unsettledFiles, backlog: state.journal.waiting() }
  })
}

export interface RunOptions extends AssembleOptions {
  readonly signal: AbortSignal
  /** Where `config` comes from: what changes there is taken up while the service runs. */
  readonly source?: ConfigSource
  /** Called with the config that it goes on with, before it does. */
  readonly onConfig?: (config: Config) => Promise<void>
}

/** Runs until `signal` aborts. What keeps it from starting, but passes by itself, is waited out. */
export async function runService({ source, onConfig, ...options }: RunOptions): Promise<void> {
  const { emit, signal } = options
  let attempts = 0
  let startedAt = 0
  let tell = emit
  using reload = source && await Reload.start(source, (event) => tell(event))
  while (!signal.aborted) {
    const round = reload?.begin(signal) ?? options
    const { config } = round
    await onConfig?.(config)
    try {
      await withSoundJournal({ ...options, ...round }, async (running, companions) => {
        startedAt = Date.now()
        await companions.start({ config, running })
        tell = companions.emit
        tell({ event: 'service.started', device: config.device, streams: config.streams.length })
        const keys = reload?.taken() ?? []
        if (keys.length > 0) tell({ event: 'config.reloaded', keys })
        await running.service.run(round.signal)
      }).finally(() => { tell = emit })
    } catch (error) {
      if (round.signal.aborted && error instanceof SluiceError && error.code === 'aborted') continue
      if (!(error instanceof SluiceError)) throw error
      if (!isWaitedOut(error)) {
        if (reload?.giveBack(error)) continue
        throw error
      }
      // A service that ran for a while had recovered; one that fails at each start waits longer and longer.
      attempts = startedAt > 0 && Date.now() - startedAt > recoveredMs ? 1 : attempts + 1
      const retryMs = waitAfter(error, attempts, Math.random())
      emit({ event: 'send.failed', code: error.code, message: error.message, retryMs })
      await sleep(retryMs, undefined, { signal: round.signal }).catch(() => undefined)
      continue
    }
    if (signal.aborted) emit({ event: 'service.stopped', cause: String(signal.reason) })
  }
}

/**
 * A journal that turns out damaged while in use is put aside, and the work begins again with a rebuilt one; where the spool
 * has lost a pack it begins again without it.
 */
async function withSoundJournal<T>(options: AssembleOptions, work: (running: RunningService, companions: Companions) => Promise<T>): Promise<T> {
  try {
    return await withCompanions(options, work)
  } catch (thrown) {
    const error = firstOf(thrown)
    if (!(error instanceof SluiceError) || (error.code !== 'journal-damaged' && error.code !== 'spool-damaged')) throw error
    options.emit({ event: 'service.failed', code: error.code, message: error.message })
    if (error.code === 'journal-damaged') await putAside(journalPath(options.config.stateFolder), realDisk)
  }
  return await withCompanions(options, work)
}

/** Companions are told what happens while the service is put together, and end before it does. */
async function withCompanions<T>(options: AssembleOptions, work: (running: RunningService, companions: Companions) => Promise<T>): Promise<T> {
  const companions = new Companions(options.emit)
  await using running = await assemble({ ...options, emit: companions.emit, onPause: companions.tellPause })
  try {
    return await work(running, companions)
  } finally {
    await companions[Symbol.asyncDispose]()
  }
}

/** What ended the work, where putting things away then failed as well: a damaged journal takes no notes. */
function firstOf(error: unknown): unknown {
  return error instanceof SuppressedError ? firstOf(error.suppressed) : error
}
