import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { powerFromPmset, saverFromPmset } from '../../src/power/pmset.ts'
import { powerFromWindows } from '../../src/power/windows-power.ts'

/** What a command printed on a real machine; fixtures/README.md names the source of each. */
const recorded = (name: string) => readFileSync(new URL(`fixtures/${name}.txt`, import.meta.url), 'utf8')

describe('macOS, from recorded output', () => {
  test.each([
    ['pmset-discharging', { supply: 'battery', percent: 95 }],
    ['pmset-discharging-no-id', { supply: 'battery', percent: 90 }],
    ['pmset-charging', { supply: 'mains', percent: 92 }],
    ['pmset-charging-no-estimate', { supply: 'mains', percent: 90 }],
    ['pmset-not-charging', { supply: 'mains', percent: 97 }],
    ['pmset-charged', { supply: 'mains', percent: 100 }],
    ['pmset-no-battery', { supply: 'mains' }],
  ])('%s', (name, power) => {
    expect(powerFromPmset(recorded(name))).toEqual(power)
  })

  test.each([
    ['pmset-settings-normal', 'off'],
    ['pmset-settings-old', 'unknown'],
    ['pmset-settings-low-power', 'on'],
    ['pmset-settings-power-mode', 'on'],
  ])('%s: saver is %s', (name, saver) => {
    expect(saverFromPmset(recorded(name))).toBe(saver)
  })
})

describe('macOS, from output as its manual describes it', () => {
  const charger = recorded('pmset-charging')
  test('a battery that drains beside a charger is a weak charger', () => {
    expect(powerFromPmset(charger.replace('charging', 'discharging'))).toEqual({ supply: 'mains', percent: 92, weakCharger: true })
  })
  test('a battery that is nearly full charges', () => {
    expect(powerFromPmset(charger.replace('charging', 'finishing charge'))).toEqual({ supply: 'mains', percent: 92 })
  })
  test('a battery that is not in its place is none', () => {
    expect(powerFromPmset(charger.replace('present: true', 'present: false'))).toEqual({ supply: 'mains' })
  })
  test('a UPS that feeds the machine is a battery, and its charge counts only where there is no other', () => {
    const ups = `Now drawing from 'UPS Power'\n -Back-UPS ES 700 (id=1234)\t87%; discharging; 0:45 remaining present: true\n`
    expect(powerFromPmset(ups)).toEqual({ supply: 'battery', percent: 87 })
    expect(powerFromPmset(`${ups}${charger.split('\n')[1]}`)).toEqual({ supply: 'battery', percent: 92 })
    expect(powerFromPmset(ups.replace('UPS Power', 'AC Power'))).toEqual({ supply: 'mains' })
  })
  test('high power mode saves no power', () => {
    expect(saverFromPmset(recorded('pmset-settings-power-mode').replace(/powermode +1/, 'powermode            2'))).toBe('off')
  })
  test('other output is an error, not mains', () => {
    expect(() => powerFromPmset('')).toThrow('power source')
    expect(() => powerFromPmset(`Now drawing from 'Something New'\n`)).toThrow('power source')
  })
})

describe('Windows, from recorded output', () => {
  test.each([
    ['a battery that drains', ['windows-discharging'], { supply: 'battery', percent: 44 }],
    ['two batteries, one charging', ['windows-two-batteries'], { supply: 'mains', percent: 95 }],
    ['a UPS on mains', ['windows-ups'], { supply: 'mains', percent: 84 }],
    ['its driver says it drains', ['windows-discharging', 'windows-driver-discharging'], { supply: 'battery', percent: 44 }],
    ['the driver alone, draining', ['windows-driver-discharging'], { supply: 'battery' }],
    ['the driver alone, plugged in', ['windows-driver-plugged'], { supply: 'mains' }],
    ['a weak charger: the summary says mains, the driver says that it drains', ['windows-ups', 'windows-driver-weak-charger'], { supply: 'mains', percent: 84, weakCharger: true }],
    ['the driver’s word goes before the summary’s', ['windows-discharging', 'windows-driver-plugged'], { supply: 'mains', percent: 44 }],
  ])('%s', (_, names, power) => {
    const output = names.map(recorded).join('\n\n')
    expect(powerFromWindows(output)).toEqual({ ...power, saver: 'unknown' })
    expect(powerFromWindows(output.replaceAll(/\r?\n/g, '\r\n'))).toEqual({ ...power, saver: 'unknown' })
  })

  const summary = (status: number) => recorded('windows-discharging').replace(/(BatteryStatus +: )1/, `$1${status}`)
  test.each([
    [1, 'battery'], [2, 'mains'], [3, 'mains'], [4, 'battery'], [5, 'battery'], [6, 'mains'], [7, 'mains'], [8, 'mains'], [9, 'mains'],
    [10, 'unknown'], [11, 'mains'],
  ])('status %i alone is %s', (status, supply) => {
    expect(powerFromWindows(summary(status)).supply).toBe(supply)
  })
  test('two batteries, one draining: the other’s “has access to AC” does not count', () => {
    expect(powerFromWindows(`${summary(2)}\n\n${summary(1)}`)).toMatchObject({ supply: 'battery' })
  })
  test('a driver that says neither this nor that is unknown', () => {
    expect(powerFromWindows(recorded('windows-driver-plugged').replace(/(PowerOnline +: )True/, '$1False')).supply).toBe('unknown')
  })
  test('nothing is a machine without a battery', () => {
    expect(powerFromWindows('')).toEqual({ supply: 'mains', saver: 'unknown' })
  })
  test.each([['On', 'on'], ['Off', 'off'], ['Disabled', 'off'], ['', 'unknown']])('energy saver %s is %s', (status, saver) => {
    expect(powerFromWindows(`${recorded('windows-ups')}\n\nEnergySaverStatus : ${status}\r\n`)).toMatchObject({ supply: 'mains', saver })
    expect(powerFromWindows(`EnergySaverStatus : ${status}\r\n`)).toEqual({ supply: 'mains', saver })
  })
})

test('whatever a command prints, a parser ends with a power state or an error', () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom(...['pmset-discharging', 'pmset-settings-normal', 'windows-two-batteries', 'windows-driver-plugged'].flatMap((name) => recorded(name).split('\n'))),
  )
  fc.assert(fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
    const output = lines.join('\n')
    expect(['mains', 'battery', 'unknown']).toContain(powerFromWindows(output).supply)
    expect(['on', 'off', 'unknown']).toContain(saverFromPmset(output))
    try {
      expect(['mains', 'battery', 'unknown']).toContain(powerFromPmset(output).supply)
    } catch (error) {
      expect(error).toHaveProperty('message', 'pmset says nothing of a power source')
    }
  }))
})
