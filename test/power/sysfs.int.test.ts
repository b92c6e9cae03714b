import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sysfsPower } from '../../src/power/sysfs.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { laptop, writeAttributes } from './supplies.ts'

async function machine(attributes: Record<string, string | number>, profile?: string) {
  const folder = await temporaryFolder()
  const suppliesFolder = join(folder, 'power_supply')
  await mkdir(suppliesFolder)
  await writeAttributes(suppliesFolder, attributes)
  if (profile !== undefined) await writeAttributes(folder, { platform_profile: profile })
  const sensor = sysfsPower({ clock: () => suiteNow, suppliesFolder, profileFile: join(folder, 'platform_profile') })
  return { sensor, suppliesFolder }
}

sensorSuite('sysfs', async () => {
  const { sensor, suppliesFolder } = await machine(laptop)
  return { sensor, change: () => writeAttributes(suppliesFolder, { 'ADP1/online': 1, 'BAT1/status': 'Charging' }) }
}, (value) => ['mains', 'battery', 'unknown'].includes(value.supply))

const mouse = { 'hidpp_battery_0/type': 'Battery', 'hidpp_battery_0/scope': 'Device', 'hidpp_battery_0/status': 'Discharging', 'hidpp_battery_0/capacity': 5 }
const usbC = { 'ucsi-source-psy-USBC000:001/type': 'USB', 'ucsi-source-psy-USBC000:001/online': 1 }
const role = 'ucsi-source-psy-USBC000:001/device/typec/port0/power_role'

describe('power from sysfs', () => {
  test.each<[string, Record<string, string | number>, object]>([
    ['a laptop on battery, charger ADP1 and battery BAT1', laptop, { supply: 'battery', percent: 42 }],
    ['the same plugged in', { ...laptop, 'ADP1/online': 1, 'BAT1/status': 'Charging' }, { supply: 'mains', percent: 42 }],
    ['two batteries, one draining', {
      ...laptop, 'BAT0/type': 'Battery', 'BAT0/status': 'Not charging', 'BAT0/capacity': 90, 'BAT0/energy_full': 20000000,
    }, { supply: 'battery', percent: 54 }],
    ['a desktop with a wireless mouse', mouse, { supply: 'mains' }],
    ['a laptop with a wireless mouse', { ...laptop, ...mouse }, { supply: 'battery', percent: 42 }],
    ['a USB-C charger', { ...laptop, ...usbC, [role]: 'source [sink]' }, { supply: 'mains', percent: 42 }],
    ['a USB-C port that charges a phone', { ...laptop, ...usbC, [role]: '[source] sink' }, { supply: 'battery', percent: 42 }],
    ['a USB-C controller that feeds the machine and charges a phone', {
      ...laptop, ...usbC, [role]: '[source] sink', [role.replace('port0', 'port1')]: 'source [sink]',
    }, { supply: 'mains', percent: 42 }],
    ['a charge limit', { ...laptop, 'ADP1/online': 1, 'BAT1/status': 'Not charging', 'BAT1/capacity': 80 }, { supply: 'mains', percent: 80 }],
    ['a dead battery', { ...laptop, 'BAT1/status': 'Not charging', 'BAT1/capacity': 0 }, { supply: 'unknown', percent: 0 }],
    ['none', {}, { supply: 'mains' }],
    ['a supply without a type, as while it goes away', { 'BAT1/status': 'Discharging' }, { supply: 'mains' }],
    ['an attribute that is no number', { ...laptop, 'BAT1/capacity': 'n/a' }, { supply: 'battery', percent: 42 }],
  ])('%s', async (_, attributes, expected) => {
    const { sensor } = await machine(attributes)
    expect(await sensor.read()).toEqual({ value: { ...expected, saver: 'unknown' }, source: 'sysfs', at: suiteNow })
  })

  test.each([['low-power', 'on'], ['balanced', 'off'], ['performance', 'off']])('platform profile %s: saver is %s', async (profile, saver) => {
    const { sensor } = await machine(laptop, profile)
    expect((await sensor.read()).value.saver).toBe(saver)
  })

  test('a folder that cannot be read is unknown, and the source says why', async () => {
    const { sensor, suppliesFolder } = await machine(laptop)
    await rm(suppliesFolder, { recursive: true })
    expect(await sensor.read()).toMatchObject({ value: { supply: 'unknown', saver: 'unknown' }, source: 'sysfs: ENOENT' })
  })
})
