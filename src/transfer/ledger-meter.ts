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

/** Reservations grow by this beyond what was expected: each step waits for the disk. */
const stepBytes = 256 << 10
/** Days begin at a multiple of this in every time zone: bytes are dated by the quarter hour in which they moved. */
const quarterMs = 15 * 60_000

/** An entry of the ledger while it is open. */
interface Entry {
  readonly id: number
  readonly quarter: number
  reservedBytes: number
  usedBytes: number
}

/** The meter of one transfer: no byte passes that the ledger has not durably reserved. */
export class LedgerMeter implements Meter {
  readonly #options: LedgerMeterOptions
  #maxBytes: number
  /** Of entries that are settled. */
  #settledBytes = 0
  #entry: Entry | undefined
  #isOver = false
  /** Why the ledger could not be written: the transfer has to end with it. */
  failure: Error | undefined

  constructor(options: LedgerMeterOptions) {
    this.#options = options
    this.#maxBytes = options.maxBytes
  }

  get #usedBytes(): number {
    return this.#settledBytes + (this.#entry?.usedBytes ?? 0)
  }

  /** What is set aside and has not gone out. */
  get reserved(): Reserved {
    const { reservedBytes, usedBytes } = this.#entry ?? { reservedBytes: 0, usedBytes: 0 }
    return { ...this.#options.route, bytes: Math.max(0, reservedBytes - usedBytes) }
  }

  /** From now on no more than `bytes` may follow, or what was allowed before if that is less. */
  limit(bytes: number): void {
    this.#maxBytes = Math.min(this.#maxBytes, this.#usedBytes + bytes)
  }

  /** Sets aside what the transfer is expected to take, or what the caps leave. Call inside a transaction. */
  reserve(bytes: number): void {
    this.#reserve(Math.min(bytes, this.#maxBytes - this.#usedBytes))
  }

  /** Makes the entry large enough for `bytes` more. */
  #reserve(bytes: number): void {
    const { ledger, now, route, queue, pack } = this.#options
    const at = now()
    const entry = this.#entry
    const more = (entry?.usedBytes ?? 0) + bytes - (entry?.reservedBytes ?? 0)
    if (more <= 0) return
    if (entry) {
      ledger.extend(entry.id, more, at)
      entry.reservedBytes += more
    } else {
      const id = ledger.reserve({ now: at, queue, pack, bytes: more, ...route })
      this.#entry = { id, quarter: Math.floor(at / quarterMs), reservedBytes: more, usedBytes: 0 }
    }
  }

  charge(bytes: number): boolean {
    if (this.failure !== undefined || this.#usedBytes + bytes > this.#maxBytes) return false
    const isOld = this.#entry && this.#entry.quarter !== Math.floor(this.#options.now() / quarterMs)
    const isFull = (this.#entry?.usedBytes ?? 0) + bytes > (this.#entry?.reservedBytes ?? 0)
    if ((isOld || isFull) && !this.#write(() => {
      if (isOld) this.#settleEntry()
      this.reserve(Math.max(bytes, stepBytes))
    })) return false
    this.#count(bytes)
    return true
  }

  /** Less than nothing was not used in a quarter hour: what is given back beyond it stays charged to an earlier one. */
  #count(bytes: number): void {
    if (this.#entry) this.#entry.usedBytes = Math.max(0, this.#entry.usedBytes + bytes)
  }

  correct(delta: number): boolean {
    if (delta > 0 && !this.#entry) this.#write(() => { this.#reserve(delta) })
    this.#count(delta)
    // It has moved: it counts, whatever the limit.
    if (this.#entry && this.#entry.usedBytes > this.#entry.reservedBytes) this.#write(() => { this.#reserve(0) })
    return this.failure === undefined && this.#usedBytes <= this.#maxBytes
  }

  #write(work: () => void): boolean {
    try {
      this.#options.journal.transaction(work)
      return true
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error))
      return false
    }
  }

  /** Puts what was used in place of what was reserved; once is enough. Call inside a transaction. */
  settle(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#settleEntry()
  }

  #settleEntry(): void {
    if (!this.#entry) return
    const { id, usedBytes } = this.#entry
    this.#options.ledger.settle(id, usedBytes)
    this.#settledBytes += usedBytes
    this.#entry = undefined
  }
}
