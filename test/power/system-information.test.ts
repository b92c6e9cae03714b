import { describe, expect, test } from 'vitest'
import { systemInformationPower } from '../../src/power/system-information.ts'
import type { BatteryFacts } from '../../src/power/system-information.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'

const draining: BatteryFacts = { hasBattery: true, isCharging: false, acConnected: false, percent: 41.9 }

function sensorFor(battery: () => Promise<BatteryFacts>, platform: NodeJS.Platform = 'darwin', limitMs?: number) {
  return systemInformationPower({ clock: () => suiteNow, platform, battery, ...(limitMs !== undefined && { limitMs }) })
}

sensorSuite('systeminformation', async () => {
  let facts = draining
  const change = async () => {
    facts = { ...draining, acConnected: true }
  }
  return { sensor: sensorFor(async () => facts), change }
}, (value) => ['mains', 'battery', 'unknown'].includes(value.supply))

describe('power from systeminformation', () => {
  test.each<[string, Partial<BatteryFacts>, object]>([
    ['a draining battery, its charge rounded down', {}, { supply: 'battery', percent: 41 }],
    ['a plugged charger', { acConnected: true }, { supply: 'mains', percent: 41 }],
    ['a charging battery', { isCharging: true }, { supply: 'mains', percent: 41 }],
    ['no battery', { hasBattery: false }, { supply: 'mains' }],
    ['a charge that is no number', { percent: NaN }, { supply: 'battery' }],
  ])('%s', async (_, change, expected) => {
    expect((await sensorFor(async () => ({ ...draining, ...change })).read()).value).toEqual({ ...expected, saver: 'unknown' })
  })
  test('an error is unknown, and the source says which', async () => {
    const reading = await sensorFor(() => Promise.reject(new Error('no ioreg'))).read()
    expect(reading).toMatchObject({ value: { supply: 'unknown' }, source: 'systeminformation: no ioreg' })
  })
  test('no answer is unknown', async () => {
    const reading = await sensorFor(() => new Promise(() => {}), 'win32', 5).read()
    expect(reading).toMatchObject({ value: { supply: 'unknown' }, source: 'systeminformation: no answer within 0.005 s' })
  })
  test('where the library cannot be trusted it is not asked', async () => {
    const reading = await sensorFor(() => Promise.reject(new Error('was asked')), 'freebsd').read()
    expect(reading).toMatchObject({ value: { supply: 'unknown' }, source: 'none on freebsd' })
  })
  test('the real library loads and answers', async () => {
    const reading = await systemInformationPower({ clock: () => suiteNow, platform: 'darwin' }).read()
    expect(reading.source).toBe('systeminformation')
  })
})
