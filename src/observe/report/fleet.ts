import { dayAt } from '../../budget/civil-day.ts'
import { DaySlots, momentKey, mostDevices, quarterMs, SeenHours } from './seen.ts'
import { additive, type Amounts, type Summary } from './summary-line.ts'

const dayMs = 86_400_000

/** Days that a report reaches back from `until`, or from now; with the days on both sides that it may touch it fits `mostDays`. */
export const reachDays = 400

/** Different codes and versions that are told apart; the rest go by the name `other`. */
const mostNames = 200
/** Lines of whole days of one device that begin on one date; a clock that is set back makes two of one. */
const mostWholeDays = 8
/** Reasons of one device at one day's end that are told apart. */
const heldPerDay = 4

/** A record of `DaySlots`: `to` and `from` of the latest line, the names of what is held (a byte each), the bytes held. */
const heldStride = 3 + heldPerDay

/** Which lines count. Times are milliseconds since the epoch. */
export interface Span {
  /** Lines that begin earlier are no part of the sums. */
  readonly since: number
  /** Lines that begin then or later are no part of anything. */
  readonly until: number
  readonly now: number
  /** Whose days the sums are of. */
  readonly timeZone: string
}

/** What is known of one device: as much for a year as for an hour. */
export interface Device {
  readonly name: string
  /** Of the line that ends last. */
  latest: Summary
  /** When the last hour ended in which a pack arrived; undefined when none did. */
  arrivedAt: number | undefined
  capturedBytes: number
  sentBytes: number
}

/** Sums of one day, in the order of `additive`. */
export interface DaySums {
  readonly sums: number[]
  devices: number
  /** What waited at the day's end, by reason. */
  readonly held: Map<string, number>
}

/** What adds up of a line. */
type Countable = Pick<Summary, 'period' | 'from' | 'to' | 'sums' | 'errors'>

interface WholeDay extends Countable {
  readonly device: number
}

/**
 * Adds up summaries in whatever order they come. Copies count once: a summary is known by its device, its period and when
 * it began. A day's own line counts only where no hour line of that day is there. Keeps a fixed record for each device, and
 * less than half a kilobyte for each device and day, of `reachDays` at most, or about one for each day's line without hours.
 */
export class Fleet {
  readonly devices: Device[] = []
  /** Summaries outside of the span. */
  outside = 0
  /** Summaries that are too old for any report, or of a time that has not come yet. */
  misdated = 0
  /** Summaries of devices beyond the first `mostDevices`, and of whole days beyond the first `mostWholeDays` of a date. */
  leftOut = 0
  /** Summaries that the sums are made of. */
  counted = 0
  readonly errors = new Map<string, number>()
  readonly #span: Span
  readonly #start: number
  readonly #days = new Map<number, DaySums>()
  readonly #dayOfQuarter = new Map<number, number>()
  readonly #numbers = new Map<string, number>()
  readonly #seen = new SeenHours()
  readonly #wholeDays = new Map<number, readonly WholeDay[]>()
  readonly #held = new DaySlots(heldStride, (length) => new Float64Array(length))
  readonly #names = ['other']
  readonly #nameNumbers = new Map([['other', 0]])

  constructor(span: Span) {
    this.#span = span
    this.#start = (Math.floor(Math.min(span.until, span.now + dayMs) / dayMs) - reachDays - 1) * dayMs
  }

  add(summary: Summary): void {
    if (summary.from < this.#start + dayMs || summary.from >= this.#span.now + dayMs) {
      this.misdated += 1
      return
    }
    if (summary.from >= this.#span.until) {
      this.outside += 1
      return
    }
    const number = this.#numberOf(summary)
    if (number === undefined) {
      this.leftOut += 1
      return
    }
    const isCounted = summary.from >= this.#span.since
    if (!isCounted) this.outside += 1
    if (summary.period === 'hour') this.#addHour(number, summary, isCounted)
    else if (isCounted) this.#keepDay(number, summary)
  }

