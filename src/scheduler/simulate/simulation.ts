import type { Where } from '../../budget/usage.ts'
import type { NetworkClass, NetworkState, PowerState, Reading } from '../conditions.ts'
import type { Decision } from '../gate.ts'
import type { Queue } from '../queues.ts'
import type { DayRow, WaitingFor } from './day.ts'
import type { Moment } from './moment.ts'
import type { SimulatedConfig, SimulatedSettings } from './simulated-judge.ts'
import type { TraceEvent, TraceHeader } from './trace.ts'
import { dateAfter } from '../../budget/clock-back.ts'
import { dayAt, dayStart } from '../../budget/civil-day.ts'
import { SluiceError } from '../../observe/error.ts'
import { sliceBytes } from '../../transfer/destination.ts'
import { sendingOrder } from '../queues.ts'
import { Backlog, type Packing } from './backlog.ts'
import { Day } from './day.ts'
import { join } from './moment.ts'
import { SimulatedJudge } from './simulated-judge.ts'
import { resultOf, type SimulationResult } from './result.ts'

/** Bytes sealed for each byte captured where a trace does not say: between screenshots and text. */
export const defaultRatio = 0.25

/** Bytes on the wire for each byte of a pack: headers, acknowledgements and a TLS handshake, measured 5.6 %. */
const wireOverhead = 1.06

/** Bytes a second where a trace does not say: 16 and 4 Mbit/s upwards. */
const defaultLine: Record<NetworkClass, number> = { free: 2_000_000, metered: 500_000 }

/** About a minute's work: what takes more is a mistake in the trace, or packs that do not fit it. */
const maxSteps = 5_000_000

export interface SimulationOptions {
  readonly config: SimulatedConfig
  readonly settings: SimulatedSettings
  readonly header: TraceHeader
  readonly observe?: Observer
}

/** Bytes of one queue that left evenly between two times. */
export interface SentPiece {
  readonly from: number
  readonly to: number
  /** How far the machine's clock was ahead. */
  readonly clockAheadMs: number
  readonly bytes: number
  readonly queue: Queue
  readonly route: Where
  readonly arrived: boolean
}

/** Looks on, for tests. */
export interface Observer {
  sent?(piece: SentPiece): void
  decided?(at: number, decisions: ReadonlyMap<string, Decision>): void
  /** A pack is begun, and these could have been. */
  began?(at: number, queue: string, others: readonly { readonly queue: string; readonly since: number }[]): void
}

interface Transfer {
  readonly queue: string
  readonly bytes: number
  sent: number
}

/** Part of a transfer that one decision allows. */
interface Piece {
  readonly backlog: Backlog
  readonly bytes: number
  readonly end: number
  readonly bytesPerSecond: number
  readonly route: Where
}

/**
 * Plays a trace against the real gate and the real order of sending. Nothing happens between two steps, and the next
 * comes when something happened, when a decision can change, when captures are due to be packed, or when a transfer
 * ends.
 */
export class Simulation {
  readonly #options: SimulationOptions
  readonly #judge: SimulatedJudge
  readonly #packing: Packing
  readonly #backlogs = new Map<string, Backlog>()
  readonly #rows: DayRow[] = []
  #moment: Moment | undefined
  #now = 0
  #steps = 0
  #day: Day | undefined
  #power: Reading<PowerState> = { value: { supply: 'unknown', saver: 'unknown' }, source: 'trace', at: 0 }
  #network: Reading<NetworkState> = { value: { cost: 'unknown' }, source: 'trace', at: 0 }
  #pause: { readonly since: number; readonly until?: number; readonly captures: 'hold' | 'drop' } | undefined
  #sendNow: { readonly since: number; readonly until: number } | undefined
  #asleep = false
  #clockAheadMs = 0
  #decisions: ReadonlyMap<string, Decision> = new Map()
  #decidedUntil = -Infinity
  #transfer: Transfer | undefined
  #piece: Piece | undefined
  #longestWaitMs = 0
  /** Of the bytes that were sent last. */
  #date = -Infinity

