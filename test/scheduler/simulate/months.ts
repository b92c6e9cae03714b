import { checkConfig } from '../../../config/parse.ts'
import type { Config } from '../../../config/options.ts'
import type { Cap } from '../../../src/budget/cap.ts'
import type { NetworkCost } from '../../../src/scheduler/conditions.ts'
import type { SimulatedSettings } from '../../../src/scheduler/simulate/simulated-judge.ts'
import type { TraceEvent, TraceHeader } from '../../../src/scheduler/simulate/trace.ts'
import { createRandom } from '../../../cli/demo/random.ts'

export const hourMs = 3_600_000
export const dayMs = 24 * hourMs

/** A random month, and some time after it in which the machine is well and awake. */
export interface Month {
  readonly config: Config
  readonly settings: SimulatedSettings
  readonly header: TraceHeader
  /** In order of time. */
  readonly events: readonly TraceEvent[]
  readonly hasClockSteps: boolean
  /** When the good time begins. */
  readonly goodFrom: number
}

/** Months with a day of 23, 25, 23.5 or 24.5 hours, one without a midnight, a year's end, and short and long ones. */
const calendars: readonly (readonly [timeZone: string, start: string])[] = [
  ['Europe/Berlin', '2026-03-14T05:00Z'], ['Europe/Berlin', '2026-10-10T22:00Z'],
  ['America/New_York', '2026-03-01T05:00Z'], ['America/New_York', '2026-10-20T04:00Z'],
  ['Australia/Lord_Howe', '2026-03-25T00:00Z'], ['Australia/Lord_Howe', '2026-09-20T13:30Z'],
  ['Africa/Cairo', '2026-04-10T12:00Z'], ['America/Santiago', '2026-08-20T04:00Z'],
  ['UTC', '2026-12-10T00:00Z'], ['Pacific/Auckland', '2026-12-20T11:00Z'], ['UTC', '2026-01-30T00:00Z'], ['Asia/Kolkata', '2028-02-10T00:00Z'],
]

const base = checkConfig('streams: [{ name: a, path: /a, purpose: tests, files: whole }]\ndestination: file:///out\nstate: /state\n', '/c.yaml',
  { home: '/', hostname: 'h', timeZone: 'UTC', cwd: '/' })

export class Dice {
  readonly random: () => number

  constructor(seed: number) {
    this.random = createRandom(seed)
  }

  one<T>(...items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)] as T
  }

  int(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1))
  }

  /** Small ones as often as large ones. */
  size(low: number, high: number): number {
    return Math.round(low * (high / low) ** this.random())
  }

  chance(part: number): boolean {
    return this.random() < part
  }

  shuffled<T>(items: readonly T[]): T[] {
    return items.map((item) => [this.random(), item] as const).sort(([a], [b]) => a - b).map(([, item]) => item)
  }
}

const streamNames = ['pointer', 'screens', 'mail']

export function randomMonth(seed: number): Month {
  const dice = new Dice(seed)
  const [timeZone, startText] = dice.one(...calendars)
  const start = Date.parse(startText)
  const goodFrom = start + dice.int(26, 32) * dayMs + dice.int(0, dayMs)
  const hasClockSteps = dice.chance(0.25)
  const goodDays = dice.chance(0.1) ? 70 : 9
  const events = [
    ...eventsBetween(dice, start, goodFrom, hasClockSteps),
    { at: goodFrom, power: { supply: 'mains', percent: 100, saver: 'off' }, network: { cost: 'free', id: 'home', reach: 'full' }, resume: true, wake: true, clockAheadMs: 0 },
    { at: goodFrom + (goodDays + (hasClockSteps ? 30 : 0)) * dayMs },
  ] satisfies TraceEvent[]
  return {
    config: randomConfig(dice, timeZone, start), events, hasClockSteps, goodFrom,
    settings: {
      caps: dice.chance(0.5) ? [randomCap(dice, 'worker')] : [],
      networks: dice.chance(0.3) ? [{ id: 'cafe', name: 'the-cafe', cost: dice.one('free', 'metered', 'auto') }] : [],
      streamsOff: dice.chance(0.15) ? [{ stream: dice.one(...streamNames), since: start }] : [],
    },
    header: { ratio: { screens: 0.5, pointer: 0.1 }, line: { free: dice.size(2e5, 1e7), metered: dice.size(5e4, 1e6) } },
  }
}

