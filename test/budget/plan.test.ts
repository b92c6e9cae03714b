import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { countPlan, planUse } from '../../src/budget/plan.ts'
import type { DeviceCounters, Plan, PlanReading, PlanState } from '../../src/budget/plan.ts'

const minute = 60_000
const dayMs = 24 * 60 * minute
const now = Date.UTC(2026, 10, 23, 12)
const home = '0123456789ab'
const phone = 'ba9876543210'
const ids = new Map([['home', home], ['phone', phone]])
const plan: Plan = { limitBytes: 10_000, per: 'month', keepPercent: 20 }

const device = (key: string, receivedBytes: number, sentBytes = 0, isUplink = true): DeviceCounters => ({ key, receivedBytes, sentBytes, isUplink })

interface Step extends PlanReading {
  readonly at: number
}

/** Used bytes after each reading; the state goes through JSON between them. */
function counted(steps: readonly Step[], of = plan, timeZone = 'UTC'): number[] {
  let state: PlanState | undefined
  return steps.map(({ at, ...reading }) => {
    const kept = state && JSON.parse(JSON.stringify(state)) as PlanState
    state = countPlan(of, kept, reading, at, timeZone, ids)
    return state.usedBytes
  })
}

const every = (...readings: readonly (readonly DeviceCounters[])[]): Step[] => readings.map((devices, index) => ({ at: now + index * minute, devices }))

describe('counting what the machine moves', () => {
  test('begins with the first reading, and counts both directions of every uplink', () => {
    expect(counted(every([device('a', 500, 50), device('b', 7)], [device('a', 600, 60), device('b', 8)], [device('a', 600, 61), device('b', 8)]))).toEqual([0, 111, 112])
  })
  test('leaves out devices that do not lead to the internet, and counts them from when they do', () => {
    expect(counted(every([device('a', 0), device('lan', 0, 0, false)], [device('a', 1), device('lan', 500, 0, false)], [device('a', 2), device('lan', 510)])))
      .toEqual([0, 1, 12])
  })
  test('counts what an uplink moved until it ceased to be one', () => {
    expect(counted(every([device('a', 0)], [device('a', 9, 0, false)], [device('a', 30, 0, false)]))).toEqual([0, 9, 9])
  })
  test('counts all of a device that is new, also after a restart of the machine', () => {
    expect(counted(every([device('boot1/a', 900)], [device('boot1/a', 900), device('boot1/usb', 30, 3)], [device('boot2/a', 40)]))).toEqual([0, 33, 73])
  })
  test('does not count again what a device moved before it was away for a while', () => {
    expect(counted(every([device('a', 900)], [], [device('a', 910)]))).toEqual([0, 0, 10])
  })
  test('takes counters that went back together for new ones', () => {
    expect(counted(every([device('a', 900, 90)], [device('a', 30, 3)], [device('a', 40, 4)]))).toEqual([0, 33, 44])
    expect(counted(every([device('a', 4e9, 4e9)], [device('a', 30, 3)]))).toEqual([0, 33])
  })
  test('takes one counter that went back alone, from near 4 GiB, for one of 32 bits that wrapped', () => {
    expect(counted(every([device('a', 2 ** 32 - 10, 90)], [device('a', 5, 91)], [device('a', 6, 91)]))).toEqual([0, 16, 17])
    expect(counted(every([device('a', 90, 2 ** 32 - 10)], [device('a', 91, 5)]))).toEqual([0, 16])
    expect(counted(every([device('a', 1000, 90)], [device('a', 5, 91)]))).toEqual([0, 96])
    expect(counted(every([device('a', 2 ** 40, 90)], [device('a', 5, 91)]))).toEqual([0, 96])
  })
  test('shares what was moved across the start of a period by time', () => {
    const begin = Date.UTC(2026, 11, 1)
    const steps: Step[] = [{ at: begin - 3 * dayMs, devices: [device('a', 0)] }, { at: begin - dayMs, devices: [device('a', 100)] }, { at: begin + 3 * dayMs, devices: [device('a', 500)] }]
    expect(counted(steps)).toEqual([0, 100, 300])
  })
})

