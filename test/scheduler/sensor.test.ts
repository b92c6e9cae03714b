import { expect, test } from 'vitest'
import { fixed, settable, within } from '../../src/scheduler/sensor.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'

const clock = () => suiteNow
const isWord = (value: string) => typeof value === 'string'

sensorSuite('fixed', async () => ({ sensor: fixed('free', clock) }), isWord)

sensorSuite('settable', async () => {
  const sensor = settable('free', clock)
  return { sensor, change: async () => sensor.set('metered') }
}, isWord)

test('a fixed sensor says that the config is its source, unless told otherwise', async () => {
  expect((await fixed('free', clock).read()).source).toBe('config')
  expect((await fixed('free', clock, 'no link used').read()).source).toBe('no link used')
})

test('the same function watching twice is told twice, and ends one at a time', () => {
  const sensor = settable('free', clock)
  let calls = 0
  const onChange = () => {
    calls += 1
  }
  const endFirst = sensor.watch(onChange)
  sensor.watch(onChange)
  sensor.set('metered')
  endFirst()
  sensor.set('free')
  expect(calls).toBe(3)
})

test('work that does not answer is rejected with its limit, and work that fails with its own error', async () => {
  await expect(within(new Promise(() => {}), 5)).rejects.toThrow('no answer within 0.005 s')
  await expect(within(Promise.reject(new Error('broken')), 60_000)).rejects.toThrow('broken')
  await expect(within(Promise.resolve(7), 60_000)).resolves.toBe(7)
})
