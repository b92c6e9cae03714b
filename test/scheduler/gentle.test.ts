import { expect, test } from 'vitest'
import { gentleRest } from '../../src/scheduler/gentle.ts'

/** Works in stretches on a clock of its own, and returns the rests it took. */
async function restsFor(stretches: readonly number[], isGentle = true): Promise<number[]> {
  const rests: number[] = []
  let clock = 0
  const rest = gentleRest(() => isGentle, () => clock, async (ms) => {
    rests.push(ms)
    clock += ms
  })
  for (const stretch of stretches) {
    clock += stretch
    await rest()
  }
  return rests
}

test('gentle work rests three times as long as it worked, in stretches of 100 ms or more', async () => {
  expect(await restsFor([99])).toEqual([])
  expect(await restsFor([60, 60, 100, 20])).toEqual([360, 300])
})

test('work that is not gentle never rests', async () => {
  expect(await restsFor([500, 500], false)).toEqual([])
})

test('one long stretch is not made up for by a nap of minutes', async () => {
  expect(await restsFor([60_000])).toEqual([1200])
})
