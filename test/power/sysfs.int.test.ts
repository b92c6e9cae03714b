import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { linuxPower } from '../../src/power/linux-power.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { isPowerState, laptop, writeAttributes } from './supplies.ts'

/** A machine without a system bus: the kernel's word is all there is. */
async function machine(attributes: Record<string, string | number>, profile?: string) {
  const folder = await temporaryFolder()
  const suppliesFolder = join(folder, 'power_supply')
  await mkdir(suppliesFolder)
  await writeAttributes(suppliesFolder, attributes)
  if (profile !== undefined) await writeAttributes(folder, { platform_profile: profile })
  const profileFile = join(folder, 'platform_profile')
  const sensor = linuxPower({ clock: () => suiteNow, address: `unix:path=${folder}/bus`, suppliesFolder, profileFile })
  return { sensor, suppliesFolder }
}

sensorSuite('sysfs', async () => {
  const { sensor, suppliesFolder } = await machine(laptop)
  const change = () => writeAttributes(suppliesFolder, { 'ADP1/online': 1, 'BAT1/status': 'Charging' })
  return { sensor: { read: sensor.read, close: sensor.close }, change }
}, isPowerState)

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
    ['a USB-C charger', { ...laptop, 'BAT1/status': 'Charging', ...usbC, [role]: 'source [sink]' }, { supply: 'mains', percent: 42 }],
    ['a USB-C port that charges a phone', { ...laptop, ...usbC, [role]: '[source] sink' }, { supply: 'battery', percent: 42 }],
    ['a USB-C controller that feeds the machine and charges a phone', {
      ...laptop, 'BAT1/status': 'Charging', ...usbC, [role]: '[source] sink', [role.replace('port0', 'port1')]: 'source [sink]',
    }, { supply: 'mains', percent: 42 }],
    ['a charge limit', { ...laptop, 'ADP1/online': 1, 'BAT1/status': 'Not charging', 'BAT1/capacity': 80 }, { supply: 'mains', percent: 80 }],
    ['a charger that gives too little', { ...laptop, 'ADP1/online': 1 }, { supply: 'mains', percent: 42, weakCharger: true }],
    ['a battery above its charge limit, drained down to it', {
      ...laptop, 'ADP1/online': 1, 'BAT1/capacity': 85, 'BAT1/charge_control_end_threshold': 80,
    }, { supply: 'mains', percent: 85 }],
    ['a battery that is drained on purpose', {
      ...laptop, 'ADP1/online': 1, 'BAT1/charge_behaviour': 'auto inhibit-charge [force-discharge]',
    }, { supply: 'mains', percent: 42 }],
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

const namespaces = process.platform === 'linux' && process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0
const unable = namespaces ? '' : ' (skipped: needs root and mount namespaces)'

/** What a sensor with no paths given reads when `supplies` lie where the kernel shows them. */
async function readAsMounted(supplies: Record<string, string | number>): Promise<unknown> {
  const folder = await temporaryFolder()
  await writeAttributes(folder, supplies)
  const source = new URL('../../src/power/power-sensor.ts', import.meta.url).href
  const program = `
    import { powerSensor } from '${source}'
    const sensor = powerSensor({ platform: 'linux', clock: () => 1, address: 'unix:path=${folder}/bus' })
    process.stdout.write(JSON.stringify(await sensor.read()))`
  const script = 'mount --bind "$1" /sys/class/power_supply && exec "$2" --input-type=module-typescript --eval "$3"'
  const output = execFileSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', folder, process.execPath, program])
  return JSON.parse(output.toString())
}

describe.skipIf(!namespaces)(`power from the kernel’s own folder${unable}`, () => {
  test('charger ADP1 and battery BAT1 are found there', async () => {
    expect(await readAsMounted(laptop)).toMatchObject({ value: { supply: 'battery', percent: 42 }, source: 'sysfs' })
    expect(await readAsMounted({ ...laptop, 'ADP1/online': 1, 'BAT1/status': 'Charging' })).toMatchObject({ value: { supply: 'mains' } })
  })
  test('two batteries count by their energy', async () => {
    const second = { 'BAT0/type': 'Battery', 'BAT0/status': 'Not charging', 'BAT0/capacity': 90, 'BAT0/energy_full': 20000000 }
    expect(await readAsMounted({ ...laptop, ...second })).toMatchObject({ value: { supply: 'battery', percent: 54 } })
  })
})
