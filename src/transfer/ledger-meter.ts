import type { Ledger } from '../budget/ledger.ts'
import type { Journal } from '../journal/journal.ts'
import type { Reserved, Route } from '../scheduler/judge.ts'
import type { Meter } from './meter.ts'

export interface LedgerMeterOptions {
  readonly journal: Journal
  readonly ledger: Ledger
  readonly now: () => number
  readonly route: Route
  readonly queue: string
  /** What the bytes are for. */
  readonly pack: string
  /** More than this is refused. */
  readonly maxBytes: number
}

/** Reservations grow by this: small enough that a crash, which leaves one open for good, costs little of a cap. */
const stepBytes = 256 << 10

/** The meter of one transfer: no byte passes that the ledger has not durably reserved. */
export class LedgerMeter implements Meter {
  readonly #options: LedgerMeterOptions
  #id: number | undefined
  #reservedBytes = 0
  #usedBytes = 0
  #isSettled = false
  /** Why the ledger could not be written: the transfer has to end with it. */
  failure: Error | undefined

  constructor(options: LedgerMeterOptions) {
    this.#options = options
  }

  /** What is set aside and has not gone out. */
  get reserved(): Reserved {
    return { ...this.#options.route, bytes: Math.max(0, this.#reservedBytes - this.#usedBytes) }
  }

  /** Sets aside what the transfer is expected to take, or what the caps leave. Call inside a transaction. */
  reserve(bytes: number): void {
    const { ledger, now, route, queue, pack, maxBytes } = this.#options
    const more = Math.min(maxBytes, this.#usedBytes + bytes) - this.#reservedBytes
    if (more <= 0) return
    if (this.#id === undefined) this.#id = ledger.reserve({ now: now(), queue, pack, bytes: more, ...route })
    else ledger.extend(this.#id, more, now())
    this.#reservedBytes += more
  }

  charge(bytes: number): boolean {
    if (this.failure !== undefined || this.#usedBytes + bytes > this.#options.maxBytes) return false
    if (this.#usedBytes + bytes > this.#reservedBytes && !this.#grow(Math.max(bytes, stepBytes))) return false
    this.#usedBytes += bytes
    return true
  }

  correct(delta: number): boolean {
    this.#usedBytes = Math.max(0, this.#usedBytes + delta)
    if (this.#usedBytes > this.#reservedBytes) this.#grow(stepBytes)
    return this.failure === undefined && this.#usedBytes <= this.#options.maxBytes
  }

  #grow(bytes: number): boolean {
    try {
      this.#options.journal.transaction(() => this.reserve(bytes))
      return true
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error))
      return false
    }
  }

  /** Puts what was used in place of what was reserved; once is enough. Call inside a transaction. */
  settle(): void {
    if (this.#isSettled) return
    this.#isSettled = true
    const { ledger, now, route, queue, pack } = this.#options
    // Something moved although nothing could be reserved, a late correction perhaps: it counts all the same.
    if (this.#id === undefined && this.#usedBytes > 0) this.#id = ledger.reserve({ now: now(), queue, pack, bytes: this.#usedBytes, ...route })
    if (this.#id !== undefined) ledger.settle(this.#id, this.#usedBytes)
  }
}
