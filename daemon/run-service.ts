import type { Decisions } from '../src/scheduler/judge.ts'
import type { LocalApi } from '../src/control/local-api.ts'
import type { Emit } from '../src/observe/events.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { publishPause, type PauseState } from '../src/control/pause-state.ts'
import { putAside } from '../src/journal/aside.ts'
import { journalPath } from '../src/journal/open-state.ts'
import { realDisk } from '../src/journal/real-disk.ts'
import { SluiceError } from '../src/observe/error.ts'
import { isWaitedOut, waitAfter } from '../src/scheduler/faults.ts'
import { assemble, type AssembleOptions, type RunningService } from './assemble.ts'

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

/** Runs until `signal` aborts. What keeps it from starting, but passes by itself, is waited out. */
export async function runService(options: AssembleOptions & { readonly signal: AbortSignal }): Promise<void> {
  const { config, emit, signal } = options
  let attempts = 0
  let startedAt = 0
  while (!signal.aborted) {
    try {
      await using api = new PauseApi(config.stateFolder, emit)
      await withSoundJournal({ ...options, onPause: (state) => api.tell(state) }, async ({ service }) => {
        startedAt = Date.now()
        await api.start()
        emit({ event: 'service.started', device: config.device, streams: config.streams.length })
        await service.run(signal)
      })
      emit({ event: 'service.stopped', cause: String(signal.reason) })
      return
    } catch (error) {
      if (signal.aborted && error instanceof SluiceError && error.code === 'aborted') return
      if (!(error instanceof SluiceError) || !isWaitedOut(error)) throw error
      // A service that ran for a while had recovered; one that fails at each start waits longer and longer.
      attempts = startedAt > 0 && Date.now() - startedAt > recoveredMs ? 1 : attempts + 1
      const retryMs = waitAfter(error, attempts, Math.random())
      emit({ event: 'send.failed', code: error.code, message: error.message, retryMs })
      await sleep(retryMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

/**
 * A journal that turns out damaged while in use is put aside, and the work begins again with a rebuilt one; where the spool
 * has lost a pack it begins again without it.
 */
async function withSoundJournal<T>(options: AssembleOptions, work: (running: RunningService) => Promise<T>): Promise<T> {
  try {
    await using running = await assemble(options)
    return await work(running)
  } catch (thrown) {
    const error = firstOf(thrown)
    if (!(error instanceof SluiceError) || (error.code !== 'journal-damaged' && error.code !== 'spool-damaged')) throw error
    options.emit({ event: 'service.failed', code: error.code, message: error.message })
    if (error.code === 'journal-damaged') await putAside(journalPath(options.config.stateFolder), realDisk)
  }
  await using running = await assemble(options)
  return await work(running)
}

/** What ended the work, where putting things away then failed as well: a damaged journal takes no notes. */
function firstOf(error: unknown): unknown {
  return error instanceof SuppressedError ? firstOf(error.suppressed) : error
}

/** What other programs of this user may ask the service about the worker's pause. Without it the service goes on. */
class PauseApi implements AsyncDisposable {
  readonly #stateFolder: string
  readonly #emit: Emit
  #api: LocalApi | undefined
  #state: PauseState | undefined

  constructor(stateFolder: string, emit: Emit) {
    this.#stateFolder = stateFolder
    this.#emit = emit
  }

  async start(): Promise<void> {
    if (this.#api) return
    // HTTP takes some 15 ms to load, which `run --once` need not spend.
    const { LocalApi, pauseRoutes } = await import('../src/control/local-api.ts')
    const state = (): PauseState => this.#state ?? publishPause(this.#stateFolder, Date.now())
    try {
      this.#api = await LocalApi.start({ stateFolder: this.#stateFolder, routes: pauseRoutes(state) })
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      this.#emit({ event: 'control.unavailable', code: error.code, message: error.message })
    }
  }

  tell(state: PauseState): void {
    this.#state = state
    this.#api?.publish('pause', state)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api?.[Symbol.asyncDispose]()
  }
}
