import type { Cap } from '../../../src/budget/cap.ts'
import type { SendWindow } from '../../../src/scheduler/windows.ts'
import type { SentPiece } from '../../../src/scheduler/simulate/simulation.ts'
import type { TraceEvent } from '../../../src/scheduler/simulate/trace.ts'
import type { Month } from './months.ts'
import { dayMs } from './months.ts'

/**
 * What must hold of the bytes that left, worked out from the trace and the rules alone: with dates as a calendar shows
 * them, and none of the gate's or the budget's own code.
 */

const formats = new Map<string, Intl.DateTimeFormat>()
const shown = new Map<string, Local>()

interface Local {
  /** Days since 1970-01-01. */
  readonly day: number
  readonly minutes: number
  readonly offsetMs: number
}

/** What a clock on the wall shows; zones change at whole quarters of an hour. */
function local(at: number, timeZone: string): Local {
  const quarter = Math.floor(at / 900_000) * 900_000
  const key = `${timeZone} ${quarter}`
  let found = shown.get(key)
  if (!found) {
    if (shown.size > 200_000) shown.clear()
    let format = formats.get(timeZone)
    if (!format) formats.set(timeZone, format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }))
    const wall = Date.parse(`${format.format(quarter).replace(' ', 'T')}Z`)
    found = { day: Math.floor(wall / dayMs), minutes: wall % dayMs / 60_000, offsetMs: wall - quarter }
    shown.set(key, found)
  }
  return { ...found, minutes: found.minutes + Math.floor((at - quarter) / 60_000) }
}

/** Names the period of a cap that a day belongs to. */
function periodName({ per, resetDay = 1 }: Cap, day: number): string {
  const date = new Date(day * dayMs)
  if (per === 'day') return String(day)
  if (per === 'week') return `week ${day - (date.getUTCDay() + 6) % 7}`
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate()
  const begins = date.getUTCDate() >= Math.min(resetDay, lastDay)
  return new Date(Date.UTC(year, begins ? month : month - 1)).toISOString().slice(0, 7)
}

function isCounted(cap: Cap, { route, queue }: SentPiece, month: Month): boolean {
  const id = month.settings.networks.find(({ name }) => name === cap.network)?.id ?? cap.network
  return (cap.network === undefined || route.network === undefined || id === route.network) && (cap.on === undefined || cap.on === route.on)
    && (cap.stream === undefined || queue.streams.some(({ name }) => name === cap.stream))
}

export const capsOf = ({ config, settings }: Month): Cap[] => [...config.caps, ...settings.caps]

/** Every cap, with each period in which it was exceeded. */
export function exceededCaps(month: Month, pieces: readonly SentPiece[]): string[] {
  return capsOf(month).flatMap((cap) => {
    const mine = pieces.filter((piece) => isCounted(cap, piece, month))
    if (cap.per === 'rolling') return exceededWindows(cap, mine)
    return [...usedByPeriod(cap, mine, month)].filter(([, used]) => used > cap.limitBytes)
      .map(([period, used]) => `${cap.id}: ${used} of ${cap.limitBytes} in ${period}`)
  })
}

function usedByPeriod(cap: Cap, pieces: readonly SentPiece[], { config: { timeZone } }: Month): Map<string, number> {
  const used = new Map<string, number>()
  for (const { from, to, clockAheadMs, bytes } of pieces) {
    const period = periodName(cap, local(from + clockAheadMs, timeZone).day)
    const after = periodName(cap, local(to - 1 + clockAheadMs, timeZone).day)
    if (after !== period) used.set(`${period}, though it ends in ${after}`, Infinity)
    used.set(period, (used.get(period) ?? 0) + bytes)
  }
  return used
}

/** What of a cap is used at `at`. */
export function usedAt(cap: Cap, at: number, pieces: readonly SentPiece[], month: Month): number {
  const mine = pieces.filter((piece) => isCounted(cap, piece, month))
  if (cap.per === 'rolling') return mine.filter(({ to }) => to > at - (cap.days ?? 1) * dayMs).reduce((sum, { bytes }) => sum + bytes, 0)
  return usedByPeriod(cap, mine, month).get(periodName(cap, local(at, month.config.timeZone).day)) ?? 0
}

