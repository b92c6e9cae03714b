import type { ReadCounts } from './read-counts.ts'
import { type Device, type DaySums, type Fleet, printable, type Span, sumOf } from './fleet.ts'
import { additive, type Additive, type Amounts } from './summary-line.ts'

export type Totals = Readonly<Record<Additive, number>>

/** One day of the report's calendar. */
export interface DayRow extends Totals {
  /** As `2026-11-23`. */
  readonly date: string
  /** Devices of which there is a line. */
  readonly devices: number
  /** What waited at the end of each device's day, by reason. */
  readonly heldBytes: Readonly<Record<string, number>>
}

/** A reason, what it holds, and on how many devices. */
export interface Held {
  readonly reason: string
  readonly bytes: number
  readonly devices: number
}

export interface SilentDevice {
  readonly device: string
  /** The end of its last line's period. */
  readonly lastAt: number
  readonly backlogBytes: number
}

export interface StuckDevice {
  readonly device: string
  readonly oldestWaitingMs: number
  readonly backlogBytes: number
  /** When a pack arrived last; undefined when none did. */
  readonly arrivedAt?: number
  /** What holds it, most first. */
  readonly reasons: readonly string[]
}

export interface CapAtRisk {
  readonly device: string
  readonly cap: string
  readonly usedBytes: number
  readonly limitBytes: number
}

/** A step of a scale, and how many there are on it. */
export interface Step {
  readonly label: string
  readonly count: number
}

/** All that `sluice report` tells. Times are milliseconds since the epoch; sizes are bytes. */
export interface Report {
  readonly timeZone: string
  /** Silence and age are told as of then: the end of the newest line, or of the span. */
  readonly asOf: number
  readonly silentAfterMs: number
  readonly stuckAfterMs: number
  readonly read: ReadCounts & { readonly summaries: number, readonly counted: number, readonly outside: number, readonly misdated: number, readonly leftOut: number }
  readonly devices: number
  readonly totals: Totals
  readonly days: readonly DayRow[]
  /** What waits now, that is at each device's last line, by reason. */
  readonly held: readonly Held[]
  readonly backlogBytes: number
  readonly lag: readonly Step[]
  readonly silent: readonly SilentDevice[]
  readonly stuck: readonly StuckDevice[]
  readonly caps: number
  readonly capsAtRisk: readonly CapAtRisk[]
  readonly capUse: readonly Step[]
  readonly versions: readonly { readonly version: string, readonly devices: number }[]
  readonly errors: readonly { readonly code: string, readonly count: number }[]
}

