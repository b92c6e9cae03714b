import { periodAt } from '../budget/cap.ts'
import { offsetAt } from '../budget/civil-day.ts'

/** What only grows, as journal and ledger have it in all: bytes, and packs that arrived. */
export interface Counters {
  readonly capturedBytes: number
  readonly newBytes: number
  readonly packedBytes: number
  readonly sentBytes: number
  readonly sentPackBytes: number
  readonly packs: number
}

/** One moment. `now` may jump either way; the others never go back while a process lives. */
export interface Look {
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly monotonicMs: number
  /** CPU time of this process that no look before has seen. */
  readonly cpuMs: number
  readonly counters: Counters
}

/** What the machine spends its time on. */
export interface Draws {
  readonly onBattery: boolean
  readonly metered: boolean
}

/** What a stretch of time came to. */
export interface Sums extends Counters {
  readonly againBytes: number
  readonly batteryMs: number
  readonly meteredMs: number
  readonly cpuMs: number
  /** Failures by code. */
  readonly errors: Readonly<Record<string, number>>
}

interface Stretch {
  readonly from: number
  readonly to: number
  readonly sums: Sums
}

/** An hour or a day that is over. */
export interface Ended extends Stretch {
  readonly period: 'hour' | 'day'
}

/** As it is written down. */
interface Saved {
  readonly version: 1
  readonly counters: Counters
  /** When that was, by the clock. */
  readonly at: number
  /** Missing after a stop, which ends the hour. */
  readonly hour?: Stretch
  readonly day: Stretch
}

const counterNames = ['capturedBytes', 'newBytes', 'packedBytes', 'sentBytes', 'sentPackBytes', 'packs'] as const
const sumNames = [...counterNames, 'againBytes', 'batteryMs', 'meteredMs', 'cpuMs'] as const

const nothing: Sums = {
  capturedBytes: 0, newBytes: 0, packedBytes: 0, sentBytes: 0, sentPackBytes: 0, packs: 0,
  againBytes: 0, batteryMs: 0, meteredMs: 0, cpuMs: 0, errors: {},
}

const hourMs = 3_600_000
/** Every offset from UTC is a multiple of this. */
const quarterMs = 15 * 60_000
/** A clock that is set back by less does not begin an hour anew: it is put right by seconds all the time. */
const clockBackMs = hourMs

/**
 * Hours and days of an upload, each count in exactly one hour and one day. Counters are told as totals, so that what
 * happened between `saved` and a crash is found at the next start; what time, CPU and errors came to since then is lost.
 *
 * An hour that was slept through, or in which no service ran, has no summary. When the clock is set back by an hour or
 * more, what has begun ends there and then.
 */
export class Summaries {
  readonly #timeZone: string
  #saved: Saved
  #draws: Draws = { onBattery: false, metered: false }
  #monotonicMs: number

