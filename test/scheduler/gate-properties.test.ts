import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decide } from '../../src/scheduler/gate.ts'
import type { GateInput } from '../../src/scheduler/gate.ts'
import { reasonOrder, reasons } from '../../src/scheduler/reasons.ts'
import { capUses, faults, inputs, now } from './gate-cases.ts'

const rank = { hold: 0, full: 1 } as const

/** Changes that make things stricter, each to be tried on any input. */
const tighter: Record<string, (input: GateInput, extra: Extra) => GateInput> = {
  'a pause': (input) => ({ ...input, pause: { since: now } }),
  'a fault more': (input, { fault }) => ({ ...input, faults: [...input.faults, fault] }),
  'a cap more': (input, { cap }) => ({ ...input, caps: [...input.caps, cap] }),
  'more used': (input, { bytes }) => ({ ...input, caps: input.caps.map((cap) => ({ ...cap, usedBytes: cap.usedBytes + bytes })) }),
  'more needed': (input, { bytes }) => ({ ...input, leastBytes: (input.leastBytes ?? 1) + bytes }),
  'fewer networks': (input) => ({ ...input, networks: (input.networks ?? ['free', 'metered']).slice(1) }),
  'the power saver': (input) => withPower(input, { saver: 'on' }),
  'a metered network': (input) => withCost(input, input.conditions.network.value.cost === 'free' ? 'metered' : 'offline'),
  'no network': (input) => withCost(input, 'offline'),
  'less charge': (input, { bytes }) => {
    const { percent } = input.conditions.power.value
    return percent === undefined ? input : withPower(input, { percent: Math.max(0, percent - (bytes % 100)) })
  },
  'higher thresholds': (input, { bytes }) => ({
    ...input,
    policy: {
      ...input.policy,
      power: {
        ...input.policy.power,
        sendAboveBatteryPercent: input.policy.power.sendAboveBatteryPercent + (bytes % 50),
        lowBatteryPercent: input.policy.power.lowBatteryPercent + (bytes % 50),
      },
    },
  }),
  'a policy that holds': ({ policy, ...input }) => ({
    ...input,
    policy: {
      power: { ...policy.power, onPowerSaver: 'hold', onUnknown: 'hold' },
      network: { ...policy.network, onMetered: 'hold' },
    },
  }),
}

const extras = fc.record({ fault: faults, cap: capUses, bytes: fc.integer({ min: 0, max: 1e6 }) })
type Extra = typeof extras extends fc.Arbitrary<infer T> ? T : never

function withPower(input: GateInput, change: Partial<GateInput['conditions']['power']['value']>): GateInput {
  const { power } = input.conditions
  return { ...input, conditions: { ...input.conditions, power: { ...power, value: { ...power.value, ...change } } } }
}

function withCost(input: GateInput, cost: GateInput['conditions']['network']['value']['cost']): GateInput {
  return { ...input, conditions: { ...input.conditions, network: { ...input.conditions.network, value: { cost } } } }
}

/** Any input, with or without a decision that came before it. */
const anyInput = fc.tuple(inputs, fc.option(inputs, { nil: undefined }))
  .map(([input, before]) => ({ ...input, previous: before && decide(before) }))

describe('for any input', () => {
  test('a lane is open exactly when no reason holds it', () => {
    fc.assert(fc.property(anyInput, (input) => {
      const decision = decide(input)
      const held = (lane: 'send' | 'prepare') => decision.reasons.some(({ holds }) => holds === lane || holds === 'both')
      expect(decision.send).toBe(held('send') ? 'hold' : 'full')
      expect(decision.prepare).toBe(held('prepare') ? 'hold' : 'full')
    }))
  })
  test('maxBytes is never above what any cap leaves, and never negative', () => {
    fc.assert(fc.property(anyInput, (input) => {
      const { maxBytes } = decide(input)
      for (const cap of input.caps) expect(maxBytes).toBeLessThanOrEqual(Math.max(0, cap.limitBytes - cap.usedBytes))
      expect(maxBytes).toBeGreaterThanOrEqual(0)
    }))
  })
  test('an open send lane has bytes to send', () => {
    fc.assert(fc.property(anyInput, (input) => {
      const { send, maxBytes } = decide(input)
      if (send === 'full') expect(maxBytes).toBeGreaterThanOrEqual(input.leastBytes ?? 1)
    }))
  })
  test('reasons come in the order of the table, begin no later than now and end after it', () => {
    fc.assert(fc.property(anyInput, (input) => {
      const found = decide(input).reasons
      const order = found.map(({ code }) => reasonOrder.indexOf(code))
      expect(order).toEqual([...order].sort((a, b) => a - b))
      for (const reason of found) {
        expect(reason.since).toBeLessThanOrEqual(now)
        expect(reason.until ?? Infinity).toBeGreaterThan(now)
        expect(reason.holds).toBe(reasons[reason.code].holds)
      }
    }))
  })
  test('changesAt is later than now, and no known end comes before it', () => {
    fc.assert(fc.property(anyInput, (input) => {
      const { changesAt, reasons: found } = decide(input)
      if (changesAt !== undefined) expect(changesAt).toBeGreaterThan(now)
      for (const { until } of found) expect(changesAt ?? -Infinity).toBeLessThanOrEqual(until ?? Infinity)
      for (const { until } of found) if (until !== undefined) expect(changesAt).toBeDefined()
    }))
  })
  test('the order of caps and faults does not show', () => {
    fc.assert(fc.property(anyInput, fc.gen(), (input, gen) => {
      const shuffled = <T>(items: readonly T[]) => gen(fc.shuffledSubarray<T>, [...items], { minLength: items.length })
      expect(decide({ ...input, caps: shuffled(input.caps), faults: shuffled(input.faults) })).toEqual(decide(input))
    }))
  })
  test('deciding again with the decision itself as the previous one changes no lane', () => {
    fc.assert(fc.property(anyInput, (input) => {
      const first = decide(input)
      const second = decide({ ...input, previous: first })
      expect([second.send, second.prepare]).toEqual([first.send, first.prepare])
    }))
  })
  test.each(Object.entries(tighter))('%s never opens a lane nor frees a byte', (_, change) => {
    fc.assert(fc.property(anyInput, extras, (input, extra) => {
      const before = decide(input)
      const after = decide(change(input, extra))
      expect(rank[after.send]).toBeLessThanOrEqual(rank[before.send])
      expect(rank[after.prepare]).toBeLessThanOrEqual(rank[before.prepare])
      expect(after.maxBytes).toBeLessThanOrEqual(before.maxBytes)
    }))
  })
  test('an earlier hold never makes a battery look fuller: with it, at least what is held without it', () => {
    fc.assert(fc.property(inputs, inputs, (input, before) => {
      const alone = decide(input)
      const after = decide({ ...input, previous: decide(before) })
      expect(rank[after.send]).toBeLessThanOrEqual(rank[alone.send])
      expect(rank[after.prepare]).toBeLessThanOrEqual(rank[alone.prepare])
    }))
  })
})
