import type { CapUse } from '../../budget/cap.ts'
import type { NetworkClass } from '../conditions.ts'
import type { ReasonCode } from '../reasons.ts'
import { dayMs } from '../../budget/civil-day.ts'

/** Why bytes are not there yet: a reason of the gate, a machine that sleeps, or nothing but the time that it takes. */
export type WaitingFor = ReasonCode | 'asleep' | 'on-its-way'

/** One day of the worker's calendar. Sizes are bytes; but for `captured` and `dropped`, of what goes over the wire. */
export interface DayRow {
  /** As `2026-11-23`. */
  readonly date: string
  /** The part of the day that the trace covers. */
  readonly start: number
  readonly end: number
  readonly capturedBytes: number
  /** Captured during a pause that drops. */
  readonly droppedBytes: number
  readonly packedBytes: number
  readonly sentBytes: Readonly<Record<NetworkClass, number>>
  /** Of what was sent: begun, given up for something more urgent, and to be sent again. */
  readonly againBytes: number
  /** What has not arrived at the day's end. */
  readonly backlogBytes: number
  /** The same by what it waited for, in proportion to bytes and time; `asleep` only where it slept all the while. */
  readonly waitingBytes: Readonly<Partial<Record<WaitingFor, number>>>
  /** How long each reason was the gravest of something that waited. */
  readonly heldMs: Readonly<Partial<Record<ReasonCode, number>>>
  readonly caps: readonly { readonly id: string; readonly usedBytes: number; readonly limitBytes: number }[]
  readonly batteryMs: number
  readonly meteredMs: number
  readonly offlineMs: number
  readonly asleepMs: number
}

/** What the machine was like for some time. */
export interface Stretch {
  readonly ms: number
  readonly asleep: boolean
  readonly battery: boolean
  readonly network: NetworkClass | 'offline'
}

type Counted = 'capturedBytes' | 'droppedBytes' | 'packedBytes' | 'againBytes'

/** Adds up one day. */
export class Day {
  readonly start: number
  readonly #date: string
  readonly #counts: Record<Counted, number> = { capturedBytes: 0, droppedBytes: 0, packedBytes: 0, againBytes: 0 }
  readonly #sent: Record<NetworkClass, number> = { free: 0, metered: 0 }
  readonly #heldMs: Partial<Record<ReasonCode, number>> = {}
  readonly #times = { batteryMs: 0, meteredMs: 0, offlineMs: 0, asleepMs: 0 }
  /** Bytes times milliseconds that were spent waiting, by what for. */
  readonly #weights = new Map<WaitingFor, number>()
  /** When the calendar's next day begins. */
  readonly end: number

  constructor(day: number, start: number, end: number) {
    this.#date = new Date(day * dayMs).toISOString().slice(0, 10)
    this.start = start
    this.end = end
  }

  add(what: Counted, bytes: number): void {
    this.#counts[what] += bytes
  }

  sent(on: NetworkClass, bytes: number): void {
    this.#sent[on] += bytes
  }

  pass({ ms, asleep, battery, network }: Stretch, waiting: readonly (readonly [WaitingFor, number])[]): void {
    if (asleep) this.#times.asleepMs += ms
    else {
      if (battery) this.#times.batteryMs += ms
      if (network === 'metered') this.#times.meteredMs += ms
      if (network === 'offline') this.#times.offlineMs += ms
    }
    const held = new Set<ReasonCode>()
    for (const [why, bytes] of waiting) {
      this.#weights.set(why, (this.#weights.get(why) ?? 0) + bytes * ms)
      if (why !== 'asleep' && why !== 'on-its-way') held.add(why)
    }
    for (const code of held) this.#heldMs[code] = (this.#heldMs[code] ?? 0) + ms
  }

  close(end: number, backlogBytes: number, caps: readonly CapUse[]): DayRow {
    const awake = [...this.#weights].filter(([why]) => why !== 'asleep')
    const weights = awake.length > 0 ? awake : [...this.#weights]
    const whole = weights.reduce((sum, [, weight]) => sum + weight, 0)
    const shareOf = (weight: number): number => Math.round(backlogBytes * weight / whole)
    const waiting: Partial<Record<WaitingFor, number>> = whole > 0
      ? Object.fromEntries(weights.map(([why, weight]) => [why, shareOf(weight)]))
      : { 'on-its-way': backlogBytes }
    return {
      date: this.#date, start: this.start, end, ...this.#counts, sentBytes: this.#sent, backlogBytes,
      waitingBytes: backlogBytes > 0 ? waiting : {},
      heldMs: this.#heldMs,
      caps: caps.map(({ id, usedBytes, limitBytes }) => ({ id, usedBytes, limitBytes })),
      ...this.#times,
    }
  }
}
