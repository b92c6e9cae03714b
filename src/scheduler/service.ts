import type { Capture } from '../capture/collect.ts'
import type { Reclaim } from '../capture/reclaim.ts'
import type { Pause, Settings } from '../journal/settings.ts'
import type { Emit } from '../observe/events.ts'
import type { Packer } from '../pack/packer.ts'
import type { LinkRate } from '../transfer/link/link.ts'
import type { Sender } from '../transfer/sender.ts'
import type { Conditions } from './conditions.ts'
import type { Level } from './gate.ts'
import type { Decisions, JudgeParts } from './judge.ts'
import type { PauseKeeper } from './pause-keeper.ts'
import type { ClockLook } from './suspend.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { emptySettings } from '../journal/settings.ts'
import { SluiceError } from '../observe/error.ts'
import { effortFor } from './effort.ts'
import { Judge } from './judge.ts'
import { fallAsleepMs, MachineSleep } from './machine-sleep.ts'
import { PrepareLane } from './prepare-lane.ts'
import { Recovery } from './recovery.ts'
import { SendLane } from './send-lane.ts'
import { Turns } from './turns.ts'

/**
 * How often conditions are read again, where the OS gives no signal: while bytes move, while something is held, and for
 * the count of a data plan, which must not miss a change of networks by much.
 */
const rereadMs = { moving: 5000, held: 30_000, plan: 5 * 60_000 } as const

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
  /** What pauses mean for captures. */
  readonly pauses?: PauseKeeper
  /** What else can change a decision. Calls back, and ends when disposed of. */
  readonly watches?: readonly ((wake: () => void) => Disposable)[]
  /** What may mend what keeps things from leaving, such as a new credential: then it is tried at once. */
  readonly mends?: readonly ((mended: () => void) => Disposable)[]
  /** Of a destination that is reached over a network. */
  readonly setRate?: (rate: LinkRate) => void
  /** The spool may grow to this; then preparing waits for sending. */
  readonly maxSpoolBytes: number
  readonly now: () => number
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  /** To notice that the machine slept. */
  readonly clocks?: () => ClockLook
  /** 0 ≤ n < 1 */
  readonly random: () => number
  readonly emit: Emit
  /** `run` only: work is done and nothing is due, a moment to tidy up. */
  readonly onRest?: () => void
  readonly onProgress?: (progress: { readonly readBytes?: number; readonly sentBytes?: number }) => void
}

/** One of the two lanes while it works. */
interface Working {
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
  readonly #recovery: Recovery
  readonly #prepareLane: PrepareLane
  readonly #sendLane: SendLane
  readonly #sleep: MachineSleep
  #decisions: Decisions = new Map()
  #settings: Settings = emptySettings
  #conditions: Conditions | undefined
  /** When the next tick was due after the last, milliseconds. */
  #plannedMs = Infinity
  /** The reasons that were last told. */
  #told: string | undefined
  #prepare: Working | undefined
  #send: Working | undefined
  #failure: Error | undefined
  #hasWorked = false
  /** `run`: there is a later for which to save memory now. */
  #goesOn = false
  readonly #turns: Turns

  constructor(parts: ServiceParts) {
    this.#parts = parts
    this.#judge = new Judge(parts)
    this.#recovery = new Recovery(parts)
    this.#sleep = new MachineSleep(parts.monotonic, parts.clocks)
    this.#turns = new Turns(parts.now)
    const view = this.#view()
    this.#prepareLane = new PrepareLane(parts, view)
    this.#sendLane = new SendLane(parts, this.#judge, view)
  }