function exceededWindows(cap: Cap, pieces: readonly SentPiece[]): string[] {
  const walls = pieces.map(({ from, to, clockAheadMs, bytes }) => ({ from: from + clockAheadMs, to: to + clockAheadMs, bytes })).sort((a, b) => a.to - b.to)
  return walls.flatMap(({ to: end }) => {
    const start = end - (cap.days ?? 1) * dayMs
    const used = walls.filter(({ from, to }) => from >= start && to <= end).reduce((sum, { bytes }) => sum + bytes, 0)
    return used > cap.limitBytes ? [`${cap.id}: ${used} of ${cap.limitBytes} in ${cap.days} days before ${end}`] : []
  })
}

/** Days on which a cap with pace gave more than what is left divided by the days that are left. */
export function exceededShares(month: Month, pieces: readonly SentPiece[]): string[] {
  return capsOf(month).filter(({ pace }) => pace).flatMap((cap) => {
    const byDay = new Map<number, number>()
    for (const piece of pieces) {
      if (!isCounted(cap, piece, month)) continue
      const { day } = local(piece.from, month.config.timeZone)
      byDay.set(day, (byDay.get(day) ?? 0) + piece.bytes)
    }
    return [...byDay].filter(([day, used]) => used > shareOn(cap, day, byDay)).map(([day, used]) => `${cap.id}: ${used} of ${shareOn(cap, day, byDay)} on ${day}`)
  })
}

function shareOn(cap: Cap, day: number, byDay: ReadonlyMap<number, number>): number {
  const period = periodName(cap, day)
  let before = 0
  for (let earlier = day - 1; periodName(cap, earlier) === period; earlier--) before += byDay.get(earlier) ?? 0
  let days = 1
  while (periodName(cap, day + days) === period) days++
  return (cap.limitBytes - before) / days
}

/** What a trace has made of the machine, event by event. */
export interface Machine {
  readonly asleep: boolean
  readonly power: NonNullable<TraceEvent['power']>
  readonly network: NonNullable<TraceEvent['network']>
  readonly pause: { readonly until: number; readonly captures: 'hold' | 'drop' } | undefined
  readonly sendNowUntil: number
  readonly clockAheadMs: number
}

const atFirst: Machine = {
  asleep: false, power: { supply: 'unknown', saver: 'unknown' }, network: { cost: 'unknown' }, pause: undefined, sendNowUntil: -Infinity, clockAheadMs: 0,
}

/** The machine after each time at which something happened. */
export function history({ events, settings }: Month): { readonly at: number; readonly machine: Machine; readonly captured: readonly NonNullable<TraceEvent['captured']>[] }[] {
  let machine = atFirst
  return [...Map.groupBy(events, ({ at }) => at)].map(([at, together]) => {
    const all = together.reduce<Omit<TraceEvent, 'at'>>((sum, each) => ({ ...sum, ...each }), {})
    const clockAheadMs = all.clockAheadMs ?? machine.clockAheadMs
    const wall = at + clockAheadMs
    const said = settings.networks.find(({ id }) => id === all.network?.id)?.cost ?? 'auto'
    const isSpoken = said !== 'auto' && all.network && ['unknown', 'metered', said === 'free' ? 'near-limit' : 'free'].includes(all.network.cost)
    machine = {
      asleep: all.wake ? false : all.suspend ? true : machine.asleep,
      power: all.power ?? machine.power,
      network: all.network ? { ...all.network, ...(isSpoken && { cost: said }) } : machine.network,
      pause: all.pause ? { until: wall + (all.pause.forMs ?? Infinity), captures: all.pause.captures } : all.resume ? undefined : machine.pause,
      sendNowUntil: all.sendNow ? wall + all.sendNow.forMs : machine.sendNowUntil,
      clockAheadMs,
    }
    return { at, machine, captured: together.flatMap(({ captured }) => captured ?? []) }
  })
}

