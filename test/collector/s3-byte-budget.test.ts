import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteBudget } from '../../src/collector/byte-budget.ts'

test('work begins in the order in which it asks, within the bytes there are, and each ends', async () => {
  const most = 100
  await fc.assert(fc.asyncProperty(fc.array(fc.record({ bytes: fc.integer({ min: 0, max: 150 }), fails: fc.boolean() })), fc.scheduler(), async (wanted, scheduler) => {
    const budget = new ByteBudget(most)
    const begun: number[] = []
    let held = 0
    const work = wanted.map(({ bytes, fails }, at) => budget.hold(bytes, async () => {
      begun.push(at)
      held += Math.min(bytes, most)
      expect(held).toBeLessThanOrEqual(most)
      await scheduler.schedule(Promise.resolve())
      held -= Math.min(bytes, most)
      if (fails) throw new Error('failed')
      return at
    }))
    const results = await scheduler.waitFor(Promise.allSettled(work))
    expect(results.map(({ status }) => status === 'rejected')).toEqual(wanted.map(({ fails }) => fails))
    expect(begun).toEqual(wanted.map((_, at) => at))
    expect(await budget.hold(most, async () => 'all is free again')).toBe('all is free again')
  }))
})
