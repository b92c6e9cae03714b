import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/observe/error-codes.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { Faults, isWaitedOut, sendingFaults, waitAfter } from '../../src/scheduler/faults.ts'
import { reasons } from '../../src/scheduler/reasons.ts'

const now = Date.UTC(2026, 10, 23, 12)
const minute = 60_000
const hour = 60 * minute
const failed = (code: ErrorCode, data = {}) => new SluiceError(code, 'no answer', { data })
const unreachable = (data = {}) => failed('destination-unreachable', data)

test('a fault holds until it is tried again, and is not over before it went well', () => {
  const faults = new Faults()
  const delay = faults.note(unreachable(), now, 0.99) ?? 0
  expect(faults.active(now + delay - 1)).toMatchObject([{ code: 'destination-unreachable', since: now, until: now + delay }])
  expect(faults.active(now + delay)).toEqual([])
  expect(faults.codes).toEqual(['destination-unreachable'])
  faults.clear('destination-unreachable')
  expect(faults.codes).toEqual([])
})

test('the other side may ask for a longer wait, of a day at most', () => {
  expect(new Faults().note(unreachable({ retryAfterMs: hour }), now, 0)).toBe(hour)
  expect(new Faults().note(unreachable({ retryAfterMs: 1000 * hour }), now, 0)).toBe(24 * hour)
})

test('a folder is looked at again soon, whatever is wrong with it: that costs nothing', () => {
  const faults = new Faults(true)
  expect(faults.note(failed('destination-refused'), now, 0)).toBe(1000)
  for (let tries = 0; tries < 20; tries++) faults.note(failed('destination-refused'), now, 0.999)
  expect(faults.note(failed('destination-refused'), now, 0.999)).toBeLessThanOrEqual(5 * minute)
})

test('a clock that is set back puts no retry off', () => {
  const faults = new Faults()
  faults.note(unreachable(), now, 0)
  expect(faults.active(now - 5 * hour)).toEqual([])
})

test('an error that no waiting can mend is no fault', () => {
  expect(new Faults().note(failed('config-invalid'), now, 0)).toBeUndefined()
})

test('every fault that the machinery reports is one that is waited out', () => {
  const codes = Object.entries(reasons).filter(([, { raised }]) => raised === 'machinery').map(([code]) => code as ErrorCode)
  for (const code of codes) expect(new Faults().note(failed(code), now, 0), code).toBeGreaterThanOrEqual(1000)
})

describe('what cannot mend by itself is not tried again within two minutes', () => {
  test.each<ErrorCode>([
    'credential-missing', 'credential-refused', 'destination-forbidden', 'destination-missing', 'certificate-refused', 'clock-wrong',
    'proxy-refused', 'pack-too-large', 'destination-behind', 'destination-ahead', 'destination-refused',
  ])('%s', (code) => {
    expect(new Faults().note(failed(code), now, 0)).toBeGreaterThanOrEqual(2 * minute)
  })
})

describe('something that may have mended it', () => {
  const long = () => {
    const faults = new Faults()
    for (let tries = 0; tries < 12; tries++) faults.note(unreachable(), now, 0.9, 'home')
    return faults
  }

  test('makes it tried at once; on the same network failures go on counting, on another they begin anew', () => {
    const home = long()
    home.tryNow(now, 'home')
    expect(home.active(now)).toEqual([])
    expect(home.note(unreachable(), now, 0.9, 'home')).toBeGreaterThan(hour)
    const office = long()
    office.tryNow(now, 'office')
    expect(office.note(unreachable(), now, 0.9, 'office')).toBeLessThan(3000)
  })

  test('changes nothing for a full disk, which is looked at soon anyway', () => {
    const faults = new Faults()
    faults.note(failed('spool-full'), now, 0.5)
    faults.tryNow(now, 'home')
    expect(faults.active(now)).toMatchObject([{ code: 'spool-full' }])
  })

  test('is not bytes that arrived: those make the next failure a first one, and end no wait', () => {
    const faults = long()
    faults.progress()
    expect(faults.active(now)).toHaveLength(1)
    expect(faults.note(unreachable(), now, 0.9, 'home')).toBeLessThan(3000)
  })
})

describe('over a restart', () => {
  const restored = (before: Faults, at: number, random = 0.5) => {
    const faults = new Faults()
    faults.restore(before.save(), at, random)
    return faults
  }

  test('what failed, since when, and how often is kept; the next try comes within a minute', () => {
    const before = new Faults()
    for (let tries = 0; tries < 12; tries++) before.note(unreachable(), now, 0.9, 'home')
    const after = restored(before, now + hour)
    expect(after.active(now + hour)).toMatchObject([{ since: now, until: now + hour + 30_000, evidence: 'no answer' }])
    expect(after.note(unreachable(), now + hour, 0.9, 'home')).toBeGreaterThan(hour)
  })

  test('a server that asked for a rest gets it, unless the clock was set back', () => {
    const before = new Faults()
    before.note(failed('destination-busy', { retryAfterMs: 3 * hour }), now, 0)
    expect(restored(before, now + hour).active(now + hour)).toMatchObject([{ until: now + 3 * hour }])
    expect(restored(before, now - 30 * 24 * hour, 0).active(now - 30 * 24 * hour)).toEqual([])
  })

  test('what is wrong on this machine is found anew', () => {
    const before = new Faults()
    before.note(failed('spool-full'), now, 0)
    expect(restored(before, now).codes).toEqual([])
  })

  test.each([
    undefined, '', '{', 'null', '7', '[null]', '[{}]', '[{"code":"paused","since":1}]',
    '[{"code":"destination-busy","since":-1,"evidence":"x","retry":{"attempts":1,"until":1,"delayMs":1,"isAsked":false}}]',
    '[{"code":"destination-busy","since":1,"evidence":"x","retry":{"attempts":"1","until":1,"delayMs":1,"isAsked":false}}]',
  ])('%j is nothing', (text) => {
    const faults = new Faults()
    faults.restore(text, now, 0.5)
    expect(faults.codes).toEqual([])
  })
})

test('a start waits out what keeps things from leaving and what passes, and nothing else', () => {
  for (const code of sendingFaults) expect(isWaitedOut(failed(code)), code).toBe(true)
  expect(isWaitedOut(new SluiceError('state-full', 'full', { transient: true }))).toBe(true)
  expect([isWaitedOut(failed('config-invalid')), isWaitedOut(failed('state-unusable'))]).toEqual([false, false])
  expect(waitAfter(failed('config-invalid'), 1, 0)).toBe(1000)
  expect(waitAfter(failed('credential-refused'), 1, 0)).toBe(2 * minute)
})