  /** Days with their sums, by days since 1970-01-01; to be asked for once, at the end. */
  finish(): Map<number, DaySums> {
    for (const days of this.#wholeDays.values()) {
      for (const day of days) {
        const [from, to] = [day.from - this.#start, day.to - this.#start]
        if (!this.#seen.hasAnyIn(day.device, from, to)) this.#count(day.device, day)
      }
    }
    for (const { day, page, at } of this.#held.all()) {
      const sums = this.#dayOf(day + this.#start / dayMs)
      sums.devices += 1
      const names = page[at + 2] ?? 0
      for (let each = 0; each < heldPerDay; each += 1) {
        const bytes = page[at + 3 + each] ?? 0
        if (bytes > 0) addTo(sums.held, this.#names[Math.floor(names / 256 ** each) % 256] ?? 'other', bytes)
      }
    }
    return this.#days
  }

  #numberOf(summary: Summary): number | undefined {
    const number = this.#numbers.get(summary.device)
    if (number === undefined) {
      if (this.devices.length >= mostDevices) return undefined
      this.#numbers.set(summary.device, this.devices.length)
      this.devices.push({ name: printable(summary.device), latest: summary, arrivedAt: undefined, capturedBytes: 0, sentBytes: 0 })
      return this.devices.length - 1
    }
    const device = this.devices[number]
    if (device && isLater(summary, device.latest)) device.latest = summary
    return number
  }

  #addHour(number: number, summary: Summary, isCounted: boolean): void {
    if (isCounted) {
      if (!this.#seen.add(number, summary.from - this.#start)) return
      this.#keepHeld(number, summary, summary.from)
      this.#count(number, summary)
    } else {
      this.#arrived(number, summary)
    }
  }

  /** Only at the end is it known whether the day has hours. */
  #keepDay(device: number, summary: Summary): void {
    this.#keepHeld(device, summary, middle(summary))
    const [from, to] = [summary.from - this.#start, summary.to - this.#start]
    if (this.#seen.hasAnyIn(device, from, to)) return
    const key = momentKey(device, Math.floor(from / dayMs))
    const known = this.#wholeDays.get(key) ?? []
    if (known.some((each) => each.from === summary.from)) return
    const { period, sums, errors } = summary
    if (known.length < mostWholeDays) this.#wholeDays.set(key, [...known, { device, period, from: summary.from, to: summary.to, sums, errors }])
    else this.leftOut += 1
  }

  #count(number: number, summary: Countable): void {
    this.counted += 1
    const { sums } = this.#dayOf(this.#dayAt(summary.period === 'hour' ? summary.from : middle(summary)))
    for (let at = 0; at < additive.length; at += 1) sums[at] = (sums[at] ?? 0) + (summary.sums[at] ?? 0)
    for (const [code, count] of summary.errors) addTo(this.errors, this.#known(code), count)
    this.#arrived(number, summary)
    const device = this.devices[number]
    if (!device) return
    device.capturedBytes += sumOf(summary, 'capturedBytes')
    device.sentBytes += sumOf(summary, 'sentBytes')
  }

  #arrived(number: number, summary: Countable): void {
    const device = this.devices[number]
    if (device && sumOf(summary, 'sentPackBytes') > 0) device.arrivedAt = Math.max(device.arrivedAt ?? 0, summary.to)
  }

  /** Of all lines of a device's day the one that ends last says what was held at its end. */
  #keepHeld(device: number, summary: Summary, at: number): void {
    const place = this.#held.at(device, this.#dayAt(at) - this.#start / dayMs, true)
    if (!place) return
    const { page, at: start } = place
    const [to = 0, from = 0] = [page[start], page[start + 1]]
    if (to > summary.to || (to === summary.to && from >= summary.from)) return
    page.fill(0, start, start + heldStride)
    page[start] = summary.to
    page[start + 1] = summary.from
    let names = 0
    for (const [each, [name, bytes]] of mostHeld(summary.held).entries()) {
      names += (this.#nameNumbers.get(this.#known(name)) ?? 0) * 256 ** each
      page[start + 3 + each] = bytes
    }
    page[start + 2] = names
  }

  #known(name: string): string {
    if (this.#nameNumbers.has(name)) return name
    if (this.#names.length >= mostNames) return 'other'
    this.#nameNumbers.set(name, this.#names.length)
    this.#names.push(name)
    return name
  }

  #dayOf(day: number): DaySums {
    const known = this.#days.get(day)
    if (known) return known
    const made = { sums: additive.map(() => 0), devices: 0, held: new Map<string, number>() }
    this.#days.set(day, made)
    return made
  }

  /** Days begin on a quarter of an hour everywhere, and asking for the day takes longer than all the rest. */
  #dayAt(time: number): number {
    const quarter = Math.floor(time / quarterMs)
    const known = this.#dayOfQuarter.get(quarter)
    if (known !== undefined) return known
    const day = dayAt(quarter * quarterMs, this.#span.timeZone)
    this.#dayOfQuarter.set(quarter, day)
    return day
  }
}

export function sumOf({ sums }: Pick<Summary, 'sums'>, name: (typeof additive)[number]): number {
  return sums[additive.indexOf(name)] ?? 0
}

function isLater(a: Summary, b: Summary): boolean {
  return a.to > b.to || (a.to === b.to && a.from > b.from)
}

/** The calendar day that most of a day's line is of, where the worker's time zone is another one. */
function middle({ from, to }: Countable): number {
  return Math.floor((from + to) / 2)
}

/** The greatest amounts, the rest as one. */
function mostHeld(held: Amounts): Amounts {
  if (held.length <= heldPerDay) return held
  const sorted = held.toSorted(([, a], [, b]) => b - a)
  const rest = sorted.slice(heldPerDay - 1).reduce((sum, [, bytes]) => sum + bytes, 0)
  return [...sorted.slice(0, heldPerDay - 1), ['other', rest]]
}

function addTo(amounts: Map<string, number>, name: string, amount: number): void {
  amounts.set(name, (amounts.get(name) ?? 0) + amount)
}

/** A name from a log, without what would move a terminal's cursor or turn the direction of text. */
export function printable(name: string): string {
  return name.replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, '?').toWellFormed()
}
