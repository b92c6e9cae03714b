import { expect, test } from 'vitest'
import { fixed, promptly, settable, within } from '../../src/scheduler/sensor.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'

const clock = () => suiteNow
const isWord = (value: string) => typeof value === 'string'

sensorSuite('fixed', async () => ({ sensor: fixed('free', clock) }), isWord)

sensorSuite('settable', async () => {
  const sensor = settable('free', clock)
  return { sensor, change: async () => sensor.set('metered') }
}, isWord)

sensorSuite('promptly', async () => {
  const sensor = settable('free', clock)
  return { sensor: promptly(sensor), change: async () => sensor.set('metered') }
}, isWord)

/** A sensor that answers when the test lets it. */
function slow() {
  const waiting: ((value: string) => void)[] = []
  let onChange = (): void => {}
  return {
    sensor: promptly<string>({
      read: () => new Promise((resolve) => waiting.push((value) => resolve({ value, source: 'slow', at: suiteNow }))),
      watch: (listener) => {
        onChange = listener
        return () => {}
      },
      close: async () => {},
    }, 1),
    reads: waiting,
    change: () => onChange(),
  }
}

test('a sensor that hangs keeps nobody waiting: its last answer counts until the next one comes, which is told', async () => {
  const { sensor, reads } = slow()
  const told = new Promise<void>((resolve) => void sensor.watch(resolve))
  const first = sensor.read()
  reads[0]?.('free')
  expect((await first).value).toBe('free')
  expect((await sensor.read()).value).toBe('free')
  reads[1]?.('metered')
  await told
  const third = sensor.read()
  reads[2]?.('metered')
  expect((await third).value).toBe('metered')
})

test('a slow answer that says the same as the last one is told to nobody', async () => {
  const { sensor, reads } = slow()
  let told = 0
  sensor.watch(() => { told++ })
  const first = sensor.read()
  reads[0]?.('free')
  await first
  await sensor.read()
  reads[1]?.('free')
  const third = sensor.read()
  reads[2]?.('free')
  await third
  expect(told).toBe(0)
})

test('an answer that was asked for before a change does not stand for what came after it', async () => {
  const { sensor, reads, change } = slow()
  sensor.watch(() => {})
  const before = sensor.read()
  change()
  const after = sensor.read()
  reads[1]?.('metered')
  reads[0]?.('free')
  expect([(await before).value, (await after).value]).toEqual(['free', 'metered'])
  expect((await sensor.read()).value).toBe('metered')
})

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
