import type { Capture } from '../capture/collect.ts'
import type { Reclaim } from '../capture/reclaim.ts'
import type { Settings } from '../journal/settings.ts'
import type { Emit } from '../observe/events.ts'
import type { Packer } from '../pack/packer.ts'
import type { Sender } from '../transfer/sender.ts'
import type { Decision } from './gate.ts'
import type { Decisions, JudgeParts } from './judge.ts'
import type { Queue } from './queues.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { emptySettings } from '../journal/settings.ts'
import { SluiceError } from '../observe/error.ts'
import { Faults } from './faults.ts'
import { Judge } from './judge.ts'

/** How often conditions are read again, where the OS gives no signal: while bytes move, and while something is held. */
const rereadMs = { moving: 5000, held: 30_000 } as const
/** How often `once` takes files again that changed while it read them. */
const maxPasses = 3
/** Longest timer that setTimeout takes. */
const longestSleepMs = 2 ** 31 - 1

export interface ServiceParts extends JudgeParts {
  readonly capture: Capture
  readonly packer: Packer
  readonly sender: Sender
  readonly reclaim: Reclaim
  readonly settings: {
    /** Throws `settings-damaged`. */
    read(): Settings
    watch(onChange: () => void): Disposable
  }
  /** The spool may grow to this; then preparing waits for sending. */
  readonly maxSpoolBytes: number
  readonly now: () => number
  /** 0 ≤ n < 1 */
  readonly random: () => number
  readonly emit: Emit
  /** `run` only: work is done and nothing is due, a moment to tidy up. */
  readonly onRest?: () => void
  readonly onProgress?: (progress: { readonly readBytes?: number; readonly sentBytes?: number }) => void
}

/** One of the two lanes while it works. */
interface Lane {
  readonly stop: AbortController
  readonly done: Promise<void>
}

/**
 * The service: capture sets marks, sensors set conditions, and one tick decides for both lanes. `prepare` packs what
 * waits, `send` moves packs; each runs by itself, is started by the tick and stopped by it when the gate closes.
 */
export class Service {
  readonly #parts: ServiceParts
  readonly #judge: Judge
  readonly #faults = new Faults()
  #decisions: Decisions = new Map()
  /** The reasons that were last told. */
  #told: readonly string[] | undefined
  #prepare: Lane | undefined
  #send: Lane | undefined
  #sendingQueue: string | undefined
  /** `once`: nothing was packed yet, everything is to be taken as it stands. */
  #wholePass = false
  #passes = 0
  #failure: Error | undefined
  #hasWorked = false
  /** `run`: there is a later for which to save memory now. */
  #goesOn = false
  #wake: () => void = () => {}
  #woken = false

  constructor(parts: ServiceParts) {
    this.#parts = parts
    this.#judge = new Judge(parts)
  }

  /** The decisions of the last tick, by queue. */
  get decisions(): Decisions {
    return this.#decisions
  }

  /** Something changed: decide again. */
  readonly wake = (): void => {
    this.#woken = true
    this.#wake()
  }

