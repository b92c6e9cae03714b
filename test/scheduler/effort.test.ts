import { expect, test } from 'vitest'
import type { Conditions, NetworkState, PowerState } from '../../src/scheduler/conditions.ts'
import type { Level } from '../../src/scheduler/gate.ts'
import { effortFor, efforts } from '../../src/scheduler/effort.ts'

const conditions = (power: Partial<PowerState>, cost: NetworkState['cost']): Conditions => ({
  power: { value: { supply: 'mains', saver: 'off', ...power }, source: 'test', at: 0 },
  network: { value: { cost }, source: 'test', at: 0 },
})
const decision = (prepare: Level, send: Level) => ({ prepare, send })

test.each<[string, Partial<PowerState>, NetworkState['cost'], Level, Level, number]>([
  ['on a charger and a free network, sending', {}, 'free', 'full', 'full', 6],
  ['on a charger, metered', {}, 'metered', 'full', 'hold', 13],
  ['on a charger, metered and sending all the same', {}, 'metered', 'full', 'full', 13],
  ['on a charger, free but held by a cap or a window', {}, 'free', 'full', 'hold', 13],
  ['on a charger, offline', {}, 'offline', 'full', 'hold', 13],
  ['on battery', { supply: 'battery', percent: 90 }, 'free', 'trickle', 'full', 3],
  ['on battery and metered', { supply: 'battery', percent: 90 }, 'metered', 'trickle', 'hold', 3],
  ['on a charger that gives too little', { weakCharger: true }, 'metered', 'trickle', 'hold', 3],
  ['on a charger, saving power', { saver: 'on' }, 'metered', 'full', 'full', 3],
  ['power unknown, and nothing speaks against work', { supply: 'unknown', saver: 'unknown' }, 'free', 'full', 'full', 6],
  ['power unknown, work slowed', { supply: 'unknown', saver: 'unknown' }, 'free', 'trickle', 'full', 3],
])('%s', (_, power, cost, prepare, send, level) => {
  expect(effortFor('auto', conditions(power, cost), decision(prepare, send), 0)).toEqual({ level, isBulk: false })
})

test('a level that the config names holds whatever the conditions', () => {
  expect(effortFor(19, conditions({ supply: 'battery' }, 'metered'), decision('trickle', 'hold'), 0)).toEqual({ level: 19, isBulk: false })
  expect(effortFor(6, conditions({}, 'free'), decision('full', 'full'), 1e9)).toEqual({ level: 6, isBulk: false })
})

test('much at a stretch goes in bulk, but only where bytes cost nothing', () => {
  const much = 1e9
  expect(effortFor('auto', conditions({}, 'free'), decision('full', 'full'), much)).toEqual({ level: efforts.bulk, isBulk: true })
  expect(effortFor('auto', conditions({}, 'free'), decision('full', 'hold'), much)).toEqual({ level: 13, isBulk: false })
  expect(effortFor('auto', conditions({}, 'metered'), decision('full', 'full'), much)).toEqual({ level: 13, isBulk: false })
  expect(effortFor('auto', conditions({ supply: 'battery' }, 'free'), decision('full', 'full'), much)).toEqual({ level: 3, isBulk: false })
})
