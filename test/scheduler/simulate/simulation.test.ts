import { describe, expect, test } from 'vitest'
import type { Config } from '../../../config/options.ts'
import type { NetworkState, PowerState } from '../../../src/scheduler/conditions.ts'
import type { SimulationResult } from '../../../src/scheduler/simulate/result.ts'
import type { TraceEvent } from '../../../src/scheduler/simulate/trace.ts'
import { parseConfig } from '../../../config/parse.ts'
import { emptySettings } from '../../../src/journal/settings.ts'
import { Simulation } from '../../../src/scheduler/simulate/simulation.ts'
import { dayMs, hourMs } from './months.ts'

const start = Date.UTC(2026, 10, 2)
const streams = 'streams: [{ name: a, path: /a, purpose: tests, files: whole }, { name: b, path: /b, purpose: tests, files: whole, priority: high }]\n'

function configOf(rules = ''): Config {
  return parseConfig(`${streams}destination: file:///out\nstate: /state\ntimeZone: UTC\n${rules}`, '/c.yaml', { home: '/', hostname: 'h', timeZone: 'UTC', cwd: '/' }).config
}

function play(events: readonly TraceEvent[], rules = '', line = { free: 1_000_000, metered: 1_000_000 }): SimulationResult {
  const simulation = new Simulation({ config: configOf(rules), settings: emptySettings, header: { ratio: { a: 1, b: 1 }, line } })
  for (const event of events) simulation.add(event)
  return simulation.finish()
}

const mains: PowerState = { supply: 'mains', saver: 'off' }
const free: NetworkState = { cost: 'free' }
const well: TraceEvent = { at: start, power: mains, network: free }
const capture = (hours: number, bytes: number, stream = 'a'): TraceEvent => ({ at: start + hours * hourMs, captured: { stream, bytes } })
const end = (hours: number): TraceEvent => ({ at: start + hours * hourMs })

describe('a machine that is well', () => {
  test('sends all that it captured, with what the wire adds, and every day has its row', () => {
    const { days, totals } = play([well, capture(1, 10_000_000), capture(30, 1000), end(72)])
    expect(days.map(({ date, sentBytes }) => [date, sentBytes.free])).toEqual([['2026-11-02', 10_600_000], ['2026-11-03', 1060], ['2026-11-04', 0]])
    expect(totals).toMatchObject({ capturedBytes: 10_001_000, backlogBytes: 0, heldMs: {}, againBytes: 0 })
  })

  test('waits for company as long as the config says, then for the line', () => {
    const { totals } = play([well, capture(1, 1_000_000), end(2)], 'seal: { age: 10m }', { free: 10_000, metered: 1 })
    expect(totals.longestWaitMs).toBe(600_000 + 106_000)
  })

  test('sends at the rate of the config where that is less than the line', () => {
    const sent = play([well, capture(1, 100_000_000), end(2)], 'rate: { max: 10 kB/s }').totals.sentBytes.free
    expect(sent).toBeLessThanOrEqual(36_000_000)
    expect(sent).toBeGreaterThan(35_999_000) // each pack ends at a whole millisecond
  })
})

describe('what waits is told by what held it', () => {
  test('each reason with how long, and the day’s end with what is left', () => {
    const { days } = play([well, { at: start + hourMs, network: { cost: 'metered' } }, capture(2, 1_000_000), { at: start + 5 * hourMs, network: { cost: 'roaming' } }, end(8)])
    expect(days[0]).toMatchObject({ heldMs: { metered: 3 * hourMs, roaming: 3 * hourMs }, backlogBytes: 1_060_000, waitingBytes: { metered: 530_000, roaming: 530_000 }, meteredMs: 7 * hourMs })
  })

  test('a cap leaves the rest for its next period', () => {
    const { days } = play([well, capture(1, 10_000_000), end(48)], 'caps: [{ limit: 6 MB, per: day }]')
    const sent = days.map(({ sentBytes }) => sentBytes.free)
    expect(sent[0]).toBeLessThanOrEqual(6_000_000)
    expect(sent[0]).toBeGreaterThan(6_000_000 - 65_536)
    expect(sent.reduce((sum, bytes) => sum + bytes, 0)).toBe(10_600_000)
    expect(days[0]?.caps).toEqual([{ id: 'policy-day', usedBytes: sent[0], limitBytes: 6_000_000 }])
  })

  test('a machine that sleeps sends nothing, and goes on where it was', () => {
    const { days, totals } = play([
      well, capture(1, 36_000_000), { at: start + 2 * hourMs, suspend: true }, { at: start + 50 * hourMs, wake: true }, end(72),
    ], '', { free: 5000, metered: 1 })
    expect(days.map(({ asleepMs }) => asleepMs / hourMs)).toEqual([22, 24, 2])
    expect(days[1]).toMatchObject({ sentBytes: { free: 0 }, waitingBytes: { asleep: days[1]?.backlogBytes } })
    expect(totals.sentBytes.free).toBe(38_160_000)
  })
})

