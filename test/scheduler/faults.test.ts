import { expect, test } from 'vitest'
import { SluiceError } from '../../src/observe/error.ts'
import { Faults } from '../../src/scheduler/faults.ts'

const now = Date.UTC(2026, 10, 23, 12)
const hour = 3_600_000
const unreachable = (data = {}) => new SluiceError('destination-unreachable', 'no answer', { transient: true, data })

test('a fault holds until it is tried again, and is not over before it went well', () => {
  const faults = new Faults()
  const delay = faults.note(unreachable(), now, 1) ?? 0
  expect(faults.active(now + delay - 1)).toMatchObject([{ code: 'destination-unreachable', since: now, until: now + delay }])
  expect(faults.active(now + delay)).toEqual([])
  expect(faults.codes).toEqual(['destination-unreachable'])
  faults.clear('destination-unreachable')
  expect(faults.codes).toEqual([])
})

test('the other side may ask for a longer wait', () => {
  expect(new Faults().note(unreachable({ retryAfterMs: hour }), now, 0)).toBe(hour)
})

test('a clock that is set back puts no retry off', () => {
  const faults = new Faults()
  faults.note(unreachable(), now, 0)
  expect(faults.active(now - 5 * hour)).toEqual([])
})

test('an error that waiting cannot mend is no fault', () => {
  expect(new Faults().note(new SluiceError('config-invalid', 'wrong'), now, 0)).toBeUndefined()
})