describe('a plan of one network', () => {
  const ofPhone: Plan = { ...plan, network: 'phone' }
  const on = (network: string | undefined, received: number, at: number): Step => ({ at, devices: [device('a', received)], ...(network !== undefined && { network }) })

  test('counts what moved on it alone', () => {
    expect(counted([on(home, 0, now), on(home, 10, now + 1), on(phone, 11, now + 2), on(phone, 20, now + 3), on(home, 22, now + 4), on(home, 90, now + 5)], ofPhone))
      .toEqual([0, 0, 1, 10, 12, 12])
  })
  test('does not count what moved while nobody looked, unless it was in use before and after', () => {
    expect(counted([on(phone, 0, now), on(home, 500, now + dayMs)], ofPhone)).toEqual([0, 0])
    expect(counted([on(phone, 0, now), on(phone, 500, now + dayMs)], ofPhone)).toEqual([0, 500])
  })
  test('counts nothing when its network has no name yet, and everything when the network cannot be told', () => {
    expect(counted([on(phone, 0, now), on(phone, 500, now + 1)], { ...plan, network: 'unnamed' })).toEqual([0, 0])
    expect(counted([on(undefined, 0, now), on(undefined, 500, now + 1)], ofPhone)).toEqual([0, 500])
  })
  test('says nothing of another network', () => {
    const state = countPlan(ofPhone, undefined, { devices: [] }, now, 'UTC', ids)
    expect(planUse(ofPhone, state, home, now, 'UTC', ids)).toBeUndefined()
    expect(planUse(ofPhone, state, phone, now, 'UTC', ids)).toMatchObject({ limitBytes: 10_000 })
  })
})

describe('the use of a plan', () => {
  const state: PlanState = { at: now, periodStart: Date.UTC(2026, 10, 15), usedBytes: 7000, devices: [] }
  const reset: Plan = { ...plan, resetDay: 15 }

  test('says how much is used, how much is kept, and when it starts again', () => {
    expect(planUse(reset, state, home, now, 'UTC', ids)).toEqual({ limitBytes: 10_000, usedBytes: 7000, keepBytes: 2000, end: Date.UTC(2026, 11, 15) })
  })
  test('starts again without a reading', () => {
    expect(planUse(reset, state, undefined, Date.UTC(2026, 11, 15), 'UTC', ids)).toMatchObject({ usedBytes: 0, end: Date.UTC(2027, 0, 15) })
  })
  test('does not start again when the clock goes back, nor when it is right again', () => {
    const earlier = Date.UTC(2026, 9, 20)
    expect(planUse(reset, state, home, earlier, 'UTC', ids)).toMatchObject({ usedBytes: 7000, end: Date.UTC(2026, 11, 15) })
    const read = countPlan(reset, state, { devices: [] }, earlier, 'UTC', ids)
    expect(countPlan(reset, read, { devices: [] }, now + 1, 'UTC', ids).usedBytes).toBe(7000)
  })
  test('after a clock that ran years ahead is put right, counts on in the period of now', () => {
    const ahead = countPlan(reset, state, { devices: [] }, now + 2000 * dayMs, 'UTC', ids)
    const spent = countPlan(reset, ahead, { devices: [device('a', 5)] }, now + 2000 * dayMs + 1, 'UTC', ids)
    const right = countPlan(reset, spent, { devices: [device('a', 9)] }, now, 'UTC', ids)
    expect(right).toMatchObject({ usedBytes: 9, periodStart: Date.UTC(2026, 10, 15) })
    expect(planUse(reset, right, home, now, 'UTC', ids)?.end).toBe(Date.UTC(2026, 11, 15))
  })
})

test('whatever counters do, no byte is negative, and without resets each is counted once', () => {
  const growth = fc.array(fc.record({ received: fc.nat(1e6), sent: fc.nat(1e6), laterMs: fc.integer({ min: 0, max: 3 * dayMs }) }), { minLength: 1, maxLength: 30 })
  const begin = fc.record({ received: fc.nat(2 ** 31), sent: fc.nat(2 ** 31) })
  fc.assert(fc.property(begin, growth, fc.boolean(), (first, steps, wraps) => {
    const shown = (bytes: number) => (wraps ? bytes % 2 ** 32 : bytes)
    let { received, sent } = { received: first.received + 2 ** 32 - 2e6, sent: first.sent }
    let at = now
    const readings: Step[] = [{ at, devices: [device('a', shown(received), sent)] }]
    for (const step of steps) {
      received += step.received
      sent += step.sent
      at += step.laterMs
      readings.push({ at, devices: [device('a', shown(received), sent)] })
    }
    let state: PlanState | undefined
    let total = 0
    for (const { at: time, ...reading } of readings) {
      const before = state
      state = countPlan(plan, state, reading, time, 'UTC', ids)
      expect(state.usedBytes).toBeGreaterThanOrEqual(0)
      if (before && before.periodStart === state.periodStart) total += state.usedBytes - before.usedBytes
      else total += state.usedBytes
    }
    const all = steps.reduce((sum, step) => sum + step.received + step.sent, 0)
    expect(total).toBeLessThanOrEqual(all)
    if (state && readings.every((reading) => reading.at < Date.UTC(2026, 11, 1))) expect(total).toBe(all)
  }))
})
