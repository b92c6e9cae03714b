import { expect, test } from 'vitest'
import { either, networkSensor } from '../../src/network/network-sensor.ts'
import type { NetworkState, Reading } from '../../src/scheduler/conditions.ts'
import { settable } from '../../src/scheduler/sensor.ts'
import type { SettableSensor } from '../../src/scheduler/sensor.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'

const clock = () => suiteNow

function saying(cost: NetworkState['cost'], source: string): SettableSensor<NetworkState> {
  return settable<NetworkState>({ cost }, clock, source)
}

const routes = 'routing table'

test.each<[string, [NetworkState['cost'], string], [NetworkState['cost'], string], [NetworkState['cost'], string]]>([
  ['NetworkManager counts where it knows', ['free', 'NetworkManager'], ['metered', routes], ['free', 'NetworkManager']],
  ['and where it says that it does not know',
    ['unknown', 'NetworkManager'], ['metered', routes], ['unknown', 'NetworkManager']],
  ['without it, the routes', ['unknown', 'none'], ['metered', routes], ['metered', routes]],
  ['without both, nobody', ['unknown', 'none'], ['unknown', 'none'], ['unknown', 'none']],
  ['while it hangs, the routes, and why',
    ['unknown', 'NetworkManager: no answer'], ['offline', routes],
    ['offline', `${routes}; NetworkManager: no answer`]],
  ['a link that it does not look after is a link',
    ['offline', 'NetworkManager'], ['unknown', routes], ['unknown', routes]],
  ['offline where both say so', ['offline', 'NetworkManager'], ['offline', routes], ['offline', 'NetworkManager']],
])('%s', async (_claim, manager, kernel, told) => {
  const reading: Reading<NetworkState> = await either(saying(...manager), saying(...kernel)).read()
  expect([reading.value.cost, reading.source]).toEqual(told)
})

sensorSuite('NetworkManager with the routes behind it', async () => {
  const manager = saying('free', 'NetworkManager')
  return { sensor: either(manager, saying('unknown', routes)), change: async () => manager.set({ cost: 'metered' }) }
}, ({ cost }) => ['free', 'metered'].includes(cost))

test('an operating system that nobody here knows is unknown, and says which', async () => {
  const sensor = networkSensor({
    destination: 'https://collector.example.com/', clock, platform: 'aix', secret: () => new Uint8Array(32),
  })
  expect(await sensor.read()).toEqual({ value: { cost: 'unknown' }, source: 'none on aix', at: suiteNow })
})

test('a secret that cannot be had costs the identity, not the reading', async () => {
  let asked = 0
  const sensor = networkSensor({
    destination: 'https://collector.example.com/', clock, platform: 'linux', busAddress: 'unix:path=/nonexistent/bus',
    secret: () => {
      asked += 1
      throw new Error('no disk')
    },
  })
  const reading = await sensor.read()
  await sensor.read()
  expect(reading.value.id).toBeUndefined()
  expect(asked).toBeLessThanOrEqual(1)
  await sensor.close()
})
