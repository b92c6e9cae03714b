import { drain, sliceBytes, spend, waitMs, type Bucket } from './bucket.ts'

/** Lets slices go when the lower of two rates allows it: the one that was set, and the one that yielding found. */
export class Pacer {
  readonly #clock: () => number
  #bytesPerSecond = Infinity
  #bucket: Bucket
  #changed = Promise.withResolvers<void>()

  constructor(clock: () => number) {
    this.#clock = clock
    this.#bucket = { debtBytes: 0, at: clock() }
  }

  /** Slices that wait notice it at once. Undefined: no limit. */
  setRates(...bytesPerSecond: readonly (number | undefined)[]): void {
    const rate = Math.min(...bytesPerSecond.map((each) => each ?? Infinity))
    if (rate === this.#bytesPerSecond) return
    this.#drain()
    this.#bytesPerSecond = rate
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  sliceBytes(segmentBytes: number, windowBytes: number): number {
    return sliceBytes(this.#bytesPerSecond, segmentBytes, windowBytes)
  }

  /** Resolves when a slice may go, or when `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#drain()
      const ms = waitMs(this.#bucket, this.#bytesPerSecond)
      if (ms === 0) return
      await sleep(ms, signal, this.#changed.promise)
    }
  }

  /** Takes note of bytes on the wire that are handed over now. */
  spend(bytes: number): void {
    if (this.#bytesPerSecond < Infinity) this.#bucket = spend(this.#bucket, bytes)
  }

  #drain(): void {
    this.#bucket = this.#bytesPerSecond === Infinity
      ? { debtBytes: 0, at: this.#clock() }
      : drain(this.#bucket, this.#bytesPerSecond, this.#clock())
  }
}

/** Ends early when the signal aborts or `orElse` resolves. */
export async function sleep(ms: number, signal: AbortSignal, orElse?: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const wake = () => { resolve(undefined) }
  const timer = setTimeout(wake, Math.ceil(ms))
  signal.addEventListener('abort', wake)
  await Promise.race(orElse ? [promise, orElse] : [promise])
  clearTimeout(timer)
  signal.removeEventListener('abort', wake)
}