export interface ReportOptions extends Span {
  readonly silentAfterMs: number
  readonly stuckAfterMs: number
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** What a fleet has come to, once all its lines were added. */
export function reportOf(fleet: Fleet, read: ReadCounts & { readonly summaries: number }, options: ReportOptions): Report {
  const { timeZone, silentAfterMs, stuckAfterMs } = options
  const days = dayRows(fleet.finish())
  const { devices, outside, misdated, leftOut, counted } = fleet
  const newest = devices.reduce((latest, device) => Math.max(latest, device.latest.to), 0)
  const asOf = Math.min(options.now, options.until, newest === 0 ? Infinity : newest)
  const isSilent = (device: Device): boolean => asOf - device.latest.to >= silentAfterMs
  return {
    timeZone, asOf, silentAfterMs, stuckAfterMs, read: { ...read, counted, outside, misdated, leftOut },
    devices: devices.length, totals: totalsOf((name) => days.reduce((sum, day) => sum + day[name], 0)), days,
    ...heldNow(devices),
    lag: steps(lagSteps, devices.map(({ latest }) => latest.oldestWaitingMs)),
    silent: devices.filter(isSilent).map(silent).sort((a, b) => a.lastAt - b.lastAt || byName(a.device, b.device)),
    stuck: devices.filter((device) => !isSilent(device) && isStuck(device, stuckAfterMs)).map(stuck)
      .sort((a, b) => b.oldestWaitingMs - a.oldestWaitingMs || byName(a.device, b.device)),
    ...capsNow(devices),
    versions: shares(devices.map(({ latest }) => [printable(latest.version), 0])).map(({ name, devices: running }) => ({ version: name, devices: running })),
    errors: [...fleet.errors].map(([code, count]) => ({ code, count })).sort((a, b) => b.count - a.count || byName(a.code, b.code)),
  }
}

function dayRows(days: ReadonlyMap<number, DaySums>): DayRow[] {
  return [...days].sort(([a], [b]) => a - b).map(([day, sums]) => ({
    date: new Date(day * dayMs).toISOString().slice(0, 10),
    ...totalsOf((name) => sumOf(sums, name)),
    devices: sums.devices,
    heldBytes: Object.fromEntries([...sums.held].sort(([a, x], [b, y]) => y - x || byName(a, b))),
  }))
}

function totalsOf(figure: (name: Additive) => number): Totals {
  return Object.fromEntries(additive.map((name) => [name, figure(name)])) as Record<Additive, number>
}

function silent({ name, latest }: Device): SilentDevice {
  return { device: name, lastAt: latest.to, backlogBytes: latest.backlogBytes }
}

/** Something has waited for long, and nothing has arrived for as long. */
function isStuck({ latest, arrivedAt = -Infinity }: Device, afterMs: number): boolean {
  return latest.oldestWaitingMs >= afterMs && latest.to - arrivedAt >= afterMs
}

function stuck({ name, latest, arrivedAt }: Device): StuckDevice {
  const reasons = latest.held.toSorted(([a, x], [b, y]) => y - x || byName(a, b)).map(([reason]) => reason)
  const { oldestWaitingMs, backlogBytes } = latest
  return { device: name, oldestWaitingMs, backlogBytes, ...(arrivedAt !== undefined && { arrivedAt }), reasons }
}

function heldNow(devices: readonly Device[]): Pick<Report, 'held' | 'backlogBytes'> {
  return {
    held: shares(devices.flatMap(({ latest }) => latest.held)).map(({ name, ...share }) => ({ reason: name, ...share })),
    backlogBytes: devices.reduce((sum, { latest }) => sum + latest.backlogBytes, 0),
  }
}

/** Different names that are told apart; the rest are one. */
const mostShares = 200

/** By name, the most bytes first. */
function shares(parts: Amounts): { readonly name: string, readonly bytes: number, readonly devices: number }[] {
  const all = new Map<string, { bytes: number, devices: number }>()
  for (const [name, bytes] of parts) {
    const key = all.has(name) || all.size < mostShares ? name : 'other'
    const share = all.get(key) ?? { bytes: 0, devices: 0 }
    share.devices += 1
    share.bytes += bytes
    all.set(key, share)
  }
  return [...all].map(([name, share]) => ({ name, ...share })).sort((a, b) => b.bytes - a.bytes || b.devices - a.devices || byName(a.name, b.name))
}

const capSteps = [['up to 50 %', 0.5], ['up to 80 %', 0.8], ['up to 90 %', 0.9], ['under 100 %', 0.999_999], ['used up', Infinity]] as const

function capsNow(devices: readonly Device[]): Pick<Report, 'caps' | 'capsAtRisk' | 'capUse'> {
  const caps = devices.flatMap(({ name, latest }) => latest.caps.map(({ cap, ...state }) => ({ device: name, cap: printable(cap), ...state })))
  const atRisk = caps.filter(({ atRisk, usedBytes, limitBytes }) => atRisk || usedBytes >= limitBytes)
  return {
    caps: caps.length,
    capsAtRisk: atRisk.map(({ device, cap, usedBytes, limitBytes }) => ({ device, cap, usedBytes, limitBytes }))
      .sort((a, b) => shareUsed(b) - shareUsed(a) || byName(a.device, b.device) || byName(a.cap, b.cap)),
    capUse: steps(capSteps, caps.map(shareUsed)),
  }
}

export function shareUsed({ usedBytes, limitBytes }: Pick<CapAtRisk, 'usedBytes' | 'limitBytes'>): number {
  return limitBytes > 0 ? usedBytes / limitBytes : 1
}

const lagSteps = [
  ['nothing waits', 0], ['up to 1 hour', hourMs], ['up to 6 hours', 6 * hourMs], ['up to 1 day', dayMs], ['up to 3 days', 3 * dayMs],
  ['up to 7 days', 7 * dayMs], ['longer', Infinity],
] as const

function steps(scale: readonly (readonly [label: string, most: number])[], values: readonly number[]): Step[] {
  const counts = scale.map(([label]) => ({ label, count: 0 }))
  for (const value of values) {
    const step = counts[scale.findIndex(([, most]) => value <= most)]
    if (step) step.count += 1
  }
  return counts
}

/** Not by the reader's language: the same logs give the same report everywhere. */
function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
