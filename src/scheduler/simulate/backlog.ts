import type { Queue } from '../queues.ts'

/** How captures become bytes on the wire. */
export interface Packing {
  /** A pack is sealed at this many bytes on the wire. */
  readonly packBytes: number
  /** Captures wait at most this long for company, while they may be sent. */
  readonly ageMs: number
  /** Captured bytes that are enough to pack at once. */
  readonly enoughBytes: number
  /** Bytes on the wire for each byte captured of a stream. */
  readonly wireRatio: (stream: string) => number
}

/** What was sealed at one time; it leaves as packs of at most `packBytes`. */
interface Run {
  bytes: number
  rawBytes: number
  /** By the machine's clock. */
  readonly sealedAt: number
  /** When the oldest of it was captured, by the time of the trace. */
  readonly capturedAt: number
}

/** More runs than this are joined to the last: they matter for the order of sending only, and memory stays bounded. */
const maxRuns = 2000

/** What one queue has captured, sealed and not sent. */
export class Backlog {
  queue: Queue
  readonly #packing: Packing
  readonly #runs: Run[] = []
  #rawBytes = 0
  #wireBytes = 0
  #sealedBytes = 0
  #oldestAt = Infinity

  constructor(queue: Queue, packing: Packing) {
    this.queue = queue
    this.#packing = packing
  }

  capture(at: number, stream: string, bytes: number): void {
    if (bytes === 0) return
    this.#oldestAt = Math.min(this.#oldestAt, at)
    this.#rawBytes += bytes
    this.#wireBytes += bytes * this.#packing.wireRatio(stream)
  }

  /** When what was captured is packed; Infinity when that takes more captures, or leave to send. */
  dueAt(maySend: boolean): number {
    if (this.#rawBytes >= this.#packing.enoughBytes) return -Infinity
    return maySend ? this.#oldestAt + this.#packing.ageMs : Infinity
  }

  /** Seals what was captured; returns its bytes on the wire. */
  seal(wall: number): number {
    const bytes = Math.ceil(this.#wireBytes)
    const last = this.#runs.at(-1)
    if (last && this.#runs.length >= maxRuns) {
      last.bytes += bytes
      last.rawBytes += this.#rawBytes
    } else {
      this.#runs.push({ bytes, rawBytes: this.#rawBytes, sealedAt: wall, capturedAt: this.#oldestAt })
    }
    this.#sealedBytes += bytes
    this.#rawBytes = this.#wireBytes = 0
    this.#oldestAt = Infinity
    return bytes
  }

  /** The pack that leaves next. */
  get next(): { readonly bytes: number; readonly value: number; readonly sealedAt: number } | undefined {
    const run = this.#runs[0]
    if (!run) return undefined
    const { bytes, rawBytes, sealedAt } = run
    return { bytes: Math.min(bytes, this.#packing.packBytes), value: rawBytes / bytes, sealedAt }
  }

  /** The next pack, of this size, arrived; returns when the oldest of it was captured. */
  arrived(bytes: number): number {
    const run = this.#runs[0]
    if (!run) return Infinity
    const { capturedAt } = run
    run.rawBytes -= run.rawBytes * (bytes / run.bytes)
    run.bytes -= bytes
    this.#sealedBytes -= bytes
    if (run.bytes <= 0) this.#runs.shift()
    return capturedAt
  }

  get isSealed(): boolean {
    return this.#runs.length > 0
  }

  /** Bytes on the wire of all that has not arrived. */
  get bytes(): number {
    return this.#sealedBytes + Math.ceil(this.#wireBytes)
  }

  get oldestAt(): number {
    return Math.min(this.#runs[0]?.capturedAt ?? Infinity, this.#oldestAt)
  }
}
