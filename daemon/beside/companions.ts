import type { PauseState } from '../../src/control/pause-state.ts'
import type { Emit } from '../../src/observe/events.ts'
import type { Beside, Companion, StartCompanion } from './companion.ts'
import { startLocalApi } from './local-api.ts'
import { startMetrics } from './metrics.ts'
import { startServiceManager } from './service-manager.ts'
import { startSummary } from './summary.ts'

const starts: readonly StartCompanion[] = [startLocalApi, startMetrics, startSummary, startServiceManager]

/** All companions of one service: what they hear goes through here. */
export class Companions implements AsyncDisposable {
  readonly #log: Emit
  readonly #stack = new AsyncDisposableStack()
  #companions: readonly Companion[] = []
  /** The pause of a service that said so before its companions were there. */
  #pause: PauseState | undefined

  /** `log` gets every event besides. */
  constructor(log: Emit) {
    this.#log = log
  }

  readonly emit: Emit = (event) => {
    this.#log(event)
    for (const { take } of this.#companions) take?.(event)
  }

  readonly tellPause = (state: PauseState): void => {
    this.#pause = state
    for (const { tellPause } of this.#companions) tellPause?.(state)
  }

  /** Starts all of them; each takes its part until disposed of. */
  async start(beside: Omit<Beside, 'emit'>): Promise<void> {
    for (const begin of starts) {
      const companion = await begin({ ...beside, emit: this.emit })
      if (!companion) continue
      this.#stack.use(companion)
      this.#companions = [...this.#companions, companion]
      if (this.#pause) companion.tellPause?.(this.#pause)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}
