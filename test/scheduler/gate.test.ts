import { describe, expect, test } from 'vitest'
import { decide } from '../../src/scheduler/gate.ts'
import type { Decision, Exemption, GateInput } from '../../src/scheduler/gate.ts'
import { reasonOrder, reasons } from '../../src/scheduler/reasons.ts'
import type { ReasonCode } from '../../src/scheduler/reasons.ts'
import { capUse, conditions, faultCodes, now, open, policy } from './gate-cases.ts'

const hour = 3_600_000
const codes = (decision: Decision) => decision.reasons.map((reason) => reason.code)
const onBattery = (percent: number, previous?: Decision): GateInput => ({ ...open, conditions: conditions({ supply: 'battery', percent }), previous })

const exempt = (because: Exemption['because']): GateInput => ({ ...open, policy: { ...policy, exemptions: [{ because }] } })

function withReach(reach: 'portal'): GateInput['conditions'] {
  const { power, network } = conditions()
  return { power, network: { ...network, value: { ...network.value, reach } } }
}

/** For every code that the gate itself raises, an input that shows it. */
const examples: Record<Exclude<ReasonCode, (typeof faultCodes)[number]>, GateInput> = {
  'paused': { ...open, pause: { since: now - hour } },
  'stream-off': { ...open, queue: { streams: ['log'], offSince: now - hour } },
  'exempt-work': exempt('sensitive-work'),
  'exempt-charger': { ...exempt('no-charger'), conditions: conditions({ supply: 'battery', percent: 90 }) },
  'exempt-line': { ...exempt('limited-line'), conditions: conditions({}, 'unknown') },
  'weak-charger': { ...open, conditions: conditions({ weakCharger: true, percent: 60 }) },
  'on-battery': onBattery(90),
  'cap-rolling': { ...open, caps: [capUse({ per: 'rolling', days: 30, usedBytes: 5e9 })] },
  'pace': { ...open, caps: [capUse({ usedBytes: 3e8, today: { shareBytes: 2e8, usedBytes: 2e8, end: now + hour } })] },
  'plan': { ...open, plan: { limitBytes: 50e9, usedBytes: 41e9, keepBytes: 10e9, end: now + hour } },
  'login-page': { ...open, conditions: withReach('portal') },
  'roaming': { ...open, conditions: conditions({}, 'roaming') },
  'over-limit': { ...open, conditions: conditions({}, 'over-limit') },
  'near-limit': { ...open, conditions: conditions({}, 'near-limit') },
  'outside-window': { ...open, window: { isOpen: false, changesAt: now + hour } },
  'battery-low': onBattery(15),
  'battery': onBattery(40),
  'power-saver': { ...open, conditions: conditions({ saver: 'on' }) },
  'power-unknown': { ...open, conditions: conditions({ supply: 'unknown' }), policy: { ...policy, power: { ...policy.power, onUnknown: 'hold' } } },
  'cap-day': { ...open, caps: [capUse({ per: 'day', usedBytes: 5e9 })] },
  'cap-week': { ...open, caps: [capUse({ per: 'week', usedBytes: 5e9 })] },
  'cap-month': { ...open, caps: [capUse({ per: 'month', usedBytes: 5e9 })] },
  'offline': { ...open, conditions: conditions({}, 'offline') },
  'metered': { ...open, conditions: conditions({}, 'metered') },
  'network-unknown': { ...open, conditions: conditions({}, 'unknown') },
  'stream-network': { ...open, queue: { streams: ['log'], networks: ['metered'] } },
}

describe('reasons', () => {
  test('every code can be reached, and holds the lanes that the table says', () => {
    const seen = new Set<ReasonCode>()
    const all = [
      ...Object.entries(examples).map(([code, input]) => ({ code, input })),
      ...faultCodes.map((code) => ({ code, input: { ...open, faults: [{ code, since: now, evidence: 'seen' }] } })),
    ]
    for (const { code, input } of all) {
      const reason = decide(input).reasons.find((candidate) => candidate.code === code)
      expect(reason?.holds, code).toBe(reasons[code as ReasonCode].holds)
      if (reason) seen.add(reason.code)
    }
    expect([...seen].sort()).toEqual([...reasonOrder].sort())
  })

  test('every reason says in sentences what it means and what can be done', () => {
    for (const code of reasonOrder) {
      expect(reasons[code].meaning, code).toMatch(/^[A-Z].*\.$/)
      expect(reasons[code].action, code).toMatch(/^[A-Z].*\.$/)
    }
  })

  test('all that apply are listed, gravest first', () => {
    const decision = decide({
      ...open,
      conditions: conditions({ supply: 'battery', percent: 10, saver: 'on' }, 'metered'),
      pause: { since: now - hour },
      queue: { streams: ['log'], networks: ['free'] },
      caps: [capUse({ usedBytes: 6e9 })],
      faults: [{ code: 'spool-full', since: now, evidence: 'no space' }],
    })
    expect(codes(decision)).toEqual([
      'paused', 'spool-full', 'battery-low', 'power-saver', 'battery', 'on-battery', 'cap-month', 'metered', 'stream-network',
    ])
  })
})

