import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { crossCheck } from '../../src/power/cross-check.ts'
import type { Witness } from '../../src/power/cross-check.ts'
import type { PowerSupply } from '../../src/power/on-mains.ts'

const supplies = (online: number, status: string, capacity = 42): PowerSupply[] => [
  { type: 'Mains', online }, { type: 'Battery', status, capacity },
]
const draining = supplies(0, 'Discharging')
const charging = supplies(1, 'Charging')
const dead = supplies(0, 'Not charging', 0)

const upower = (says: Partial<Witness>): Witness => ({ name: 'UPower', ...says })
const sysfs = (says: Partial<Witness>): Witness => ({ name: 'sysfs', ...says })

describe('two witnesses of power', () => {
  test.each<[string, Partial<Witness>, Partial<Witness>, object, string]>([
    ['both say mains', { supplies: charging }, { supplies: charging }, { supply: 'mains', percent: 42 }, 'UPower'],
    ['both say battery', { supplies: draining }, { supplies: draining }, { supply: 'battery', percent: 42 }, 'UPower'],
    ['only the kernel says battery', { supplies: charging }, { supplies: draining }, { supply: 'battery', percent: 42 }, 'sysfs (UPower says mains)'],
    ['only UPower says battery', { supplies: draining }, { supplies: charging }, { supply: 'battery', percent: 42 }, 'UPower (sysfs says mains)'],
    ['UPower’s verdict is worse than its list', { supplies: charging, onBattery: true }, { supplies: charging }, { supply: 'battery', percent: 42 }, 'UPower (sysfs says mains)'],
    ['one cannot tell', { supplies: dead }, { supplies: charging }, { supply: 'unknown', percent: 0 }, 'UPower (sysfs says mains)'],
    ['one is stale', { supplies: draining, isStale: true }, { supplies: supplies(1, 'Charging', 90) }, { supply: 'mains', percent: 90 }, 'sysfs (UPower is stale)'],
    ['one is stale and agrees', { supplies: draining, isStale: true }, { supplies: supplies(0, 'Discharging', 30) }, { supply: 'battery', percent: 30 }, 'sysfs'],
    ['the charge differs', { supplies: supplies(0, 'Discharging', 50) }, { supplies: draining }, { supply: 'battery', percent: 42 }, 'UPower'],
    ['one sees a weak charger', { supplies: charging }, { supplies: supplies(1, 'Discharging') }, { supply: 'mains', percent: 42, weakCharger: true }, 'UPower'],
    ['a weak charger is nothing beside none', { supplies: draining }, { supplies: supplies(1, 'Discharging') }, { supply: 'battery', percent: 42 }, 'UPower (sysfs says mains)'],
    ['no UPower', {}, { supplies: draining }, { supply: 'battery', percent: 42 }, 'sysfs'],
    ['an UPower that hangs', { cause: 'no answer' }, { supplies: draining }, { supply: 'battery', percent: 42 }, 'sysfs (UPower: no answer)'],
    ['a stale UPower that is alone', { supplies: draining, isStale: true }, { cause: 'ENOENT' }, { supply: 'battery', percent: 42 }, 'UPower (sysfs: ENOENT)'],
    ['a container that hides the battery', { supplies: draining }, { supplies: [] }, { supply: 'battery', percent: 42 }, 'UPower'],
    ['an UPower in a container', { supplies: [] }, { supplies: draining }, { supply: 'battery', percent: 42 }, 'sysfs'],
    ['a mouse is no witness', { supplies: [{ type: 'Battery', scope: 'Device', status: 'Discharging' }] }, { supplies: charging }, { supply: 'mains', percent: 42 }, 'sysfs'],
    ['a desktop', { supplies: [] }, { supplies: [] }, { supply: 'mains' }, 'UPower'],
    ['a desktop without UPower', {}, { supplies: [] }, { supply: 'mains' }, 'sysfs'],
    ['nobody answers', {}, { cause: 'ENOENT' }, { supply: 'unknown' }, 'sysfs: ENOENT'],
    ['nobody is there', {}, {}, { supply: 'unknown' }, 'none'],
  ])('%s', (_, first, second, power, source) => {
    expect(crossCheck([upower(first), sysfs(second)])).toEqual({ power, source })
  })

  const supply = fc.record({
    type: fc.constantFrom('Mains', 'USB', 'Battery'),
    scope: fc.constantFrom('System', 'Device'),
    online: fc.constantFrom(0, 1),
    status: fc.constantFrom('Charging', 'Discharging', 'Not charging', 'Full', 'Unknown'),
    capacity: fc.integer({ min: 0, max: 100 }),
  })
  const witness = fc.record({
    name: fc.constantFrom('one', 'other'),
    supplies: fc.option(fc.array(supply, { maxLength: 4 }), { nil: undefined }),
    onBattery: fc.boolean(),
    isStale: fc.boolean(),
  })

  test('the order of the two makes no difference to the power', () => {
    fc.assert(fc.property(witness, witness, (one, other) => {
      expect(crossCheck([one, other]).power).toEqual(crossCheck([other, one]).power)
    }))
  })

  test('a credible witness that is not stale and says battery is believed, whatever the other says', () => {
    fc.assert(fc.property(witness, witness, (one, other) => {
      const witnessed = { ...one, supplies: draining, isStale: false }
      const { power } = crossCheck([witnessed, other])
      expect(power.supply).toBe('battery')
      expect(power.percent).toBeLessThanOrEqual(42)
    }))
  })
})
