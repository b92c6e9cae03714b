import { describe, expect, test } from 'vitest'
import { TrialPolicy } from '../../src/pack/trial-policy.ts'

/** Feeds blocks and tells what was done with each: t, u or s. */
function phases(policy: TrialPolicy, blocks: number, against: (block: number) => number, stream = 'screens'): string {
  return Array.from({ length: blocks }, (_, block) => {
    const phase = policy.next(stream)
    if (phase === 'trial') policy.record(stream, 1000, against(block))
    return phase[0]
  }).join('')
}

describe('whether references pay', () => {
  test('is tried on three blocks, then holds for 29, then is tried again', () => {
    const cycle = (phase: string) => `ttt${phase.repeat(29)}`
    expect(phases(new TrialPolicy(), 96, () => 900)).toBe(cycle('u').repeat(3))
    expect(phases(new TrialPolicy(), 96, () => 995)).toBe(cycle('s').repeat(3))
    expect(phases(new TrialPolicy(), 64, (block) => (block < 32 ? 995 : 900))).toBe(cycle('s') + cycle('u'))
  })

  test('is decided by the sum of the trial at one percent, not by its last block', () => {
    expect(phases(new TrialPolicy(), 4, (block) => [1000, 1000, 960][block]!)).toBe('tttu')
    expect(phases(new TrialPolicy(), 4, (block) => [1000, 1000, 970][block]!)).toBe('ttts')
  })

  test('is decided for each stream by itself', () => {
    const policy = new TrialPolicy()
    expect(phases(policy, 5, () => 500, 'pointer')).toBe('tttuu')
    expect(phases(policy, 5, () => 1000, 'screens')).toBe('tttss')
    expect(policy.next('pointer')).toBe('use')
  })
})