describe('the two lanes', () => {
  test('with nothing against it both are open', () => {
    expect(decide(open)).toEqual({ prepare: 'full', send: 'full', reasons: [], setAside: [], maxBytes: Infinity })
  })
  test('a pause holds both until it ends, and not a millisecond longer', () => {
    const pause = { since: now - hour, until: now + hour }
    expect(decide({ ...open, pause })).toMatchObject({ prepare: 'hold', send: 'hold', changesAt: now + hour })
    expect(decide({ ...open, pause, now: now + hour }).reasons).toEqual([])
  })
  test('a metered network holds sending only', () => {
    expect(decide(examples.metered)).toMatchObject({ prepare: 'full', send: 'hold' })
  })
  test('a full spool holds preparing only, so that sending can empty it', () => {
    const decision = decide({ ...open, faults: [{ code: 'spool-full', since: now, evidence: 'no space' }] })
    expect(decision).toMatchObject({ prepare: 'hold', send: 'full' })
  })
  test('on mains no charge holds anything', () => {
    expect(decide({ ...open, conditions: conditions({ supply: 'mains', percent: 1 }) }).reasons).toEqual([])
  })
})

describe('levels', () => {
  test('on battery with charge to spare, packing goes gently and sending at full speed', () => {
    expect(decide(onBattery(90))).toMatchObject({ prepare: 'trickle', send: 'full' })
  })
  test('a weak charger slows both lanes, and a low battery behind it stops them', () => {
    expect(decide(examples['weak-charger'])).toMatchObject({ prepare: 'trickle', send: 'trickle' })
    expect(decide({ ...open, conditions: conditions({ weakCharger: true, percent: 9 }) })).toMatchObject({ prepare: 'hold', send: 'hold' })
  })
  test.each(['hold', 'trickle', 'send'] as const)('the policy answers a metered network with %s', (answer) => {
    const input = { ...examples.metered, policy: { ...policy, network: { ...policy.network, onMetered: answer } } }
    expect(decide(input).send).toBe(answer === 'send' ? 'full' : answer)
  })
})

describe('send-now', () => {
  const sendNow = { since: now - hour, until: now + hour }
  test('what is only inconvenient is set aside, and listed as such until it ends', () => {
    const decision = decide({ ...examples.metered, sendNow })
    expect(decision).toMatchObject({ send: 'full', reasons: [], setAside: [{ code: 'metered' }], changesAt: now + hour })
    expect(codes(decide({ ...examples.metered, sendNow, now: now + hour }))).toEqual(['metered'])
    expect(codes(decide({ ...examples.metered, sendNow, now: now - 2 * hour })), 'after the clock went back').toEqual(['metered'])
  })
  test('hard caps, pauses, an empty battery, roaming and what IT decided still hold', () => {
    const hard = ['cap-month', 'cap-rolling', 'paused', 'battery-low', 'roaming', 'over-limit', 'stream-off', 'stream-network', 'exempt-work', 'exempt-line'] as const
    for (const code of hard) expect(decide({ ...examples[code], sendNow }).send, code).toBe('hold')
  })
  test('today’s share of a cap is set aside, the cap itself is not', () => {
    expect(decide({ ...examples.pace, sendNow })).toMatchObject({ send: 'full', maxBytes: 5e9 - 3e8 })
    expect(decide(examples.pace)).toMatchObject({ send: 'hold', maxBytes: 0 })
  })
})

describe('a data plan', () => {
  test('of which nobody knows what is left holds sending, and says so', () => {
    expect(decide({ ...open, plan: 'unknown' })).toMatchObject({ send: 'hold', prepare: 'full', reasons: [{ code: 'plan' }] })
  })
})

