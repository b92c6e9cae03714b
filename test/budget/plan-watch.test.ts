import { expect, test } from 'vitest'
import type { DeviceCounters } from '../../src/budget/plan.ts'
import { PlanWatch } from '../../src/budget/plan-watch.ts'
import { SluiceError } from '../../src/observe/error.ts'

const now = Date.UTC(2026, 10, 23, 12)
const minute = 60_000
const plan = { limitBytes: 10_000, per: 'month' as const, keepPercent: 20 }

function watchOf(options: { read: () => Promise<readonly DeviceCounters[]>; saved?: string; save?: (text: string) => void }) {
  return new PlanWatch({ plan, timeZone: 'UTC', networkIds: () => new Map(), saved: undefined, ...options })
}

const counters = (sentBytes: number): DeviceCounters[] => [{ key: 'eth0', receivedBytes: 0, sentBytes, isUplink: true }]

test('what moves between two looks is used, and the next process goes on from there', async () => {
  let sent = 1000
  let saved = ''
  const watch = watchOf({ read: async () => counters(sent), save: (text) => { saved = text } })
  await watch.look(now, undefined)
  sent = 1400
  await watch.look(now + minute, undefined)
  expect(watch.use(now + minute, undefined)).toMatchObject({ usedBytes: 400, limitBytes: 10_000, keepBytes: 2000 })
  watch[Symbol.dispose]()
  expect(watchOf({ read: async () => counters(sent), saved }).use(now + minute, undefined)).toMatchObject({ usedBytes: 400 })
})

test('counters that could never be read leave the plan unknown, not unused', async () => {
  const watch = watchOf({ read: async () => { throw new Error('no such file') } })
  expect(watch.use(now, undefined)).toBeUndefined()
  await watch.look(now, undefined)
  expect(watch.use(now, undefined)).toBe('unknown')
})

test('a disk that is full loses no count', async () => {
  const save = (): void => { throw new SluiceError('state-full', 'full', { transient: true }) }
  const watch = watchOf({ read: async () => counters(0), save })
  await watch.look(now, undefined)
  expect(watch.use(now, undefined)).toMatchObject({ usedBytes: 0 })
})