  /** `saved`: what `state` gave last, of this or another process. */
  constructor(timeZone: string, look: Look, saved?: string) {
    this.#timeZone = timeZone
    this.#monotonicMs = look.monotonicMs
    const before = saved === undefined ? undefined : parse(saved)
    const found = before ?? { version: 1, counters: look.counters, at: look.now, day: this.#begin('day', look.now) }
    this.#saved = { ...found, hour: found.hour ?? this.#begin('hour', look.now) }
  }

  /** What the next start goes on with. JSON. */
  get state(): string {
    return JSON.stringify(this.#saved)
  }

  /** Whether the hour holds `now` no more. */
  isOver(now: number): boolean {
    return isOver(this.#hour(now), now)
  }

  /** When the hour ends, milliseconds since the epoch. */
  endsAt(now: number): number {
    return this.#hour(now).to
  }

  #hour(now: number): Stretch {
    return this.#saved.hour ?? this.#begin('hour', now)
  }

  /** Takes in everything up to this moment. Returns what is over by then, an hour before its day. */
  take(look: Look): Ended[] {
    this.draw(look.monotonicMs, this.#draws)
    const { now } = look
    const { at, day } = this.#saved
    const hour = plus(this.#hour(now), { ...grown(this.#saved.counters, look.counters), cpuMs: look.cpuMs })
    this.#saved = { ...this.#saved, counters: look.counters, at: now, hour }
    const ended: Ended[] = []
    if (isOver(hour, now)) {
      ended.push({ period: 'hour', ...hour, to: endOf(hour, now, at) })
      this.#saved = { ...this.#saved, hour: this.#after('hour', hour, now), day: plus(day, hour.sums) }
    }
    if (isOver(day, now)) {
      const { day: whole } = this.#saved
      ended.push({ period: 'day', ...whole, to: endOf(whole, now, at) })
      this.#saved = { ...this.#saved, day: this.#after('day', whole, now) }
    }
    return ended
  }

  /** Takes in everything, and ends the hour here. */
  stop(look: Look): Ended[] {
    const ended = this.take(look)
    const { hour, ...rest } = this.#saved
    if (!hour) return ended
    this.#saved = { ...rest, day: plus(rest.day, hour.sums) }
    return [...ended, { period: 'hour', ...hour, to: Math.max(hour.from, look.now) }]
  }

  /** From now on the machine is so. */
  draw(monotonicMs: number, draws: Draws): void {
    const elapsedMs = Math.max(0, monotonicMs - this.#monotonicMs)
    this.#add({ batteryMs: this.#draws.onBattery ? elapsedMs : 0, meteredMs: this.#draws.metered ? elapsedMs : 0 })
    this.#monotonicMs = monotonicMs
    this.#draws = draws
  }

  failed(code: string): void {
    this.#add({ errors: { [code]: 1 } })
  }

  sentAgain(bytes: number): void {
    this.#add({ againBytes: bytes })
  }

  #add(more: Partial<Sums>): void {
    this.#saved = { ...this.#saved, hour: plus(this.#hour(this.#saved.at), more) }
  }

  #begin(period: 'hour' | 'day', now: number): Stretch {
    return { from: now, to: endAfter(period, now, this.#timeZone), sums: nothing }
  }

  /** The next one begins where the last ended, or now where time has passed that nobody counted. */
  #after(period: 'hour' | 'day', { to }: Stretch, now: number): Stretch {
    const next = this.#begin(period, to)
    return now >= to && now < next.to ? next : this.#begin(period, now)
  }
}

/** The first instant after `now` at which a clock in `timeZone` shows a full hour, or a new date. */
export function endAfter(period: 'hour' | 'day', now: number, timeZone: string): number {
  if (period === 'day') return periodAt({ per: 'day' }, now, timeZone).end
  const first = (Math.floor(now / quarterMs) + 1) * quarterMs
  // Two hours hold a full one also where clocks change by half an hour.
  for (let at = first; at <= now + 2 * hourMs; at += quarterMs) {
    if ((at + offsetAt(at, timeZone)) % hourMs === 0) return at
  }
  return now + hourMs
}

function isOver({ from, to }: Stretch, now: number): boolean {
  return now >= to || now <= from - clockBackMs
}

/** Where something that is over ended; when the clock went back, where it stood last. */
function endOf({ from, to }: Stretch, now: number, lastAt: number): number {
  return now >= to ? to : Math.min(to, Math.max(from, lastAt))
}

/** What came since; a total that is smaller than before (packs that were lost) adds nothing. */
function grown(before: Counters, now: Counters): Counters {
  const by = (name: keyof Counters): number => Math.max(0, now[name] - before[name])
  return Object.fromEntries(counterNames.map((name) => [name, by(name)])) as unknown as Counters
}

function plus(stretch: Stretch, more: Partial<Sums>): Stretch {
  const { sums } = stretch
  const added = Object.fromEntries(sumNames.map((name) => [name, sums[name] + (more[name] ?? 0)])) as unknown as Omit<Sums, 'errors'>
  const errors = { ...sums.errors }
  for (const [code, count] of Object.entries(more.errors ?? {})) errors[code] = (errors[code] ?? 0) + count
  return { ...stretch, sums: { ...added, errors } }
}

/** What another version wrote, which this one does not know, and what is no JSON is not gone on with. */
function parse(text: string): Saved | undefined {
  try {
    const saved = JSON.parse(text) as Partial<Saved> | null
    return saved?.version === 1 ? saved as Saved : undefined
  } catch {
    return undefined
  }
}