  /** What the lanes see of the last tick. */
  #view() {
    const queues = () => this.#judge.queuesFor(this.#settings)
    return {
      get queues() { return queues() },
      decisionOf: (queue: string) => this.#decisions.get(queue),
      effortOf: (queue: string, takenBytes: number) => {
        const decision = this.#decisions.get(queue)
        return decision && this.#conditions && effortFor(this.#parts.config.effort, this.#conditions, decision, takenBytes)
      },
      routeOf: (queue: Parameters<Judge['routeOf']>[0]) => this.#judge.routeOf(queue, this.#conditions),
      sending: () => this.#send?.done ?? (this.#sendLane.next() ? sleep(100) : undefined),
      maySeal: () => this.#pauseNow()?.captures !== 'drop',
      clear: this.#recovery.clear,
      progress: this.#recovery.progress,
      judge: async () => void this.#judgeAt(await this.#judge.conditions()),
      wake: () => this.wake(),
    }
  }

  /** The decisions of the last tick, by queue. */
  get decisions(): Decisions {
    return this.#decisions
  }

  /** Something changed: decide again. */
  readonly wake = (): void => this.#turns.wake()

  /** Looks at everything once more; resolves when that is done. A service that hangs or ended never resolves it. */
  turned(): Promise<void> {
    return this.#turns.next()
  }

  /** Runs until `signal` aborts. Throws what waiting cannot mend. */
  async run(signal: AbortSignal): Promise<void> {
    const { capture } = this.#parts
    this.#goesOn = true
    this.#recovery.begin()
    using watch = this.#watchAll()
    // What is off is not even listed.
    capture.pause(new Set(this.#readSettings()?.streamsOff.map(({ stream }) => stream)))
    capture.start()
    watch.defer(() => capture.stop())
    await this.#loop(signal, () => false)
  }

  /**
   * Takes every file as it stands, sends all that may go, and returns the decisions that hold the rest, and how many files
   * changed at every try to read them.
   */
  async once(signal: AbortSignal): Promise<{ readonly decisions: Decisions; readonly unsettledFiles: number }> {
    const lane = this.#prepareLane
    lane.takeEverything()
    const watch = this.#watchAll()
    const isPrepared = (): boolean => !lane.wholePass || lane.open().length === 0
    try {
      await this.#loop(signal, () => !this.#prepare && !this.#send && isPrepared() && !this.#sendLane.next())
    } finally {
      watch.dispose()
    }
    const left = lane.wholePass ? [] : this.#parts.capture.pending()
    return { decisions: this.#decisions, unsettledFiles: left.reduce((sum, { files }) => sum + files, 0) }
  }

  /** Listens to everything that can change a decision. */
  #watchAll(): DisposableStack {
    const { sensors, settings, watches = [], mends = [] } = this.#parts
    const watch = new DisposableStack()
    watch.use(settings.watch(() => this.#settingsChanged()))
    for (const sensor of [sensors.power, sensors.network]) {
      const stop = sensor.watch?.(this.wake)
      if (stop) watch.defer(stop)
    }
    for (const begin of watches) watch.use(begin(this.wake))
    const mended = (): void => {
      this.#recovery.tryNow()
      this.wake()
    }
    for (const begin of mends) watch.use(begin(mended))
    return watch
  }

  /** The machine is about to sleep: nothing is begun any more, until it woke up or did not sleep after all. */
  suspend(): void {
    this.#sleep.begins()
    this.interrupt()
  }

  resume(): void {
    this.#sleep.ends()
    this.wake()
  }

  /** Both lanes stop where they are; the next tick starts again what may go on. */
  interrupt(): void {
    for (const lane of [this.#prepare, this.#send]) lane?.stop.abort()
    this.wake()
  }

  async #loop(signal: AbortSignal, finished: () => boolean): Promise<void> {
    const stop = (): void => this.wake()
    signal.addEventListener('abort', stop)
    try {
      while (!signal.aborted) {
        const nextAt = await this.#turns.take(() => this.#tick())
        this.#plannedMs = Math.max(0, nextAt - this.#parts.now())
        if (this.#failure) throw this.#failure
        if (finished()) return
        await this.#turns.restUntil(nextAt)
      }
    } finally {
      signal.removeEventListener('abort', stop)
      this.interrupt()
      await Promise.all([this.#prepare?.done, this.#send?.done])
    }
  }

  /** A pause stops both lanes at once: the tick decides as well, but only when every sensor has answered. */
  #settingsChanged(): void {
    if (this.#pauseNow()) this.interrupt()
    else this.wake()
  }

  /** The pause that holds this moment; what cannot be read may be one that drops. */
  #pauseNow(): Pick<Pause, 'captures'> | undefined {
    try {
      const { pause } = this.#parts.settings.read()
      return pause && (pause.until === undefined || pause.until > this.#parts.now()) ? pause : undefined
    } catch (error) {
      if (error instanceof SluiceError) return { captures: 'drop' }
      throw error
    }
  }

  /** Looks at everything, starts and stops lanes, and returns when to look again without being woken. */
  async #tick(): Promise<number> {
    this.#noticeSleep()
    await this.#keepPauses()
    const conditions = await this.#judge.conditions()
    const routeChanged = this.#routeChanged(conditions)
    const at = this.#judgeAt(conditions)
    const packing = this.#prepareLane.queue
    if (this.#prepare && packing && this.#decisions.get(packing.name)?.prepare === 'hold') this.#prepare.stop.abort()
    const sending = this.#sendLane.queue
    // Bytes count for the network they leave over: on another one the transfer goes on as another.
    if (this.#send && sending && (routeChanged || this.#decisions.get(sending.name)?.send === 'hold')) this.#send.stop.abort()
    const due = this.#prepareLane.due(at)
    if (this.#sleep.isComing) return at + fallAsleepMs
    if (due.queues.length > 0 && !this.#prepare) this.#prepare = this.#start((stop) => this.#prepareLane.run(due.queues, stop), 'prepare')
    if (!this.#send && this.#sendLane.next()) this.#send = this.#start((stop) => this.#sendLane.run(stop), 'send')
    this.#rest()
    return this.#nextLook(at, due.nextAt)
  }

  async #keepPauses(): Promise<void> {
    const { pauses, now } = this.#parts
    const at = now()
    const settings = this.#readSettings()
    try {
      await pauses?.keep(settings, at, async () => {
        this.#prepare?.stop.abort()
        await this.#prepare?.done
      })
    } catch (error) {
      this.#cannotWrite(error)
    }
  }

  /** A transfer that slept has lost its connection, and would wait for it in vain. */
  #noticeSleep(): void {
    const sleptMs = this.#sleep.slept(this.#plannedMs)
    if (sleptMs <= 0) return
    this.#parts.emit({ event: 'machine.resumed', sleptMs })
    this.#send?.stop.abort()
  }

  #routeChanged(conditions: Conditions): boolean {
    const sending = this.#sendLane.queue
    if (!sending) return false
    const [before, after] = [this.#judge.routeOf(sending, this.#conditions), this.#judge.routeOf(sending, conditions)]
    return before.network !== after.network || before.on !== after.on
  }

  #rest(): void {
    if (!this.#hasWorked || !this.#goesOn || this.#prepare || this.#send) return
    this.#hasWorked = false
    this.#parts.onRest?.()
  }

  #judgeAt(conditions: Conditions): number {
    const at = this.#parts.now()
    this.#conditions = conditions
    this.#settings = this.#readSettings() ?? emptySettings
    this.#recovery.notice(conditions, this.#settings)
    this.#decisions = this.#judge.decide(at, conditions, this.#settings, this.#recovery.active(at), this.#parts.sender.reserved)
    this.#sendLane.shape()
    this.#tell()
    this.#warn(at)
    return at
  }

  /** The worker's settings; where they cannot be read a fault holds everything, as a pause may be what was lost. */
  #readSettings(): Settings | undefined {
    try {
      const settings = this.#parts.settings.read()
      this.#recovery.clear(['settings-damaged'])
      return settings
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      this.#recovery.note(new SluiceError('settings-damaged', error.message, { cause: error }))
      return undefined
    }
  }

  /** Says when what is held or slowed, or why, has changed. */
  #tell(): void {
    const deciding = [...this.#decisions.values()].flatMap((decision) => decision.reasons)
    const codes = (level: Level): string[] => deciding.filter((reason) => reason.level === level).map((reason) => reason.code)
    // A fault that is being tried again does not hold, but it is not over either.
    const held = [...new Set([...codes('hold'), ...this.#recovery.codes])].sort()
    const slowed = [...new Set(codes('trickle'))].sort()
    const before = this.#told
    const telling = JSON.stringify([held, slowed])
    if (before === telling && !this.#recovery.hasNews) return
    this.#told = telling
    const { journal, emit } = this.#parts
    try {
      this.#judge.remember()
      this.#recovery.keep()
    } catch (error) {
      this.#cannotWrite(error)
      this.wake()
    }
    if (before === telling) return
    if (held.length > 0) emit({ event: 'send.held', reasons: held, backlogBytes: journal.waiting().bytes })
    else if (slowed.length > 0) emit({ event: 'work.slowed', reasons: slowed })
    else if (before !== undefined) emit({ event: 'send.resumed' })
  }

  /** What the tick itself could not write becomes a reason like any other, which holds both lanes; the rest is thrown. */
  #cannotWrite(error: unknown): void {
    if (!(error instanceof SluiceError)) throw error
    this.#failed(error)
  }

  /** Says when a cap is nearly used up. */
  #warn(at: number): void {
    try {
      for (const { cap: { id, usedBytes, limitBytes }, percent } of this.#judge.warnings(at, this.#settings)) {
        this.#parts.emit({ event: 'cap.warned', cap: id, percent, usedBytes, limitBytes })
      }
    } catch (error) {
      this.#cannotWrite(error)
    }
  }

  #start(work: (stop: AbortSignal) => Promise<void>, which: 'prepare' | 'send'): Working {
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
    const retryMs = error instanceof SluiceError ? this.#recovery.note(error) : undefined
    if (retryMs === undefined || !(error instanceof SluiceError)) this.#failure = error instanceof Error ? error : new Error(String(error))
    else this.#parts.emit({ event: 'send.failed', code: error.code, message: error.message, retryMs })
  }

  /** When to look again: at what is due, when a decision can change, and regularly while something waits or moves. */
  #nextLook(at: number, nextDue: number): number {
    const dueAt = this.#parts.plan && this.#goesOn ? Math.min(nextDue, at + rereadMs.plan) : nextDue
    const changes = [...this.#decisions.values()].map((decision) => decision.changesAt ?? Infinity)
    if (this.#prepare || this.#send) return Math.min(dueAt, at + rereadMs.moving, ...changes)
    const held = [...this.#decisions.values()].filter((decision) => decision.reasons.length > 0 || decision.setAside.length > 0)
    if (held.length === 0 && this.#recovery.codes.length === 0) return dueAt
    const isWaiting = this.#parts.journal.waiting().packs > 0 || this.#parts.capture.pending().length > 0
    const rereadAt = isWaiting ? at + rereadMs.held : Infinity
    return held.length > 0 ? Math.min(dueAt, rereadAt, ...changes) : Math.min(dueAt, rereadAt)
  }
}
