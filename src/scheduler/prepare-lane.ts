import type { Cursor } from '../capture/take.ts'
import type { PackEffort } from '../pack/packer.ts'
import type { Decision } from './gate.ts'
import type { Queue } from './queues.ts'
import type { FaultCode } from './reasons.ts'
import type { ServiceParts } from './service.ts'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../observe/error.ts'
import { gentleRest } from './gentle.ts'

/** How often a whole pass takes files again that changed while it read them. */
const maxPasses = 3
/** Cursors that are dropped in one transaction: some 10 ms. */
const dropsPerCommit = 500

/** What the prepare lane needs to know of the last tick and of the other lane. */
export interface PrepareView {
  readonly queues: readonly Queue[]
  decisionOf(queue: string): Decision | undefined
  /** How hard a queue is worth packing now, of which `takenBytes` were taken at this stretch. */
  effortOf(queue: string, takenBytes: number): PackEffort | undefined
  /** Resolves when what is being sent is through; undefined when nothing is and nothing may be. */
  sending(): Promise<void> | undefined
  /** Whether what was read may be packed for good, by the settings as they are this moment. */
  maySeal(): boolean
  clear(codes: readonly FaultCode[]): void
  wake(): void
}

/** Packs what waits in the capture folders. */
export class PrepareLane {
  readonly #parts: ServiceParts
  readonly #view: PrepareView
  /** Everything is to be taken as it stands, and passes over it so far. */
  #wholePass = false
  #passes = 0
  #queue: Queue | undefined

  constructor(parts: ServiceParts, view: PrepareView) {
    this.#parts = parts
    this.#view = view
  }

  /** The next run takes every file as it stands, finished or not. */
  takeEverything(): void {
    this.#wholePass = true
  }

  /** Whether a pass over everything is still to be made. */
  get wholePass(): boolean {
    return this.#wholePass
  }

  /** The queue that is packed now. */
  get queue(): Queue | undefined {
    return this.#queue
  }

  /** The queues that may be packed. */
  open(): Queue[] {
    return this.#view.queues.filter((queue) => this.#levelOf(queue) !== 'hold')
  }

  #levelOf(queue: Queue): Decision['prepare'] {
    return this.#view.decisionOf(queue.name)?.prepare ?? 'hold'
  }

  /** Queues with enough waiting to be packed now, and when the next one will have. */
  due(at: number): { readonly queues: readonly Queue[]; readonly nextAt: number } {
    const open = this.open()
    if (this.#wholePass) return { queues: open, nextAt: Infinity }
    const { sizeBytes, ageMs } = this.#parts.config.seal
    const pending = open.length > 0 ? this.#parts.capture.pending() : []
    let nextAt = Infinity
    const queues = open.filter((queue) => {
      const mine = pending.filter((entry) => queue.streams.some((stream) => stream.name === entry.stream))
      const ready = Math.min(...mine.map((entry) => entry.readyAt))
      const enough = mine.reduce((sum, entry) => sum + entry.bytes, 0) >= sizeBytes || mine.some((entry) => entry.scan)
      // While sending is held nothing is sealed early: waiting makes better packs.
      const isHeld = this.#view.decisionOf(queue.name)?.send === 'hold'
      const aged = isHeld ? Infinity : Math.min(...mine.map((entry) => entry.oldestAt)) + ageMs
      const dueAt = enough ? ready : Math.max(ready, aged)
      if (dueAt > at) nextAt = Math.min(nextAt, dueAt)
      return dueAt <= at
    })
    return { queues, nextAt }
  }

  async run(queues: readonly Queue[], signal: AbortSignal): Promise<void> {
    try {
      await this.#run(queues, signal)
    } finally {
      this.#queue = undefined
    }
  }

  async #run(queues: readonly Queue[], signal: AbortSignal): Promise<void> {
    const { capture, packer, reclaim, onProgress, monotonic } = this.#parts
    const asItStands = this.#wholePass
    const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal }).catch(() => undefined)
    await reclaim.run()
    await this.#room(signal)
    for (const queue of queues) {
      this.#queue = queue
      if (this.#levelOf(queue) === 'hold') continue
      const streams = new Set(queue.streams.map((stream) => stream.name))
      await packer.pack(queue.name, capture.takes({ streams, asItStands, signal }), {
        signal,
        effort: (takenBytes) => this.#view.effortOf(queue.name, takenBytes),
        rest: gentleRest(() => this.#levelOf(queue) === 'trickle', monotonic, pause),
        maySeal: () => this.#view.maySeal(),
        onTorn: (take) => capture.takeAgain(take),
        onUnsealed: (take) => capture.takeAgain(take),
        onRead: (bytes) => onProgress?.({ readBytes: bytes }),
        onSealed: () => this.#afterSeal(signal),
      })
      await this.#forget(capture.gone())
    }
    this.#view.clear(['spool-full', 'state-full', 'state-unusable', 'encryption-failed'])
    this.#wholePass &&= ++this.#passes < maxPasses && capture.pending().length > 0
  }

  /** In pieces, so that many files that were deleted do not hold the loop. A crash in between finds the rest gone again. */
  async #forget(gone: readonly Cursor[]): Promise<void> {
    for (let at = 0; at < gone.length; at += dropsPerCommit) {
      this.#parts.journal.dropCursors(gone.slice(at, at + dropsPerCommit))
      await setImmediate()
    }
  }

  /** Lets sending begin with what was sealed. */
  async #afterSeal(signal: AbortSignal): Promise<void> {
    this.#view.wake()
    await this.#room(signal)
  }

  /** Waits while the spool is at its limit and packs leave it. Throws `spool-full` when none may. */
  async #room(signal: AbortSignal): Promise<void> {
    const { journal, maxSpoolBytes } = this.#parts
    while (journal.waiting().bytes >= maxSpoolBytes) {
      if (signal.aborted) throw new SluiceError('aborted', 'packing was stopped')
      const sending = this.#view.sending()
      if (!sending) throw new SluiceError('spool-full', `${maxSpoolBytes} bytes of packs wait to be sent: that is the limit`, { transient: true })
      await Promise.race([sending, sleep(100)])
    }
  }
}