/** Every piece that left while something spoke against it, with what did. */
export function sentWhileHeld(month: Month, pieces: readonly SentPiece[]): string[] {
  const states = history(month)
  let index = 0
  return pieces.flatMap((piece) => {
    while ((states[index + 1]?.at ?? Infinity) <= piece.from) index++
    const state = states[index]
    if (!state) return ['before the trace']
    const across = (states[index + 1]?.at ?? Infinity) < piece.to ? ['something happened while it left'] : []
    return [...across, ...against(month, state.machine, piece)].map((why) => `${why}: ${piece.bytes} bytes at ${piece.from}`)
  })
}

function against({ config, settings }: Month, { asleep, power, network, pause, sendNowUntil, clockAheadMs }: Machine, { from, to, queue, route }: SentPiece): string[] {
  const wall = from + clockAheadMs
  const last = to - 1 + clockAheadMs
  const asked = sendNowUntil > last
  const counts = network.cost === 'unknown' ? config.network.onUnknown : network.cost === 'free' ? 'free' : 'metered'
  const streams = queue.streams.map(({ name }) => name)
  const exempted = (because: string) => config.exemptions.some((each) => each.because === because && (each.until ?? Infinity) > wall
    && (!each.streams || each.streams.some((stream) => streams.includes(stream))))
  const onBattery = power.supply === 'battery' || (power.supply === 'mains' && power.weakCharger === true)
  const { percent } = power
  const rules: Record<string, boolean> = {
    'asleep': asleep,
    'counted elsewhere': route.on !== counts || route.network !== network.id,
    'paused': pause !== undefined && pause.until > wall,
    'stream off': settings.streamsOff.some(({ stream }) => streams.includes(stream)),
    'exempt work': exempted('sensitive-work'),
    'exempt charger': exempted('no-charger') && (power.supply !== 'mains' || power.weakCharger === true),
    'exempt line': exempted('limited-line') && network.cost !== 'free',
    'offline': network.cost === 'offline',
    'login page': network.reach === 'portal',
    'roaming': network.cost === 'roaming',
    'over limit': network.cost === 'over-limit',
    'near limit': network.cost === 'near-limit' && !asked,
    'metered': counts === 'metered' && config.network.onMetered === 'hold' && !asked,
    'stream network': streams.some((name) => config.streams.find((stream) => stream.name === name)?.networks?.includes(counts) === false),
    'battery low': onBattery && percent !== undefined && percent <= config.power.lowBatteryPercent,
    'battery': power.supply === 'battery' && percent !== undefined && percent <= config.power.sendAboveBatteryPercent && !asked,
    'saver': power.saver === 'on' && config.power.onPowerSaver === 'hold' && !asked,
    'power unknown': (power.supply === 'unknown' || (power.supply === 'battery' && percent === undefined)) && config.power.onUnknown === 'hold' && !asked,
    'window': !asked && [wall, last].some((at) => windowShown(config.windows, at, config.timeZone) === 'outside'),
  }
  return Object.keys(rules).filter((rule) => rules[rule])
}

/** Whether the clock on the wall shows a time in one of the windows; unclear near a change of the clock itself. */
export function windowShown(windows: readonly SendWindow[], at: number, timeZone: string): 'inside' | 'outside' | 'unclear' {
  if (windows.length === 0) return 'inside'
  const { day, minutes, offsetMs } = local(at, timeZone)
  if ([-2 * dayMs, -dayMs, dayMs].some((near) => local(at + near, timeZone).offsetMs !== offsetMs)) return 'unclear'
  const weekday = (new Date(day * dayMs).getUTCDay() + 6) % 7
  const isInside = windows.some(({ days, fromMinutes, toMinutes }) => {
    const overnight = toMinutes <= fromMinutes
    const today = days.includes(weekday) && minutes >= fromMinutes && (overnight || minutes < toMinutes)
    return today || (overnight && days.includes((weekday + 6) % 7) && minutes < toMinutes)
  })
  return isInside ? 'inside' : 'outside'
}
