import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { linuxPower } from '../../src/power/linux-power.ts'
import type { LinuxPowerOptions } from '../../src/power/linux-power.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { startPrivatePower, whyNoPrivatePower } from './private-power.ts'
import type { PrivatePower } from './private-power.ts'
import { isPowerState } from './supplies.ts'

const missing = whyNoPrivatePower()

describe.skipIf(missing !== undefined)(`with a real UPower${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let power: PrivatePower
  beforeAll(async () => {
    power = await startPrivatePower()
  })
  afterAll(() => power?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    await power.run('set BAT1 scope System')
    await power.run('firmware balanced')
    await power.run('level 42')
    await power.run('unplug')
    await expect.poll(() => readOnce({})).toEqual({ supply: 'battery', percent: 42, saver: 'off' })
  })

  const make = (options: Partial<LinuxPowerOptions>) => {
    const { busAddress: address, suppliesFolder, profileFile } = power
    return linuxPower({ clock: () => suiteNow, address, suppliesFolder, profileFile, ...options })
  }
  const sensorWith = (options: Partial<LinuxPowerOptions> = {}) => {
    const sensor = make(options)
    onTestFinished(() => sensor.close())
    return sensor
  }
  const readOnce = async (options: Partial<LinuxPowerOptions>) => {
    const sensor = make(options)
    const { value } = await sensor.read()
    await sensor.close()
    return value
  }
  /** A folder as a container shows it: no battery, no charger. */
  const hidden = async () => {
    const suppliesFolder = join(await temporaryFolder(), 'power_supply')
    await mkdir(suppliesFolder)
    return { suppliesFolder }
  }

  sensorSuite('UPower and sysfs', async () => {
    await power.run('unplug')
    return { sensor: sensorWith(), change: () => power.run('plug') }
  }, isPowerState)

  test('plug, unplug and a low level are told at once, and read from UPower alone where sysfs is hidden', async () => {
    const sensor = sensorWith(await hidden())
    const seen: string[] = []
    sensor.watch(() => void sensor.read().then(({ value, source }) => seen.push(`${value.supply} ${value.percent} ${source}`)))
    await expect.poll(async () => (await sensor.read()).value.supply).toBe('battery')
    await power.run('plug')
    await expect.poll(() => seen).toContain('mains 42 UPower')
    await power.run('unplug')
    await expect.poll(() => seen).toContain('battery 42 UPower')
    await power.run('level 10')
    await expect.poll(() => seen).toContain('battery 10 UPower')
  })

  test('a charger that gives too little is told as weak; a charge limit is not', async () => {
    await power.run('plug')
    await power.run('set BAT1 status Discharging')
    await expect.poll(() => readOnce({})).toEqual({ supply: 'mains', percent: 42, weakCharger: true, saver: 'off' })
    expect(await readOnce(await hidden())).toMatchObject({ supply: 'mains', weakCharger: true })
    await power.run('set BAT1 status Not charging')
    await expect.poll(() => readOnce({})).toEqual({ supply: 'mains', percent: 42, saver: 'off' })
  })

  test('where UPower missed an unplug, the kernel’s word is believed', async () => {
    await power.run('plug')
    const upowerAlone = await hidden()
    await expect.poll(async () => (await readOnce(upowerAlone)).supply).toBe('mains')
    await power.run('quietly unplug')
    expect((await readOnce(upowerAlone)).supply).toBe('mains')
    expect(await sensorWith().read()).toMatchObject({ value: { supply: 'battery' }, source: 'sysfs (UPower says mains)' })
  })

  test('where UPower missed a plug, it is believed until it is stale', async () => {
    await power.run('quietly plug')
    expect(await sensorWith({ clock: Date.now }).read()).toMatchObject({ value: { supply: 'battery' }, source: 'UPower (sysfs says mains)' })
    const later = () => Date.now() + 6 * 60_000
    expect(await sensorWith({ clock: later }).read()).toMatchObject({ value: { supply: 'mains' }, source: 'sysfs (UPower is stale)' })
    expect(await readOnce({ clock: later, ...await hidden() })).toMatchObject({ supply: 'battery' })
  })

  test('a battery of another device is none of this machine’s', async () => {
    await power.run('set BAT1 scope Device')
    await power.run('stop upower')
    await power.run('start upower')
    expect(await readOnce(await hidden())).toEqual({ supply: 'mains', saver: 'off' })
    await power.run('set BAT1 scope System')
    await power.run('stop upower')
    await power.run('start upower')
  })

  test('power-profiles-daemon tells of the power saver, and without it the machine’s own profile does', async () => {
    const sensor = sensorWith()
    let told = 0
    sensor.watch(() => {
      told += 1
    })
    expect((await sensor.read()).value.saver).toBe('off')
    told = 0
    await power.run('firmware low-power')
    await expect.poll(() => told).toBeGreaterThan(0)
    await expect.poll(async () => (await sensor.read()).value.saver).toBe('on')
    const elsewhere = { profileFile: join(await temporaryFolder(), 'platform_profile') }
    expect((await readOnce(elsewhere)).saver).toBe('on')
    await power.run('stop profiles')
    await expect.poll(() => readOnce(elsewhere)).toMatchObject({ saver: 'unknown' })
    expect((await sensor.read()).value.saver).toBe('on')
    await power.run('firmware balanced')
    expect((await sensor.read()).value.saver).toBe('off')
    await power.run('start profiles')
  })

  test('without UPower the kernel’s word counts, and UPower’s again once it is back', async () => {
    const sensor = sensorWith()
    const sources: string[] = []
    sensor.watch(() => void sensor.read().then(({ source }) => sources.push(source)))
    expect((await sensor.read()).source).toBe('UPower')
    await power.run('stop upower')
    await expect.poll(() => sources).toContain('sysfs')
    sources.length = 0
    await power.run('start upower')
    await expect.poll(() => sources).toContain('UPower')
  })

  test('an UPower that hangs holds nothing up: the kernel’s word counts, and the source says why', async () => {
    const sensor = sensorWith({ limitMs: 300 })
    await sensor.read()
    await power.run('hang upower')
    expect(await sensor.read())
      .toMatchObject({ value: { supply: 'battery' }, source: 'sysfs (UPower: no answer within 0.3 s)' })
    await power.run('wake upower')
    await expect.poll(async () => (await sensor.read()).source).toBe('UPower')
  })
})