  /** Runs until `signal` aborts. Throws what waiting cannot mend. */
  async run(signal: AbortSignal): Promise<void> {
    const { capture, sensors, settings } = this.#parts
    this.#goesOn = true
    using watch = new DisposableStack()
    watch.use(settings.watch(() => this.#settingsChanged()))
    for (const sensor of [sensors.power, sensors.network]) {
      const stop = sensor.watch?.(this.wake)
      if (stop) watch.defer(stop)
    }
    capture.start()
    watch.defer(() => capture.stop())
    await this.#loop(signal, () => false)
  }

  /**
   * Takes every file as it stands, sends all that may go, and returns the decisions that hold the rest, and how many files
   * changed at every try to read them.
   */
  async once(signal: AbortSignal): Promise<{ readonly decisions: Decisions; readonly unsettledFiles: number }> {
    this.#wholePass = true
    using watch = new DisposableStack()
    watch.use(this.#parts.settings.watch(() => this.#settingsChanged()))
    await this.#loop(signal, () => !this.#prepare && !this.#send && (!this.#wholePass || !this.#mayPrepare()) && !this.#nextQueue())
    const left = this.#wholePass ? [] : this.#parts.capture.pending()
    return { decisions: this.#decisions, unsettledFiles: left.reduce((sum, { files }) => sum + files, 0) }
  }

  async #loop(signal: AbortSignal, finished: () => boolean): Promise<void> {
    const stop = (): void => this.wake()
    signal.addEventListener('abort', stop)
    try {
      while (!signal.aborted) {
        this.#woken = false
        const nextAt = await this.#tick()
        if (this.#failure) throw this.#failure
        if (finished()) return
        await this.#sleepUntil(nextAt)
      }
    } finally {
      signal.removeEventListener('abort', stop)
      for (const lane of [this.#prepare, this.#send]) lane?.stop.abort()
      await Promise.all([this.#prepare?.done, this.#send?.done])
    }
  }

  /** A pause stops both lanes at once: the tick decides as well, but only when every sensor has answered. */
  #settingsChanged(): void {
    if (this.#isPaused()) for (const lane of [this.#prepare, this.#send]) lane?.stop.abort()
    this.wake()
  }

  #isPaused(): boolean {
    try {
      const { pause } = this.#parts.settings.read()
      return pause !== undefined && (pause.until === undefined || pause.until > this.#parts.now())
    } catch (error) {
      if (error instanceof SluiceError) return true // what was lost may be a pause
      throw error
    }
  }

  async #sleepUntil(at: number): Promise<void> {
    if (this.#woken) return
    const timer = new AbortController()
    this.#wake = () => timer.abort()
    const delay = at - this.#parts.now()
    const slept = Number.isFinite(delay)
      ? sleep(Math.max(0, Math.min(delay, longestSleepMs)), undefined, { signal: timer.signal })
      : new Promise<void>((resolve) => timer.signal.addEventListener('abort', () => resolve()))
    await slept.catch(() => undefined)
    this.#wake = () => {}
  }

  /** Looks at everything, starts and stops lanes, and returns when to look again without being woken. */
  async #tick(): Promise<number> {
    const { now } = this.#parts
    const conditions = await this.#judge.conditions()
    const at = now()
    this.#judgeAt(at, conditions)
    if (this.#prepare && !this.#mayPrepare()) this.#prepare.stop.abort()
    if (this.#send && this.#sendingQueue !== undefined && this.#isHeld(this.#sendingQueue)) this.#send.stop.abort()
    const due = this.#due(at)
    if (due.queues.length > 0 && !this.#prepare) this.#prepare = this.#start((stop) => this.#prepareLane(due.queues, stop), 'prepare')
    if (!this.#send && this.#nextQueue()) this.#send = this.#start((stop) => this.#sendLane(stop), 'send')
    this.#rest()
    return this.#nextLook(at, due.nextAt)
  }

  #rest(): void {
    if (!this.#hasWorked || !this.#goesOn || this.#prepare || this.#send) return
    this.#hasWorked = false
    this.#parts.onRest?.()
  }

  #judgeAt(at: number, conditions: Awaited<ReturnType<Judge['conditions']>>): void {
    const settings = this.#settings(at)
    this.#decisions = this.#judge.decide(at, conditions, settings, this.#faults.active(at), this.#parts.sender.reservedBytes)
    this.#tell()
  }

  /** The worker's settings; where they cannot be read a fault holds everything, as a pause may be what was lost. */
  #settings(at: number): Settings {
    try {
      const settings = this.#parts.settings.read()
      this.#faults.clear('settings-damaged')
      return settings
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      this.#faults.note(new SluiceError('settings-damaged', error.message, { cause: error }), at, 1)
      return emptySettings
    }
  }

  /** Says when what is held, or why, has changed. */
  #tell(): void {
    const deciding = [...this.#decisions.values()].flatMap((decision) => decision.reasons.map((reason) => reason.code))
    // A fault that is being tried again does not hold, but it is not over either.
    const reasons = [...new Set([...deciding, ...this.#faults.codes])].sort()
    const before = this.#told
    if (before?.join() === reasons.join()) return
    this.#told = reasons
    const { journal, emit } = this.#parts
    try {
      this.#judge.remember()
    } catch (error) {
      // The journal's disk is full, and this is how it shows while nothing else is written.
      if (!(error instanceof SluiceError) || error.code !== 'state-full') throw error
      this.#failed(error)
      this.wake()
    }
    if (reasons.length > 0) {
      emit({ event: 'send.held', reasons, backlogBytes: journal.waiting().bytes })
    } else if (before) {
      emit({ event: 'send.resumed' })
    }
  }

  #start(work: (stop: AbortSignal) => Promise<void>, which: 'prepare' | 'send'): Lane {
    this.#hasWorked = true
    const stop = new AbortController()
    const done = work(stop.signal)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        if (which === 'prepare') this.#prepare = undefined
        else this.#send = undefined
        this.wake()
      })
    return { stop, done }
  }

  #failed(error: unknown): void {
    if (error instanceof SluiceError && error.code === 'aborted') return
    const { now, random, emit } = this.#parts
    const retryMs = error instanceof SluiceError ? this.#faults.note(error, now(), random()) : undefined
    if (retryMs === undefined || !(error instanceof SluiceError)) this.#failure = error instanceof Error ? error : new Error(String(error))
    else emit({ event: 'send.failed', code: error.code, message: error.message, retryMs })
  }

  // Prepare

  #decision(queue: string): Decision | undefined {
    return this.#decisions.get(queue)
  }

  #mayPrepare(): boolean {
    return this.#judge.queues.some((queue) => this.#decision(queue.name)?.prepare === 'full')
  }

  #isHeld(queue: string): boolean {
    return this.#decision(queue)?.send !== 'full'
  }

  /** Queues with enough waiting to be packed now, and when the next one will have. */
  #due(at: number): { readonly queues: readonly Queue[]; readonly nextAt: number } {
    const open = this.#judge.queues.filter((queue) => this.#decision(queue.name)?.prepare === 'full')
    if (this.#wholePass) return { queues: open, nextAt: Infinity }
    const { sizeBytes, ageMs } = this.#parts.config.seal
    const pending = open.length > 0 ? this.#parts.capture.pending() : []
    let nextAt = Infinity
    const queues = open.filter((queue) => {
      const mine = pending.filter((entry) => queue.streams.some((stream) => stream.name === entry.stream))
      const ready = Math.min(...mine.map((entry) => entry.readyAt))
      const enough = mine.reduce((sum, entry) => sum + entry.bytes, 0) >= sizeBytes || mine.some((entry) => entry.scan)
      // While sending is held nothing is sealed early: waiting makes better packs.
      const aged = this.#isHeld(queue.name) ? Infinity : Math.min(...mine.map((entry) => entry.oldestAt)) + ageMs
      const dueAt = enough ? ready : Math.max(ready, aged)
      if (dueAt > at) nextAt = Math.min(nextAt, dueAt)
      return dueAt <= at
    })
    return { queues, nextAt }
  }

  async #prepareLane(queues: readonly Queue[], signal: AbortSignal): Promise<void> {
    const { capture, packer, journal, reclaim, onProgress } = this.#parts
    const asItStands = this.#wholePass
    await reclaim.run()
    await this.#room(signal)
    for (const queue of queues) {
      const streams = new Set(queue.streams.map((stream) => stream.name))
      await packer.pack(queue.name, capture.takes({ streams, asItStands, signal }), {
        signal,
        onTorn: (take) => capture.takeAgain(take),
        onUnsealed: (take) => capture.takeAgain(take),
        onRead: (bytes) => onProgress?.({ readBytes: bytes }),
        onSealed: () => this.#afterSeal(signal),
      })
      journal.dropCursors(capture.gone())
    }
    this.#faults.clear('spool-full', 'state-full', 'state-unusable')
    this.#wholePass &&= ++this.#passes < maxPasses && capture.pending().length > 0
  }

  /** Lets sending begin with what was sealed. */
  async #afterSeal(signal: AbortSignal): Promise<void> {
    this.wake()
    await this.#room(signal)
  }

  /** Waits while the spool is at its limit and packs leave it. Throws `spool-full` when none may. */
  async #room(signal: AbortSignal): Promise<void> {
    const { journal, maxSpoolBytes } = this.#parts
    while (journal.waiting().bytes >= maxSpoolBytes) {
      if (signal.aborted) throw new SluiceError('aborted', 'packing was stopped')
      if (!this.#send && this.#nextQueue() === undefined) {
        throw new SluiceError('spool-full', `${maxSpoolBytes} bytes of packs wait to be sent: that is the limit`, { transient: true })
      }
      await Promise.race([this.#send?.done, sleep(100)].filter((wait) => wait !== undefined))
    }
  }

  // Send

  /** The queue of the next pack that may be sent, if there is one. */
  #nextQueue(): string | undefined {
    const { journal } = this.#parts
    const open = this.#judge.queues.map((queue) => queue.name).filter((queue) => !this.#isHeld(queue))
    if (open.length === 0) return undefined
    const next = journal.nextToSend(open)
    if (!next || open.includes(next.queue)) return next?.queue
    // A stamped pack of a queue that is held: others may overtake it.
    return open.find((queue) => journal.hasSealed(queue))
  }

  async #sendLane(signal: AbortSignal): Promise<void> {
    const { journal, sender, reclaim, onProgress } = this.#parts
    try {
      for (;;) {
        const queue = this.#nextQueue()
        const decision = queue === undefined ? undefined : this.#decision(queue)
        if (queue === undefined || !decision || signal.aborted) return
        this.#sendingQueue = queue
        const stamped = journal.stamped()
        if (stamped && stamped.queue !== queue) await sender.giveWay(stamped)
        const pack = signal.aborted ? undefined : journal.nextToSend([queue])
        if (!pack) return
        const onSent = (bytes: number): void => onProgress?.({ sentBytes: bytes })
        if (!(await sender.send(pack, { maxBytes: decision.maxBytes, signal, onSent }))) return
        await reclaim.run()
        this.#faults.clear('destination-full', 'destination-unreachable', 'destination-refused', 'destination-behind', 'destination-ahead', 'spool-full', 'state-full', 'state-unusable')
        this.#judgeAt(this.#parts.now(), await this.#judge.conditions())
      }
    } finally {
      this.#sendingQueue = undefined
    }
  }

  /** When to look again: at what is due, when a decision can change, and regularly while something waits or moves. */
  #nextLook(at: number, dueAt: number): number {
    if (this.#prepare || this.#send) return Math.min(dueAt, at + rereadMs.moving)
    const held = [...this.#decisions.values()].filter((decision) => decision.reasons.length > 0)
    if (held.length === 0) return this.#faults.codes.length > 0 ? Math.min(dueAt, at + rereadMs.held) : dueAt
    return Math.min(dueAt, at + rereadMs.held, ...held.map((decision) => decision.changesAt ?? Infinity))
  }
}
