import { describe, expect, test } from 'vitest'
import { withOverrides } from '../../src/network/overrides.ts'
import type { NetworkCost, NetworkState } from '../../src/scheduler/conditions.ts'
import { settable } from '../../src/scheduler/sensor.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'

const home = 'aaaaaaaaaaaa'
const clock = () => suiteNow

async function costWith(cost: NetworkCost, said: 'free' | 'metered'): Promise<NetworkState> {
  const sensor = settable<NetworkState>({ cost, id: home, because: 'phone hotspot' }, clock)
  return (await withOverrides(sensor, () => new Map([[home, said]])).read()).value
}

describe('the worker’s word', () => {
  test.each<['free' | 'metered', NetworkCost[], NetworkCost[]]>([
    ['free', ['unknown', 'metered', 'near-limit'], ['free', 'over-limit', 'roaming', 'offline']],
    ['metered', ['unknown', 'free', 'metered'], ['near-limit', 'over-limit', 'roaming', 'offline']],
  ])('%s replaces %j and leaves %j', async (said, replaced, left) => {
    const word = { cost: said, id: home, because: 'set by you' }
    for (const cost of replaced) expect(await costWith(cost, said)).toEqual(word)
    for (const cost of left) expect(await costWith(cost, said)).toEqual({ cost, id: home, because: 'phone hotspot' })
  })
  test('counts for its network only, and not where the network cannot be told', async () => {
    const sensor = settable<NetworkState>({ cost: 'metered', id: 'bbbbbbbbbbbb' }, clock)
    const over = withOverrides(sensor, () => new Map([[home, 'free']]))
    expect((await over.read()).value.cost).toBe('metered')
    sensor.set({ cost: 'metered' })
    expect((await over.read()).value.cost).toBe('metered')
  })
  test('counts from the next reading on', async () => {
    const said = new Map<string, 'free' | 'metered'>()
    const over = withOverrides(settable<NetworkState>({ cost: 'metered', id: home }, clock), () => said)
    expect((await over.read()).value.cost).toBe('metered')
    said.set(home, 'free')
    expect((await over.read()).value.cost).toBe('free')
    said.delete(home)
    expect((await over.read()).value.cost).toBe('metered')
  })
})

sensorSuite('a sensor with overrides', async () => {
  const sensor = settable<NetworkState>({ cost: 'metered', id: home }, clock)
  return {
    sensor: withOverrides(sensor, () => new Map([[home, 'free']])),
    change: async () => sensor.set({ cost: 'metered', id: 'bbbbbbbbbbbb' }),
  }
}, ({ cost }) => ['free', 'metered'].includes(cost))
