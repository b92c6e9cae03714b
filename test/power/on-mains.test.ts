import { describe, expect, test } from 'vitest'
import { powerFrom } from '../../src/power/on-mains.ts'
import type { PowerSupply } from '../../src/power/on-mains.ts'

const charger = (online: number, type = 'Mains'): PowerSupply => ({ type, online })
const battery = (status: string, capacity: number, more: Partial<PowerSupply> = {}): PowerSupply => ({ type: 'Battery', status, capacity, ...more })

describe('what the machine runs on', () => {
  test.each<[string, PowerSupply[], string, number | undefined]>([
    ['nothing at all, as in a desktop, is mains', [], 'mains', undefined],
    ['an unplugged charger and a draining battery are battery', [charger(0), battery('Discharging', 42)], 'battery', 42],
    ['a plugged charger is mains', [charger(1), battery('Charging', 42)], 'mains', 42],
    ['a draining battery without any charger known is battery', [battery('Discharging', 42)], 'battery', 42],
    ['a battery held at its charge limit is mains', [charger(1), battery('Not charging', 80)], 'mains', 80],
    ['a charge limit without any charger known is mains', [battery('Not charging', 80)], 'mains', 80],
    ['a full battery is mains', [battery('Full', 100)], 'mains', 100],
    ['a USB-C charger is mains, whatever its type is called', [charger(0), charger(1, 'USB'), battery('Charging', 42)], 'mains', 42],
    ['a programmable USB supply (online 2) is mains', [charger(2, 'USB'), battery('Charging', 42)], 'mains', 42],
    ['a USB-C port that gives power to a phone is no charger', [{ ...charger(1, 'USB'), givesPower: true }, battery('Discharging', 42)], 'battery', 42],
    ['a mouse on its battery does not drain the machine', [{ ...battery('Discharging', 7), scope: 'Device' }], 'mains', undefined],
    ['a phone’s charger does not feed the machine', [{ ...charger(1), scope: 'Device' }, battery('Discharging', 42)], 'battery', 42],
    ['an empty bay is no battery', [charger(0), battery('Discharging', 0, { present: 0 })], 'mains', undefined],
    ['a dead battery beside a draining one is battery', [battery('Not charging', 0), battery('Discharging', 60)], 'battery', 30],
    ['a dead battery with the charger plugged in is mains', [charger(1), battery('Not charging', 0)], 'mains', 0],
    ['a dead battery and no power from anywhere is unknown', [charger(0), battery('Not charging', 0)], 'unknown', 0],
    ['a battery that says Unknown, with the charger unplugged, is unknown', [charger(0), battery('Unknown', 55)], 'unknown', 55],
    ['a battery that says Unknown, with the charger plugged in, is mains', [charger(1), battery('Unknown', 55)], 'mains', 55],
  ])('%s', (_, supplies, supply, percent) => {
    const expected = { supply, ...(percent !== undefined && { percent }) }
    expect(powerFrom(supplies)).toEqual(expected)
    expect(powerFrom([...supplies].reverse())).toEqual(expected)
  })
})

describe('charge', () => {
  test('several batteries count by their energy, rounded down', () => {
    const big = battery('Discharging', 90, { energyFull: 60e6 })
    const small = battery('Not charging', 10, { energyFull: 20e6 })
    expect(powerFrom([big, small]).percent).toBe(70)
    expect(powerFrom([{ ...big, capacity: 89 }, small]).percent).toBe(69)
  })
  test('charge in µAh is weighed by voltage', () => {
    const first = battery('Discharging', 90, { chargeFull: 5e6, voltage: 12e6 })
    expect(powerFrom([first, battery('Discharging', 10, { energyFull: 20e6 })]).percent).toBe(70)
  })
  test('without a percentage it is computed, and without anything it is missing', () => {
    const bare = { type: 'Battery', status: 'Discharging' }
    expect(powerFrom([{ ...bare, energyNow: 29.9e6, energyFull: 60e6 }]).percent).toBe(49)
    expect(powerFrom([{ ...bare, chargeNow: 3e6, chargeFull: 6e6 }]).percent).toBe(50)
    expect(powerFrom([{ ...bare, energyNow: 3e6, energyFull: 0 }])).toEqual({ supply: 'battery' })
    expect(powerFrom([bare])).toEqual({ supply: 'battery' })
  })
  test('a worn battery that reports more than full is 100 %', () => {
    expect(powerFrom([battery('Charging', 104)]).percent).toBe(100)
  })
})

describe('a weak charger', () => {
  const plugged = charger(1, 'USB')
  test.each<[string, PowerSupply[], boolean]>([
    ['drains beside it', [plugged, battery('Discharging', 42)], true],
    ['is as weak when only one of two batteries drains', [plugged, battery('Discharging', 42), battery('Not charging', 90)], true],
    ['is none when it charges one battery from what another drains', [plugged, battery('Discharging', 42), battery('Charging', 90)], false],
    ['is none when the battery charges', [plugged, battery('Charging', 42)], false],
    ['is none when the battery is held', [plugged, battery('Not charging', 80)], false],
    ['is none while a battery above its limit is drained down to it', [plugged, battery('Discharging', 85, { chargeLimit: 80 })], false],
    ['is weak when the battery drains below its limit', [plugged, battery('Discharging', 79, { chargeLimit: 80 })], true],
    ['is weak when the limit is no limit', [plugged, battery('Discharging', 100, { chargeLimit: 100 })], true],
    ['is weak when a driver leaves the limit at 0', [plugged, battery('Discharging', 42, { chargeLimit: 0 })], true],
    ['is none when the battery was told to drain', [plugged, battery('Discharging', 42, { drainsOnPurpose: true })], false],
    ['is none when the draining battery is a mouse’s', [plugged, { ...battery('Discharging', 42), scope: 'Device' }], false],
    ['is none without a charger', [charger(0), battery('Discharging', 42)], false],
  ])('%s', (_, supplies, isWeak) => {
    expect(powerFrom(supplies).weakCharger ?? false).toBe(isWeak)
  })
})