  constructor(options: SimulationOptions) {
    this.#options = options
    this.#judge = new SimulatedJudge(options.config, options.settings)
    const { seal } = options.config
    const ratios = new Map(Object.entries(options.header.ratio))
    this.#packing = {
      packBytes: Math.ceil(seal.sizeBytes * wireOverhead), ageMs: seal.ageMs, enoughBytes: seal.sizeBytes,
      wireRatio: (stream) => (ratios.get(stream) ?? defaultRatio) * wireOverhead,
    }
  }

  /** Adds what happened next. Throws `trace-invalid` where it is too much to play; RangeError: time goes backwards. */
  add(event: TraceEvent): void {
    if (event.at < (this.#moment?.at ?? 0)) throw new RangeError('events must not go backwards in time')
    if (this.#moment && event.at > this.#moment.at) this.#play()
    this.#moment = join(this.#moment, event)
  }

  /** Plays what is left until the last event. */
  finish(): SimulationResult {
    this.#play()
    this.#closeDay()
    const waits = [...this.#backlogs.values()].map(({ oldestAt }) => this.#now - oldestAt)
    return resultOf(this.#rows, Math.max(this.#longestWaitMs, ...waits.filter(Number.isFinite)))
  }

  get #wall(): number {
    return this.#now + this.#clockAheadMs
  }

  #play(): void {
    const moment = this.#moment
    if (!moment) return
    if (!this.#day) this.#begin(moment.at)
    while (this.#now < moment.at) this.#step(moment.at)
    this.#apply(moment)
    this.#moment = undefined
  }

  #begin(at: number): void {
    const { timeZone } = this.#options.config
    const day = dayAt(at, timeZone)
    this.#now = at
    let end = dayStart(day + 1, timeZone)
    // Where a date is shown twice, the second time already belongs to the next.
    for (let next = day + 2; end <= at; next++) end = dayStart(next, timeZone)
    this.#day = new Day(day, at, end)
  }

  #closeDay(): void {
    if (!this.#day || (this.#now === this.#day.start && this.#rows.length > 0)) return
    const waiting = [...this.#backlogs.values()].reduce((sum, backlog) => sum + backlog.bytes, 0)
    const bytes = waiting - (this.#transfer?.sent ?? 0)
    this.#rows.push(this.#day.close(this.#now, bytes, this.#judge.capUses(this.#wall - 1)))
  }

  #apply({ captured, ...moment }: Moment): void {
    const counts = (key: string): boolean => key !== 'at' && (key !== 'userBytes' || this.#options.config.plan !== undefined)
    const isChanged = Object.keys(moment).some(counts)
    if (moment.clockAheadMs !== undefined) this.#clockAheadMs = moment.clockAheadMs
    if (moment.power) this.#power = { value: moment.power, source: 'trace', at: this.#wall }
    if (moment.network) this.#network = { value: this.#judge.network(moment.network), source: 'trace', at: this.#wall }
    if (moment.wake) this.#asleep = false
    else if (moment.suspend) this.#asleep = true
    if (moment.resume) this.#pause = undefined
    if (moment.pause) {
      const { forMs, captures } = moment.pause
      this.#pause = { since: this.#wall, captures, ...(forMs !== undefined && { until: this.#wall + forMs }) }
    }
    if (moment.sendNow) this.#sendNow = { since: this.#wall, until: this.#wall + moment.sendNow.forMs }
    if (moment.userBytes) this.#judge.usedByPerson(this.#wall, this.#network.value, moment.userBytes)
    for (const [stream, bytes] of [...captured].sort()) this.#capture(stream, bytes)
    if (isChanged) this.#decidedUntil = -Infinity
  }

  #capture(stream: string, bytes: number): void {
    this.#day?.add('capturedBytes', bytes)
    const pause = this.#pause
    if (pause?.captures === 'drop' && (pause.until === undefined || pause.until > this.#wall)) {
      this.#day?.add('droppedBytes', bytes)
      return
    }
    this.#backlogOf(this.#judge.queueOf(stream)).capture(this.#now, stream, bytes)
  }

  #backlogOf(queue: Queue): Backlog {
    const known = this.#backlogs.get(queue.name)
    if (known) {
      known.queue = queue
      return known
    }
    const made = new Backlog(queue, this.#packing)
    this.#backlogs.set(queue.name, made)
    this.#decidedUntil = -Infinity
    return made
  }

  /** From now to the next time at which anything can be different, `end` at the latest. */
  #step(end: number): void {
    if (++this.#steps > maxSteps) {
      throw new SluiceError('trace-invalid', `The trace takes more than ${maxSteps} steps to play. Play a shorter part of it, or larger packs.`)
    }
    this.#piece = undefined
    let next = Math.min(end, this.#day?.end ?? Infinity)
    if (!this.#asleep) {
      this.#decide()
      this.#seal()
      this.#piece = this.#nextPiece()
      for (const backlog of this.#backlogs.values()) next = Math.min(next, this.#dueAt(backlog))
      next = Math.min(next, this.#decidedUntil - this.#clockAheadMs, this.#piece?.end ?? Infinity)
    }
    this.#pass(Math.max(Math.ceil(next), this.#now + 1))
    if (this.#day && this.#now >= this.#day.end) {
      this.#closeDay()
      this.#begin(this.#now)
    }
  }

  #decide(): void {
    if (this.#wall < this.#decidedUntil) return
    const least = (queue: Queue): number => {
      const backlog = this.#backlogs.get(queue.name)
      const left = (backlog?.next?.bytes ?? 1) - (this.#transfer?.queue === queue.name ? this.#transfer.sent : 0)
      return Math.max(1, Math.min(sliceBytes, left))
    }
    this.#decisions = this.#judge.decide(this.#wall, {
      conditions: { power: this.#power, network: this.#network }, pause: this.#pause, sendNow: this.#sendNow,
    }, least)
    this.#decidedUntil = Math.min(...[...this.#decisions.values()].map(({ changesAt }) => changesAt ?? Infinity))
    this.#options.observe?.decided?.(this.#now, this.#decisions)
  }

  /** When what a queue captured is packed, as things are. */
  #dueAt(backlog: Backlog): number {
    const decision = this.#decisions.get(backlog.queue.name)
    if (!decision || decision.prepare === 'hold') return Infinity
    return backlog.dueAt(decision.send !== 'hold')
  }

  #seal(): void {
    let sealed = false
    for (const backlog of this.#backlogs.values()) {
      if (this.#dueAt(backlog) > this.#now) continue
      this.#day?.add('packedBytes', backlog.seal(this.#wall))
      sealed = true
    }
    if (!sealed) return
    this.#decidedUntil = -Infinity // a cap may leave too little for what is first now
    this.#decide()
  }

  #maySend(queue: string): boolean {
    const decision = this.#decisions.get(queue)
    return decision !== undefined && decision.send !== 'hold'
  }

  #nextPiece(): Piece | undefined {
    const transfer = this.#chosen()
    const backlog = transfer && this.#backlogs.get(transfer.queue)
    const decision = transfer && this.#decisions.get(transfer.queue)
    if (!transfer || !backlog || !decision) return undefined
    const left = transfer.bytes - transfer.sent
    const bytes = decision.maxBytes >= left ? left : Math.floor(decision.maxBytes / sliceBytes) * sliceBytes
    if (bytes <= 0) return undefined
    const route = this.#judge.routeOf(backlog.queue, this.#network.value)
    const { maxBytesPerSecond = Infinity, trickleBytesPerSecond } = this.#options.config.rate
    const line = Math.min(this.#options.header.line[route.on] ?? defaultLine[route.on], maxBytesPerSecond)
    const bytesPerSecond = decision.send === 'trickle' ? Math.min(line, trickleBytesPerSecond) : line
    const end = this.#now + Math.max(1, Math.ceil(bytes * 1000 / bytesPerSecond))
    return { backlog, bytes, bytesPerSecond, route, end }
  }

  /** The transfer under way where it may go on, else a new one for the queue whose turn it is. */
  #chosen(): Transfer | undefined {
    const before = this.#transfer
    if (before && this.#maySend(before.queue)) return before
    const open = [...this.#backlogs.values()].filter(({ queue, isSealed }) => isSealed && this.#maySend(queue.name))
    const waiting = open.flatMap(({ queue: { name, priority }, next }) =>
      next ? [{ queue: name, priority, value: next.value, since: next.sealedAt, bytes: next.bytes }] : [])
    const [first] = sendingOrder(waiting, this.#wall)
    const chosen = waiting.find(({ queue }) => queue === first?.queue)
    if (!chosen) return undefined
    if (before) this.#day?.add('againBytes', before.sent)
    this.#options.observe?.began?.(this.#now, chosen.queue, waiting)
    this.#transfer = { queue: chosen.queue, bytes: chosen.bytes, sent: 0 }
    return this.#transfer
  }

  /** Lets time pass, in which bytes leave and others wait. */
  #pass(to: number): void {
    const ms = to - this.#now
    const waiting = [...this.#backlogs.values()].filter(({ bytes }) => bytes > 0)
      .map((backlog) => [this.#waitsFor(backlog), backlog.bytes] as const)
    const { cost } = this.#network.value
    this.#day?.pass({
      ms, asleep: this.#asleep, battery: this.#power.value.supply === 'battery',
      network: cost === 'offline' ? 'offline' : this.#judge.routeOf(noQueue, this.#network.value).on,
    }, waiting)
    const from = this.#now
    this.#now = to
    if (this.#piece) this.#move(this.#piece, from)
  }

  #waitsFor({ queue, isSealed }: Backlog): WaitingFor {
    if (this.#asleep) return 'asleep'
    const decision = this.#decisions.get(queue.name)
    const held = decision?.send === 'hold' ? 'prepare' : decision?.prepare === 'hold' && !isSealed ? 'send' : undefined
    const reason = held && decision?.reasons.find(({ holds, level }) => holds !== held && level === 'hold')
    return reason?.code ?? 'on-its-way'
  }

  #move({ backlog, bytes: most, end, bytesPerSecond, route }: Piece, from: number): void {
    const transfer = this.#transfer
    const bytes = this.#now >= end ? most : Math.min(most, Math.floor(bytesPerSecond * (this.#now - from) / 1000))
    if (!transfer || bytes === 0) return
    transfer.sent += bytes
    const arrived = transfer.sent >= transfer.bytes
    // Within the period in which it was decided: a step that ends with a period belongs to it.
    this.#date = dateAfter(this.#date, this.#wall - 1)
    this.#judge.sent(this.#date, route, bytes)
    this.#day?.sent(route.on, bytes)
    const { queue } = backlog
    this.#options.observe?.sent?.({ from, to: this.#now, clockAheadMs: this.#clockAheadMs, bytes, queue, route, arrived })
    if (arrived) {
      this.#longestWaitMs = Math.max(this.#longestWaitMs, this.#now - backlog.arrived(transfer.bytes))
      this.#transfer = undefined
    }
    this.#decidedUntil = -Infinity
  }
}

const noQueue: Queue = { name: 'none', streams: [], networks: undefined, priority: 'normal' }
