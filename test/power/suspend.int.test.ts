import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lookAtClocks, sleptBetween, watchSuspend } from '../../src/scheduler/suspend.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { startPrivatePower, whyNoPrivatePower } from './private-power.ts'
import type { PrivatePower } from './private-power.ts'

const look = (throughSleepMs: number, monotonicMs: number) => ({ throughSleepMs, monotonicMs })

describe('sleep between two looks at the clocks', () => {
  test('is what one clock counted and the other did not', () => {
    expect(sleptBetween(look(1000, 500), look(3_601_000, 5500))).toBe(3_595_000)
  })
  test('is none while both go on, however long', () => {
    expect(sleptBetween(look(0, 0), look(86_400_000, 86_400_000))).toBe(0)
    expect(sleptBetween(look(0, 0), look(31_000, 30_000), 30_000)).toBe(0)
  })
  test('shows in a look that comes far too late where no clock stands still', () => {
    expect(sleptBetween(look(0, 0), look(3_600_000, 3_600_000), 30_000)).toBe(3_570_000)
    expect(sleptBetween(look(0, 0), look(40_000, 40_000), 30_000)).toBe(0)
  })
  test('is never negative', () => {
    const time = fc.double({ min: 0, max: 1e12, noNaN: true })
    fc.assert(fc.property(time, time, time, time, time, (a, b, c, d, planned) => {
      expect(sleptBetween(look(a, b), look(c, d), planned)).toBeGreaterThanOrEqual(0)
    }))
  })
  test('is none between two looks at this machine’s clocks', () => {
    const before = lookAtClocks()
    const after = lookAtClocks()
    expect(after.monotonicMs).toBeGreaterThanOrEqual(before.monotonicMs)
    expect(sleptBetween(before, after, 0)).toBe(0)
  })
})

test('without a bus a watch tells nothing, and can be ended twice', async () => {
  const told: string[] = []
  const watch = watchSuspend({
    address: `unix:path=${join(await temporaryFolder(), 'bus')}`,
    onSuspend: () => told.push('suspend'),
    onResume: () => told.push('resume'),
  })
  watch[Symbol.dispose]()
  watch[Symbol.dispose]()
  expect(told).toEqual([])
})

const missing = whyNoPrivatePower()

describe.skipIf(missing !== undefined)(`what logind says on a real bus${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let power: PrivatePower
  beforeAll(async () => {
    power = await startPrivatePower()
  })
  afterAll(() => power?.[Symbol.asyncDispose]())

  test('suspend and resume are told as they come, until the watch ends', async () => {
    const told: string[] = []
    const watch = watchSuspend({
      address: power.busAddress, onSuspend: () => told.push('suspend'), onResume: () => told.push('resume'),
    })
    // Nobody tells when the connection stands: resumes are sent until one arrives.
    await expect.poll(async () => {
      await power.run('resume')
      return told
    }).toContain('resume')
    await expect.poll(async () => told.splice(0).length).toBe(0)
    await power.run('suspend')
    await expect.poll(() => told).toEqual(['suspend'])
    await power.run('resume')
    await expect.poll(() => told).toEqual(['suspend', 'resume'])
    watch[Symbol.dispose]()
    const later: string[] = []
    using second = watchSuspend({ address: power.busAddress, onSuspend: () => later.push('suspend'), onResume: () => {} })
    await expect.poll(async () => {
      await power.run('suspend')
      return later
    }).toContain('suspend')
    expect(second).toBeDefined()
    expect(told).toEqual(['suspend', 'resume'])
  })

  test('another program that says the same is not logind', async () => {
    const told: string[] = []
    using watch = watchSuspend({
      address: power.busAddress, onSuspend: () => told.push('suspend'), onResume: () => told.push('resume'),
    })
    const resumeIsTold = async () => {
      await power.run('resume')
      return told
    }
    await expect.poll(resumeIsTold).toContain('resume')
    await power.run('stop logind')
    await power.run('suspend')
    await power.run('start logind')
    const before = told.length
    await expect.poll(async () => (await resumeIsTold()).length).toBeGreaterThan(before)
    expect(told).not.toContain('suspend')
    expect(watch).toBeDefined()
  })
})
