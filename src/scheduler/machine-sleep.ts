import type { ClockLook } from './suspend.ts'
import { sleptBetween } from './suspend.ts'

/** A machine that says it will sleep does so within this time, or stays awake: counted while it is awake. */
export const fallAsleepMs = 30_000

/** What the service knows of the machine's sleep. */
export class MachineSleep {
  readonly #monotonic: () => number
  readonly #clocks: (() => ClockLook) | undefined
  #look: ClockLook | undefined
  #comesUntil = -Infinity

  /** `monotonic`: milliseconds that never go back. `clocks`: to notice sleep that nobody told of. */
  constructor(monotonic: () => number, clocks: (() => ClockLook) | undefined) {
    this.#monotonic = monotonic
    this.#clocks = clocks
  }

  begins(): void {
    this.#comesUntil = this.#monotonic() + fallAsleepMs
  }

  ends(): void {
    this.#comesUntil = -Infinity
  }

  /** The machine is about to sleep: nothing should be begun. */
  get isComing(): boolean {
    return this.#monotonic() < this.#comesUntil
  }

  /** Milliseconds that it slept since the last call, after which this one was due in `plannedMs`; 0 for none. */
  slept(plannedMs: number): number {
    const [before, look] = [this.#look, this.#clocks?.()]
    this.#look = look
    return before && look ? sleptBetween(before, look, plannedMs) : 0
  }
}
