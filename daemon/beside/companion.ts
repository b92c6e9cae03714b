import type { Config } from '../../config/options.ts'
import type { PauseState } from '../../src/control/pause-state.ts'
import type { Emit, SluiceEvent } from '../../src/observe/events.ts'
import type { RunningService } from '../assemble.ts'

/**
 * What lives beside a running service and hears of it: the local API, summaries, metrics, the system's service manager. None
 * of them may end the service; what one cannot do it tells by an event and goes without.
 */
export interface Companion extends AsyncDisposable {
  /** Called with every event, in order. Must not throw. */
  readonly take?: (event: SluiceEvent) => void
  /** Called with the worker's pause when the service starts, and whenever it changes. */
  readonly tellPause?: (state: PauseState) => void
}

export interface Beside {
  readonly config: Config
  /** Tells everybody, the companion itself too. */
  readonly emit: Emit
  readonly running: RunningService
}

/** Starts a companion, or none where the config asks for none. */
export type StartCompanion = (beside: Beside) => Promise<Companion | undefined>
