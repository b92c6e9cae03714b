import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NetworkState } from '../../src/scheduler/conditions.ts'
import { decide } from '../../src/scheduler/gate.ts'
import type { GateInput } from '../../src/scheduler/gate.ts'
import { reasonOrder, reasons, yieldsToSendNow } from '../../src/scheduler/reasons.ts'
import { capUses, faults, inputs, now } from './gate-cases.ts'

const rank = { hold: 0, trickle: 1, full: 2 } as const

/** Changes that make things stricter, each to be tried on any input. */
const tighter: Record<string, (input: GateInput, extra: Extra) => GateInput> = {
  'a pause': (input) => ({ ...input, pause: { since: now } }),
  'a fault more': (input, { fault }) => ({ ...input, faults: [...input.faults, fault] }),
  'a cap more': (input, { cap }) => ({ ...input, caps: [...input.caps, cap] }),
  'more used': (input, { bytes }) => ({ ...input, caps: input.caps.map((cap) => ({ ...cap, usedBytes: cap.usedBytes + bytes })) }),
  'more needed': (input, { bytes }) => ({ ...input, leastBytes: (input.leastBytes ?? 1) + bytes }),
  'less of today’s share': (input, { bytes }) => ({
    ...input,
    caps: input.caps.map((cap) => ({ ...cap, ...(cap.today && { today: { ...cap.today, usedBytes: cap.today.usedBytes + bytes } }) })),
  }),
  'fewer networks': (input) => ({ ...input, queue: { ...input.queue, networks: (input.queue.networks ?? ['free', 'metered']).slice(1) } }),
  'a stream that is off': (input) => ({ ...input, queue: { ...input.queue, offSince: now } }),
  'no send-now': (input) => ({ ...input, sendNow: undefined }),
  'a closed window': (input) => ({ ...input, window: { isOpen: false, changesAt: now + 1 } }),
  'a plan that is used up': (input) => ({ ...input, plan: { limitBytes: 1, usedBytes: 1, keepBytes: 1, end: now + 1 } }),
  'a weak charger': (input) => withPower(input, { weakCharger: true }),
  'a login page': (input) => withNetwork(input, { ...input.conditions.network.value, reach: 'portal' }),
  'an exemption': (input) => ({
    ...input, policy: { ...input.policy, exemptions: [...input.policy.exemptions, { because: 'limited-line' as const }] },
  }),
  'the power saver': (input) => withPower(input, { saver: 'on' }),
  'a metered network': (input) => withNetwork(input, { cost: input.conditions.network.value.cost === 'free' ? 'metered' : 'offline' }),
  'no network': (input) => withNetwork(input, { cost: 'offline' }),
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
      ...policy,
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

function withNetwork(input: GateInput, value: NetworkState): GateInput {
  const { network } = input.conditions
  return { ...input, conditions: { ...input.conditions, network: { ...network, value } } }
}

/** Any input, with or without a decision that came before it. */
const anyInput = fc.tuple(inputs, fc.option(inputs, { nil: undefined }))
  .map(([input, before]) => ({ ...input, previous: before && decide(before) }))

describe('for any input', () => {
  test('a lane is as open as the strictest reason for it leaves it', () => {
    fc.assert(fc.property(anyInput, (input) => {
      const decision = decide(input)
      for (const lane of ['send', 'prepare'] as const) {
        const levels = decision.reasons.filter(({ holds }) => holds === lane || holds === 'both').map(({ level }) => rank[level])
        expect(rank[decision[lane]]).toBe(Math.min(rank.full, ...levels))
      }
    }))
  })
  test('what a send-now sets aside is what the table lets it, and nothing without one', () => {
    fc.assert(fc.property(anyInput, (input) => {
      const { setAside, reasons: counted } = decide(input)
      const asked = input.sendNow !== undefined && input.sendNow.since <= now && input.sendNow.until > now
      if (!asked) expect(setAside).toEqual([])
      else expect(counted.filter(({ code }) => yieldsToSendNow(code))).toEqual([])
      expect(setAside.filter(({ code }) => !yieldsToSendNow(code))).toEqual([])
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
      if (send !== 'hold') expect(maxBytes).toBeGreaterThanOrEqual(input.leastBytes ?? 1)
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