describe('a pause', () => {
  const paused = (captures: 'hold' | 'drop'): TraceEvent => ({ at: start + hourMs, pause: { captures, forMs: 2 * hourMs } })
  test('holds what is captured meanwhile', () => {
    expect(play([well, paused('hold'), capture(2, 1000), end(5)]).totals).toMatchObject({ droppedBytes: 0, backlogBytes: 0, sentBytes: { free: 1060 }, heldMs: { paused: hourMs } })
  })
  test('or drops it, as the worker chose, until it ends', () => {
    expect(play([well, paused('drop'), capture(2, 1000), capture(4, 500), end(5)]).totals).toMatchObject({ droppedBytes: 1000, sentBytes: { free: 530 } })
  })
})

test('a queue of high priority that never ends cannot keep another waiting for longer than some days', () => {
  const events = Array.from({ length: 20 * 24 }, (_, hour) => capture(hour, 5_000_000, 'b'))
  const { totals } = play([well, capture(0, 1_000_000, 'a'), ...events, end(20 * 24)], '', { free: 1000, metered: 1 })
  const simulation = new Simulation({
    config: configOf(), settings: emptySettings, header: { ratio: { a: 1, b: 1 }, line: { free: 1000 } },
    observe: { sent: ({ queue, arrived, to }) => { if (queue.name === 'any' && arrived) arrivedAt = Math.min(arrivedAt, to) } },
  })
  let arrivedAt = Infinity
  for (const event of [well, capture(0, 1_000_000, 'a'), ...events, end(20 * 24)]) simulation.add(event)
  simulation.finish()
  expect(totals.backlogBytes).toBeGreaterThan(0)
  expect(arrivedAt - start).toBeLessThan(3 * dayMs)
})

test('of two that contradict each other at one time the stricter counts, in either order', () => {
  const at = start + hourMs
  const pairs: [TraceEvent, TraceEvent, TraceEvent][] = [
    [{ at, network: free }, { at, network: { cost: 'roaming' } }, { at, network: { cost: 'roaming' } }],
    [{ at, power: mains }, { at, power: { supply: 'battery', percent: 5, saver: 'off' } }, { at, power: { supply: 'battery', percent: 5, saver: 'off' } }],
    [{ at, pause: { captures: 'hold' } }, { at, resume: true }, { at, pause: { captures: 'hold' } }],
    [{ at, pause: { captures: 'hold', forMs: 1 } }, { at, pause: { captures: 'drop' } }, { at, pause: { captures: 'drop' } }],
    [{ at, suspend: true }, { at, wake: true }, { at, wake: true }],
  ]
  for (const [one, other, stricter] of pairs) {
    const result = play([well, stricter, capture(2, 1000), end(9)])
    expect(play([well, one, other, capture(2, 1000), end(9)])).toEqual(result)
    expect(play([well, other, one, capture(2, 1000), end(9)])).toEqual(result)
  }
})

test('the person’s own bytes count for the plan', () => {
  const rules = 'plan: { limit: 1 GB, keep: 20% }'
  expect(play([well, { at: start, userBytes: 700_000_000 }, capture(1, 1000), end(9)], rules).totals.heldMs).toEqual({})
  expect(play([well, { at: start, userBytes: 900_000_000 }, capture(1, 1000), end(9)], rules).totals.heldMs).toEqual({ plan: 8 * hourMs })
})

test('a network that the worker named counts as they said, and for its caps', () => {
  const settings = { ...emptySettings, networks: [{ id: 'cafe', name: 'corner', cost: 'free' as const }], caps: [{ id: 'x', per: 'day' as const, limitBytes: 100_000, network: 'corner' }] }
  const simulation = new Simulation({ config: configOf(), settings, header: { ratio: { a: 1 }, line: {} } })
  for (const event of [{ at: start, power: mains, network: { cost: 'metered' as const, id: 'cafe' } }, capture(1, 1_000_000), end(9)]) simulation.add(event)
  const { totals, days } = simulation.finish()
  expect(totals.sentBytes).toEqual({ free: 65_536, metered: 0 })
  expect(days[0]?.heldMs).toHaveProperty('cap-day')
})

test('a stream that the config does not name is played by the ordinary rules, and too many are refused', () => {
  expect(play([well, capture(1, 1000, 'unheard-of'), end(9)]).totals.sentBytes.free).toBe(265)
  expect(() => play([well, ...Array.from({ length: 300 }, (_, index) => capture(1, 1, `s${index}`)), end(9)])).toThrow(/200 streams/)
})