function randomConfig(dice: Dice, timeZone: string, start: number): Config {
  if ('problems' in base) throw new Error('the test’s own config is wrong')
  const sendAbove = dice.int(0, 95)
  return {
    ...base.config,
    timeZone,
    streams: streamNames.map((name) => ({
      name, folder: `/${name}`, include: ['**'], purpose: 'tests', files: 'whole', fidelity: 'bytes', quietMs: 0, onSent: 'keep',
      priority: dice.one('high', 'normal', 'normal', 'low'), optional: dice.chance(0.2),
      ...(dice.chance(0.25) && { networks: dice.one<readonly ('free' | 'metered')[]>(['free'], ['metered'], ['free', 'metered']) }),
    })),
    caps: Array.from({ length: dice.int(0, 3) }, (_, index) => randomCap(dice, `policy-${index}`)),
    power: {
      sendAboveBatteryPercent: sendAbove, lowBatteryPercent: dice.int(0, sendAbove),
      onPowerSaver: dice.one('hold', 'trickle', 'send'), onUnknown: dice.one('hold', 'trickle', 'send'),
    },
    network: { onUnknown: dice.one('metered', 'free'), onMetered: dice.one('hold', 'hold', 'trickle', 'send') },
    seal: { sizeBytes: dice.one(256 << 10, 1 << 20, 4 << 20), ageMs: dice.one(60_000, 300_000, hourMs) },
    windows: dice.chance(0.3) ? Array.from({ length: dice.int(1, 2) }, () => ({
      days: [...new Set([dice.int(0, 6), dice.int(0, 6), dice.int(0, 6)])].sort((a, b) => a - b),
      fromMinutes: 30 * dice.int(0, 47), toMinutes: 30 * dice.int(0, 47),
    })).map((window) => window.fromMinutes === window.toMinutes - 30 ? { ...window, toMinutes: window.fromMinutes } : window) : [],
    rate: { trickleBytesPerSecond: dice.size(8e3, 1e5), yields: true, ...(dice.chance(0.2) && { maxBytesPerSecond: dice.size(1e5, 1e6) }) },
    exemptions: dice.chance(0.25) ? [{
      because: dice.one('limited-line', 'no-charger', 'sensitive-work'),
      ...(dice.chance(0.6) && { streams: [dice.one(...streamNames)] }),
      ...(dice.chance(0.5) && { until: start + dice.one(dice.int(1, 25), 400) * dayMs }),
    }] : [],
    ...(dice.chance(0.1) && { plan: { limitBytes: dice.size(1e7, 1e9), per: dice.one('day', 'week', 'month'), keepPercent: dice.int(0, 50) } }),
  }
}

function randomCap(dice: Dice, id: string): Cap {
  const per = dice.one('day', 'week', 'month', 'rolling')
  return {
    id, per, limitBytes: dice.size(7e4, 1e8),
    ...(per === 'month' && dice.chance(0.6) && { resetDay: dice.one(1, 15, 28, 29, 30, 31, 31) }),
    ...(per === 'rolling' && { days: dice.one(1, 3, 7, 30) }),
    ...((per === 'week' || per === 'month') && dice.chance(0.4) && { pace: true }),
    ...(dice.chance(0.2) && { network: dice.one('home', 'the-cafe') }),
    ...(dice.chance(0.2) && { on: dice.one('free', 'metered') }),
    ...(dice.chance(0.2) && { stream: dice.one(...streamNames) }),
  }
}

const costs: readonly NetworkCost[] = ['free', 'free', 'free', 'free', 'metered', 'metered', 'near-limit', 'over-limit', 'roaming', 'unknown', 'offline']

type Kind = Exclude<keyof TraceEvent, 'at'>
const kinds: readonly Kind[] = [
  ...Array<Kind>(24).fill('captured'), ...Array<Kind>(8).fill('power'), ...Array<Kind>(8).fill('network'),
  'pause', 'resume', 'resume', 'sendNow', 'suspend', 'wake', 'wake', 'userBytes',
]

/** At most one of a kind at one time, but for captures: what contradicts itself has tests of its own. */
function eventsBetween(dice: Dice, start: number, end: number, hasClockSteps: boolean): TraceEvent[] {
  const at = Array.from({ length: dice.int(30, 110) }, () => start + dice.int(0, end - start - 1))
  const times = at.map((time) => dice.chance(0.3) ? dice.one(...at) : time).sort((a, b) => a - b)
  const seen = new Set<string>()
  const all = times.map((time) => randomEvent(dice, time, dice.one(...(hasClockSteps ? [...kinds, 'clockAheadMs' as const] : kinds))))
  return all.filter((event) => {
    const key = `${event.at} ${Object.keys(event).join()}`
    const isNew = 'captured' in event || !seen.has(key)
    seen.add(key)
    return isNew
  })
}

function randomEvent(dice: Dice, at: number, kind: Kind): TraceEvent {
  switch (kind) {
    case 'captured': return { at, captured: { stream: dice.one(...streamNames), bytes: dice.size(1, 3e7) } }
    case 'power': return {
      at, power: {
        supply: dice.one('mains', 'mains', 'battery', 'battery', 'unknown'), saver: dice.one('off', 'off', 'off', 'on', 'unknown'),
        ...(dice.chance(0.9) && { percent: dice.int(0, 100) }), ...(dice.chance(0.1) && { weakCharger: true }),
      },
    }
    case 'network': return {
      at, network: {
        cost: dice.one(...costs), ...(dice.chance(0.8) && { id: dice.one('home', 'cafe', 'office') }),
        ...(dice.chance(0.1) && { reach: dice.one('portal', 'full', 'unknown') }),
      },
    }
    case 'pause': return { at, pause: { captures: dice.one('hold', 'drop'), ...(dice.chance(0.7) && { forMs: dice.int(1, 2 * dayMs) }) } }
    case 'resume': return { at, resume: true }
    case 'sendNow': return { at, sendNow: { forMs: dice.int(1, 6 * hourMs) } }
    case 'suspend': return { at, suspend: true }
    case 'wake': return { at, wake: true }
    case 'userBytes': return { at, userBytes: dice.size(1, 1e8) }
    case 'clockAheadMs': return { at, clockAheadMs: dice.one(0, dice.int(-20 * dayMs, 20 * dayMs), dice.int(-3 * hourMs, 3 * hourMs)) }
  }
}
