import fc from 'fast-check'
import type { CapUse } from '../../src/budget/cap.ts'
import type { NetworkClass, NetworkState, PowerState } from '../../src/scheduler/conditions.ts'
import type { Answer, Exemption, Fault, GateInput, GatePolicy, PlanUse } from '../../src/scheduler/gate.ts'
import { reasonOrder, reasons } from '../../src/scheduler/reasons.ts'
import type { FaultCode } from '../../src/scheduler/reasons.ts'

export const now = Date.UTC(2026, 10, 23, 12)
const dayMs = 86_400_000

export const policy: GatePolicy = {
  power: { sendAboveBatteryPercent: 40, lowBatteryPercent: 15, onPowerSaver: 'hold', onUnknown: 'send' },
  network: { onUnknown: 'metered', onMetered: 'hold' },
  exemptions: [],
}

export function conditions(power: Partial<PowerState> = {}, cost: NetworkState['cost'] = 'free'): GateInput['conditions'] {
  return {
    power: { value: { supply: 'mains', saver: 'off', ...power }, source: 'sysfs', at: now - 2000 },
    network: { value: { cost }, source: 'NetworkManager', at: now - 2000 },
  }
}

/** Everything is well: both lanes are open. */
export const open: GateInput = { now, conditions: conditions(), policy, queue: { streams: ['log'] }, caps: [], faults: [] }

export function capUse(fields: Partial<CapUse> = {}): CapUse {
  return { id: 'a', per: 'month', limitBytes: 5e9, usedBytes: 0, start: now - dayMs, end: now + dayMs, ...fields }
}

export const faultCodes = reasonOrder.filter((code): code is FaultCode => reasons[code].raised === 'machinery')

const times = fc.integer({ min: now - 3 * dayMs, max: now + 3 * dayMs })
const percents = fc.integer({ min: 0, max: 100 })
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })

const powers: fc.Arbitrary<PowerState> = fc.record({
  supply: fc.constantFrom('mains', 'battery', 'unknown'),
  percent: percents,
  weakCharger: fc.boolean(),
  saver: fc.constantFrom('on', 'off', 'unknown'),
}, { requiredKeys: ['supply', 'saver'] })

const costs: readonly NetworkState['cost'][] = ['free', 'metered', 'near-limit', 'over-limit', 'roaming', 'unknown', 'offline']

const networks: fc.Arbitrary<NetworkState> = fc.record({
  cost: fc.constantFrom(...costs),
  reach: fc.constantFrom('full', 'portal', 'limited', 'unknown'),
}, { requiredKeys: ['cost'] })

const answers = fc.constantFrom<Answer[]>('hold', 'trickle', 'send')

const exemptions: fc.Arbitrary<Exemption> = fc.record({
  because: fc.constantFrom('limited-line', 'no-charger', 'sensitive-work'),
  streams: fc.subarray(['log', 'shots']),
  until: times,
}, { requiredKeys: ['because'] })

const policies: fc.Arbitrary<GatePolicy> = fc.record({
  power: fc.record({
    sendAboveBatteryPercent: percents,
    lowBatteryPercent: percents,
    onPowerSaver: answers,
    onUnknown: answers,
  }),
  network: fc.record({ onUnknown: fc.constantFrom('metered', 'free'), onMetered: answers }),
  exemptions: fc.array(exemptions, { maxLength: 3 }),
})

const plans: fc.Arbitrary<PlanUse> = fc.record({
  limitBytes: fc.integer({ min: 1, max: 1e6 }),
  usedBytes: fc.integer({ min: 0, max: 1e6 }),
  keepBytes: fc.integer({ min: 0, max: 1e6 }),
  end: times,
})

export const capUses: fc.Arbitrary<CapUse> = fc.record({
  id: fc.constantFrom('a', 'b', 'c'),
  per: fc.constantFrom('day', 'week', 'month', 'rolling'),
  limitBytes: fc.integer({ min: 0, max: 1e6 }),
  usedBytes: fc.integer({ min: 0, max: 2e6 }),
  today: fc.record({ shareBytes: fc.integer({ min: 0, max: 1e6 }), usedBytes: fc.integer({ min: 0, max: 1e6 }), end: times }),
  start: fc.constant(now - dayMs),
  end: times,
}, { requiredKeys: ['id', 'per', 'limitBytes', 'usedBytes', 'start', 'end'] })

export const faults: fc.Arbitrary<Fault> = fc.record({
  code: fc.constantFrom(...faultCodes),
  since: times,
  until: times,
  evidence: fc.constantFrom('x', 'y'),
}, { requiredKeys: ['code', 'since', 'evidence'] })

/** Any input without a previous decision. */
export const inputs: fc.Arbitrary<GateInput> = fc.record({
  now: fc.constant(now),
  conditions: fc.record({
    power: fc.record({ value: powers, source: fc.constant('sysfs'), at: times }),
    network: fc.record({
      value: networks,
      source: fc.constant('NetworkManager'),
      at: times,
    }),
  }),
  pause: optional(fc.record({ since: times, until: times }, { requiredKeys: ['since'] })),
  policy: policies,
  sendNow: optional(fc.record({ since: times, until: times })),
  window: optional(fc.record({ isOpen: fc.boolean(), changesAt: times })),
  plan: optional(plans),
  queue: fc.record({
    streams: fc.subarray(['log', 'shots']),
    networks: optional(fc.subarray<NetworkClass>(['free', 'metered'])),
    offSince: optional(times),
  }),
  leastBytes: optional(fc.integer({ min: 1, max: 1e5 })),
  caps: fc.array(capUses, { maxLength: 4 }),
  faults: fc.array(faults, { maxLength: 4 }),
})
