import type { PlanUse } from '../scheduler/gate.ts'
import type { DeviceCounters, Plan, PlanState } from './plan.ts'
import { SluiceError } from '../observe/error.ts'
import { countPlan, planUse } from './plan.ts'
import type { NetworkIds } from './usage.ts'

export interface PlanWatchOptions {
  readonly plan: Plan
  readonly timeZone: string
  readonly networkIds: () => NetworkIds
  /** What the last process counted, as `save` was given it. */
  readonly saved: string | undefined
  /** Keeps the count for the next process; missing where somebody only looks. */
  readonly save?: (text: string) => void
  readonly read: () => Promise<readonly DeviceCounters[]>
}

/** Counters are read no more often than this: on Windows it takes several processes. */
const readMs = 60_000
/** And saved no more often than this, and at the end. */
const saveMs = 60_000

/** How much of the person's plan the machine used, counted while this is asked to look now and then. */
export class PlanWatch implements Disposable {
  readonly #options: PlanWatchOptions
  #state: PlanState | undefined
  #savedAt = -Infinity
  #isReadable = true

  constructor(options: PlanWatchOptions) {
    this.#options = options
    if (options.saved !== undefined) this.#state = JSON.parse(options.saved) as PlanState
  }

  /** Counts what moved since the last look. Counters that cannot be read leave the count as it is. */
  async look(now: number, network: string | undefined): Promise<void> {
    const { plan, timeZone, networkIds, read } = this.#options
    const changed = this.#state?.network !== network
    if (this.#state && !changed && Math.abs(now - this.#state.at) < readMs) return
    const devices = await read().catch(() => undefined)
    this.#isReadable = devices !== undefined
    if (!devices) return
    this.#state = countPlan(plan, this.#state, { devices, ...(network !== undefined && { network }) }, now, timeZone, networkIds())
    if (Math.abs(now - this.#savedAt) < saveMs) return
    this.#savedAt = now
    this.#save()
  }

  #save(): void {
    try {
      if (this.#state) this.#options.save?.(JSON.stringify(this.#state))
    } catch (error) {
      // A full disk shows elsewhere; what is not saved now is saved later.
      if (!(error instanceof SluiceError) || !error.transient) throw error
    }
  }

  /** Saves the count for the next process. */
  [Symbol.dispose](): void {
    this.#save()
  }

  /**
   * What is left of the plan; undefined before the first look, and on a network that it does not pay for; `unknown` where
   * the counters could never be read.
   */
  use(now: number, network: string | undefined): PlanUse | 'unknown' | undefined {
    const { plan, timeZone, networkIds } = this.#options
    if (!this.#state && !this.#isReadable) return 'unknown'
    return this.#state && planUse(plan, this.#state, network, now, timeZone, networkIds())
  }
}
