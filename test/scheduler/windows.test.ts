import fc from 'fast-check'
import { createTask } from 'node-cron'
import { describe, expect, test } from 'vitest'
import { windowTimes } from '../../src/scheduler/window-clock.ts'
import { windowAt } from '../../src/scheduler/windows.ts'
import type { SendWindow } from '../../src/scheduler/windows.ts'

const hour = 3_600_000
const day = 24 * hour
const everyDay = [0, 1, 2, 3, 4, 5, 6]
const evenings: SendWindow = { days: [0, 1, 2, 3, 4], fromMinutes: 20 * 60, toMinutes: 6 * 60 }
const at = (text: string): number => Date.parse(text)

describe('a window', () => {
  test('without one, sending is always allowed', () => {
    expect(windowAt([], 0, 'UTC')).toEqual({ isOpen: true, changesAt: Infinity })
  })
  test('it belongs to the day on which it begins: Friday’s lasts into Saturday, and Sunday has none', () => {
    const open = (text: string) => windowAt([evenings], at(text), 'UTC')
    expect(open('2026-11-27T19:59:59Z')).toEqual({ isOpen: false, changesAt: at('2026-11-27T20:00Z') })
    expect(open('2026-11-27T20:00:00Z')).toEqual({ isOpen: true, changesAt: at('2026-11-28T06:00Z') })
    expect(open('2026-11-28T05:59:59Z').isOpen).toBe(true)
    expect(open('2026-11-28T06:00:00Z')).toEqual({ isOpen: false, changesAt: at('2026-11-30T20:00Z') })
  })
  test('windows that touch or overlap are one', () => {
    const morning: SendWindow = { days: everyDay, fromMinutes: 6 * 60, toMinutes: 9 * 60 }
    expect(windowAt([evenings, morning], at('2026-11-27T21:00Z'), 'UTC').changesAt).toBe(at('2026-11-28T09:00Z'))
  })
  test('it goes by the worker’s clock', () => {
    expect(windowAt([evenings], at('2026-11-23T19:30Z'), 'Europe/Berlin').isOpen).toBe(true)
    expect(windowAt([evenings], at('2026-11-23T19:30Z'), 'UTC').isOpen).toBe(false)
  })
  test('in the night in which the clock goes forward it is an hour shorter, and an hour longer when it goes back', () => {
    const lasts = (from: string) => (windowAt([{ ...evenings, days: everyDay }], at(from), 'Europe/Berlin').changesAt - at(from)) / hour
    expect(lasts('2026-03-28T19:00Z')).toBe(9)
    expect(lasts('2026-10-24T18:00Z')).toBe(11)
  })
  test('a time that the clock skips comes where it would have come', () => {
    const early: SendWindow = { days: everyDay, fromMinutes: 150, toMinutes: 240 }
    expect(windowAt([early], at('2026-03-29T00:00Z'), 'Europe/Berlin').changesAt).toBe(at('2026-03-29T01:30Z'))
  })
})

const windows = fc.array(fc.record({
  days: fc.subarray(everyDay, { minLength: 1 }),
  fromMinutes: fc.integer({ min: 0, max: 1439 }),
  toMinutes: fc.integer({ min: 0, max: 1439 }),
}).filter(({ fromMinutes, toMinutes }) => fromMinutes !== toMinutes), { minLength: 1, maxLength: 3 })
const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu')

test('every change is one that node-cron knows of too, and each one opens or closes', () => {
  // Noon is far from any change of the clock, in which the two may choose differently.
  const noons = fc.integer({ min: 0, max: 700 }).map((days) => Date.UTC(2026, 0, 1, 12) + days * day)
  fc.assert(fc.property(windows, zones, noons, (list, timeZone, now) => {
    const { changesAt, isOpen } = windowAt(list, now, timeZone)
    expect(changesAt).toBeGreaterThan(now)
    if (changesAt === Infinity) return
    const tasks = windowTimes(list).map((time) => createTask(time, () => {}, { timezone: timeZone }))
    if (!isSetAround(timeZone, changesAt)) expect(tasks.some((task) => task.match(new Date(changesAt)))).toBe(true)
    expect(windowAt(list, changesAt, timeZone).isOpen).toBe(!isOpen)
    expect(windowAt(list, changesAt - 1, timeZone).isOpen).toBe(isOpen)
  }), { numRuns: 300 })
})

/** Whether the clock is set in the day around. */
function isSetAround(timeZone: string, around: number): boolean {
  const shown = (time: number) => new Intl.DateTimeFormat('en-US', { timeZone, timeStyle: 'short' }).format(time)
  return shown(around - day) !== shown(around) || shown(around + day) !== shown(around)
}