describe('exemptions', () => {
  test('one for other streams, or that is over, exempts nobody', () => {
    const other = { because: 'sensitive-work' as const, streams: ['mail'] }
    const over = { because: 'sensitive-work' as const, until: now }
    expect(decide({ ...open, policy: { ...policy, exemptions: [other, over] } }).reasons).toEqual([])
  })
})

describe('evidence', () => {
  test('it says what was seen, by whom, how long ago, and what is needed', () => {
    expect(decide(onBattery(32)).reasons[0]?.evidence).toBe('battery 32 % (sysfs, 2 s ago), sending needs more than 40 %')
    expect(decide(examples['cap-month']).reasons[0]?.evidence).toBe('5 GB of 5 GB used this month')
    expect(decide(examples['network-unknown']).reasons[0]?.evidence)
      .toBe('network has an unknown cost (NetworkManager, 2 s ago), counts as metered')
  })
  test('a reading from the future, after the clock went back, is just now', () => {
    expect(decide({ ...examples.offline, now: now - hour }).reasons[0]?.evidence).toBe('no network (NetworkManager, just now)')
  })
})

describe('unknown', () => {
  test('an unknown network is never called metered, but counts as what the policy says', () => {
    expect(codes(decide({ ...examples['network-unknown'], queue: { streams: ['log'], networks: ['free'] } }))).toEqual(['network-unknown', 'stream-network'])
    const free = { ...policy, network: { ...policy.network, onUnknown: 'free' as const } }
    expect(decide({ ...examples['network-unknown'], queue: { streams: ['log'], networks: ['free'] }, policy: free }).reasons).toEqual([])
  })
  test('a battery of unknown charge is as unknown as an unknown supply', () => {
    const input = { ...examples['power-unknown'], conditions: conditions({ supply: 'battery' as const }) }
    expect(codes(decide(input))).toEqual(['on-battery', 'power-unknown'])
    expect(decide({ ...input, policy })).toMatchObject({ prepare: 'trickle', send: 'full' })
  })
})

describe('battery thresholds', () => {
  test('sending starts above the threshold, and once held, only 5 points above it', () => {
    const held = decide(onBattery(40))
    expect(codes(held)).toEqual(['battery', 'on-battery'])
    expect(codes(decide(onBattery(41)))).toEqual(['on-battery'])
    expect(codes(decide(onBattery(44, held)))).toEqual(['battery', 'on-battery'])
    expect(codes(decide(onBattery(45, held)))).toEqual(['on-battery'])
  })
  test('a low battery lets work start again 5 points higher', () => {
    const held = decide(onBattery(15))
    expect(codes(held)).toEqual(['battery-low', 'battery', 'on-battery'])
    expect(codes(decide(onBattery(19, held)))).toEqual(['battery-low', 'battery', 'on-battery'])
    expect(codes(decide(onBattery(20, held)))).toEqual(['battery', 'on-battery'])
  })
  test('a charger in between begins anew: at 42 % unplugged again, sending goes on', () => {
    const plugged = decide({ ...open, conditions: conditions({ percent: 42 }), previous: decide(onBattery(40)) })
    expect(decide(onBattery(42, plugged)).send).toBe('full')
  })
  test('a full battery always passes a threshold that it can be above', () => {
    const high = { ...policy, power: { ...policy.power, sendAboveBatteryPercent: 98 } }
    const held = decide({ ...onBattery(50), policy: high })
    expect(decide({ ...onBattery(100, held), policy: high }).send).toBe('full')
  })
})

describe('since', () => {
  test('a reason keeps its time while it holds, whatever else comes and goes', () => {
    const first = decide(examples.metered)
    const later = decide({ ...examples.metered, now: now + hour, pause: { since: now + hour }, previous: first })
    expect(later.reasons).toMatchObject([{ code: 'paused', since: now + hour }, { code: 'metered', since: now }])
  })
  test('it never lies in the future, also after the clock went back', () => {
    const first = decide(examples.metered)
    expect(decide({ ...examples.metered, now: now - hour, previous: first }).reasons[0]?.since).toBe(now - hour)
  })
})

describe('caps', () => {
  test('one that leaves less than is worth sending is used up, and says when it resets', () => {
    const cap = capUse({ limitBytes: 1000, usedBytes: 901 })
    expect(decide({ ...open, caps: [cap], leastBytes: 99 })).toMatchObject({ send: 'full', maxBytes: 99 })
    const held = decide({ ...open, caps: [cap], leastBytes: 100 })
    expect(held).toMatchObject({ send: 'hold', maxBytes: 99, reasons: [{ code: 'cap-month', until: cap.end }] })
  })
})
