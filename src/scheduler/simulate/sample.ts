import type { NetworkState, PowerState } from '../conditions.ts'
import type { TraceEvent, TraceHeader } from './trace.ts'
import { clockTime, dayMs } from '../../budget/civil-day.ts'

/** 0 ≤ n < 1 */
type Random = () => number

/** What a person's machine goes through on a working day: minutes after midnight, and what happens then. */
type Stage = readonly [minutes: number, event: Omit<TraceEvent, 'at'>, work?: 'begins' | 'ends']

interface Sample {
  readonly meaning: string
  /** Rules to go with it, in the words of the config file. */
  readonly rules: string
  readonly day: (random: Random) => readonly Stage[]
}

const mains = (percent: number): PowerState => ({ supply: 'mains', percent, saver: 'off' })
const battery = (percent: number): PowerState => ({ supply: 'battery', percent: Math.round(percent), saver: 'off' })
const office: NetworkState = { cost: 'free', id: 'office' }
const home: NetworkState = { cost: 'free', id: 'home' }
const limitedHome: NetworkState = { cost: 'metered', id: 'home' }
const phone: NetworkState = { cost: 'metered', id: 'phone', because: 'phone hotspot' }
const offline: NetworkState = { cost: 'offline' }

/** Later or earlier by up to ten minutes. */
const about = (random: Random, hour: number): number => Math.round(hour * 60 + (random() - 0.5) * 20)

export const samples = {
  'office': {
    meaning: 'a desk with a charger and free Wi-Fi, meetings on battery',
    rules: '',
    day: (random) => [
      [about(random, 8.5), { wake: true, power: mains(70), network: office }, 'begins'],
      [about(random, 10), { power: battery(95) }],
      [about(random, 11), { power: mains(75) }],
      [about(random, 12.5), { suspend: true }, 'ends'],
      [about(random, 13.2), { wake: true }, 'begins'],
      [about(random, 15), { power: battery(60 - 40 * random()) }],
      [about(random, 16), { power: mains(40) }],
      [about(random, 17.5), { suspend: true }, 'ends'],
    ],
  },
  'train': {
    meaning: 'two hours on a train each day, on battery and a phone’s hotspot',
    rules: '',
    day: (random) => [
      [about(random, 7), { wake: true, power: battery(90), network: phone }, 'begins'],
      [about(random, 7.5), { network: offline }],
      [about(random, 7.9), { network: phone }],
      [about(random, 8.3), { suspend: true }, 'ends'],
      [about(random, 9), { wake: true, power: mains(60), network: office }, 'begins'],
      [about(random, 16.5), { suspend: true }, 'ends'],
      [about(random, 17), { wake: true, power: battery(85), network: phone }, 'begins'],
      [about(random, 18), { power: battery(30 + 30 * random()) }],
      [about(random, 18.4), { suspend: true }, 'ends'],
    ],
  },
  'limited-line': {
    meaning: 'at home on a line with a small data plan, 3 GB a month of it for Sluice',
    rules: 'network: { onMetered: send }\ncaps: [{ limit: 3 GB, per: month, pace: yes }]\n',
    day: (random) => [
      [about(random, 8.5), { wake: true, power: mains(100), network: limitedHome }, 'begins'],
      [about(random, 12.5), { suspend: true }, 'ends'],
      [about(random, 13.5), { wake: true }, 'begins'],
      [about(random, 17.5), { suspend: true }, 'ends'],
    ],
  },
  'no-charger': {
    meaning: 'free Wi-Fi, and a charger only in the evening',
    rules: '',
    day: (random) => [
      [about(random, 9), { wake: true, power: battery(95), network: home }, 'begins'],
      ...[80, 65, 52, 44, 38, 30, 22].map((percent, index): Stage =>
        [about(random, 10 + index), { power: battery(percent - 8 * random()) }]),
      [about(random, 17), { suspend: true }, 'ends'],
      [about(random, 19.5), { wake: true, power: mains(30) }],
      [about(random, 20.5), { suspend: true }],
    ],
  },
} as const satisfies Record<string, Sample>

export type SampleName = keyof typeof samples

export const sampleHeader: TraceHeader = { ratio: { pointer: 0.05, screens: 0.45, mail: 0.25 }, line: {} }

/** Bytes that an hour of work captures, on average. */
const bytesPerHour = { pointer: 2_500_000, screens: 45_000_000, mail: 3_000_000 }

const firstDay = Date.UTC(2026, 10, 1) / dayMs
const days = 30
const stepMs = 15 * 60_000

/** November 2026 of somebody who works from Monday to Friday. The same numbers from `random` give the same month. */
export function* sampleTrace(name: SampleName, timeZone: string, random: Random): Generator<TraceEvent> {
  yield { at: clockTime(firstDay, 0, timeZone), suspend: true, power: mains(100), network: offline }
  for (let day = firstDay; day < firstDay + days; day++) {
    if ((day + 3) % 7 >= 5) continue
    const stages: readonly Stage[] = samples[name].day(random)
    for (const [index, [minutes, event]] of stages.entries()) {
      const at = clockTime(day, minutes, timeZone)
      yield { at, ...event }
      const next = stages[index + 1]
      if (!next || !isWorking(stages, index)) continue
      yield* captures(at, clockTime(day, next[0], timeZone), random)
    }
  }
  yield { at: clockTime(firstDay + days, 0, timeZone) }
}

function isWorking(stages: readonly Stage[], index: number): boolean {
  return stages.slice(0, index + 1).findLast(([, , work]) => work !== undefined)?.[2] === 'begins'
}

function* captures(from: number, to: number, random: Random): Generator<TraceEvent> {
  for (let at = from + stepMs; at < to; at += stepMs) {
    for (const [stream, bytes] of Object.entries(bytesPerHour)) {
      yield { at, captured: { stream, bytes: Math.round(bytes * stepMs / 3_600_000 * 2 * random()) } }
    }
  }
}
