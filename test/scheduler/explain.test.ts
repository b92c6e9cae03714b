import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { explain, headline, nextChange } from '../../src/scheduler/explain.ts'
import type { Situation } from '../../src/scheduler/explain.ts'
import { decide } from '../../src/scheduler/gate.ts'
import type { Decision, Reason } from '../../src/scheduler/gate.ts'
import { reasonOrder, reasons, yieldsToSendNow } from '../../src/scheduler/reasons.ts'
import type { ReasonCode } from '../../src/scheduler/reasons.ts'
import { timeInWords, wrap } from '../../src/scheduler/words.ts'
import { capUse, conditions, inputs, now, open } from './gate-cases.ts'

const utc = { now, timeZone: 'UTC' }
const halfHour = 30 * 60_000

function situation(decisions: Readonly<Record<string, Decision>>, more: Partial<Situation> = {}): Situation {
  const queues = Object.entries(decisions).map(([name, decision]) => ({ streams: name.split('+'), decision, waiting: { bytes: 1.6e6 } }))
  return { running: {}, queues, ...more }
}

const free = decide(open)

describe('explain', () => {
  test('with nothing held it says so in one line', () => {
    expect(explain(situation({ mail: free, log: free }), utc)).toEqual(['Sending now, 3.2 MB waiting.'])
    const sent = situation({ mail: free })
    expect(explain({ ...sent, queues: sent.queues.map((queue) => ({ ...queue, waiting: { bytes: 0 } })) }, utc)).toEqual([
      'Nothing waits: all that was packed has been sent.',
    ])
  })

  test('the answer comes first, then each reason with its times and what helps, in the worker’s time zone', () => {
    const decision = decide({
      ...open,
      conditions: conditions({ supply: 'battery', percent: 32 }),
      caps: [capUse({ usedBytes: 5e9, end: Date.UTC(2026, 11, 14, 23) })],
    })
    expect(explain(situation({ mail: decision }), { now, timeZone: 'Europe/Berlin' })).toEqual([
      'Nothing is sent now, because the battery is too low for sending, and because',
      'this month’s data cap is used up.',
      '1.6 MB wait. New captures are packed gently.',
      '',
      '- The machine runs on battery, and the charge is below what sending needs.',
      '  (battery)',
      '  Stops sending since 13:00.',
      '  Seen: battery 32 % (sysfs, 2 s ago), sending needs more than 40 %.',
      '  What to do: Plug in the charger.',
      '',
      '- The machine runs on battery, so captures are packed gently, with pauses.',
      '  (on-battery)',
      '  Slows packing since 13:00.',
      '  Seen: on battery, 32 % (sysfs, 2 s ago).',
      '  What to do: Nothing. With the charger plugged in, packing goes at full speed.',
      '',
      '- The data cap for this month is used up. (cap-month)',
      '  Stops sending since 13:00, until Tue 15 Dec, 00:00.',
      '  Seen: 5 GB of 5 GB used this month.',
      '  What to do: Wait until the cap resets. If it is your own, `sluice cap set` can',
      '  raise it.',
      '',
      'Next change: Tue 15 Dec, 00:00, when the data cap starts again. What else is',
      'listed here may go on.',
    ])
  })

  test('a service that does not run is the answer, whatever else holds', () => {
    const { queues } = situation({ mail: decide({ ...open, pause: { since: now } }) })
    expect(explain({ queues }, utc)[0]).toBe('Nothing is sent now, because Sluice is not running. Start it with: sluice run')
  })

  test('a reason of several groups is told once, and one of some says for which', () => {
    const metered = { ...open, conditions: conditions({}, 'metered') }
    const lines = explain(situation({
      mail: decide(metered), log: decide({ ...metered, previous: { ...free, reasons: [] } }),
      screens: decide({ ...metered, queue: { streams: ['screens'], networks: ['free'] } }),
    }), utc)
    expect(lines.filter((line) => line.includes('(metered)'))).toHaveLength(1)
    expect(lines.filter((line) => line.includes('(stream-network)'))).toHaveLength(1)
    expect(lines).toContain('  Stops sending since 12:00. For screens.')
    expect(lines).toContain('  Stops sending since 12:00.')
  })

  test('where only some captures are sent it says which', () => {
    const lines = explain(situation({
      'mail+log': free, 'screens': decide({ ...open, queue: { streams: ['screens'], networks: ['metered'] } }),
    }), utc)
    expect(lines.slice(0, 4)).toEqual([
      'Some captures are sent now, others wait, because these captures may not use this',
      'network.',
      '3.2 MB wait. Free to leave: mail and log. Waiting: screens.',
      '',
    ])
  })

  test('a little is not nothing', () => {
    const decision = decide({ ...open, conditions: conditions({ weakCharger: true }) })
    expect(headline(situation({ mail: decision }))).toBe('Sending a little, because the charger is too weak.')
  })

  test('what a send-now sets aside is told apart, with its end', () => {
    const sendNow = { since: now - 1000, until: now + halfHour }
    const decision = decide({ ...open, conditions: conditions({}, 'metered'), sendNow })
    expect(explain(situation({ mail: decision }, { sendNow }), utc)).toEqual([
      'Sending now, 1.6 MB waiting.',
      '',
      'You asked to send now, until 12:30. Set aside for that:',
      '- this network costs money. Seen: network is metered (NetworkManager, 2 s ago).',
      '',
      'Next change: 12:30, when your wish to send now ends.',
    ])
  })

  test('a window’s end is a change that is named', () => {
    const window = { isOpen: true, changesAt: now + halfHour }
    expect(nextChange(situation({ mail: decide({ ...open, window }) }, { window }), utc)).toBe('12:30, when the time for sending ends')
  })

  test('while you paused, nothing but the end of the pause is a change, and without one there is none', () => {
    const window = { isOpen: false, changesAt: now + 1000 }
    const busy = { ...open, window, caps: [capUse({ usedBytes: 5e9, end: now + halfHour / 2 })], conditions: conditions({}, 'metered') }
    const ending = decide({ ...busy, pause: { since: now, until: now + halfHour } })
    expect(nextChange(situation({ mail: ending }, { window }), utc)).toBe('12:30, when the pause ends')
    expect(nextChange(situation({ mail: decide({ ...busy, pause: { since: now } }) }, { window }), utc)).toBeUndefined()
  })

  test('that a cap which is not used up, or a time in which nothing is sent anyway, comes to its end is no change', () => {
    const decision = decide({ ...open, caps: [capUse({ usedBytes: 0, end: now + halfHour })] })
    expect(decision.changesAt).toBe(now + halfHour)
    expect(nextChange(situation({ mail: decision }), utc)).toBeUndefined()
    const window = { isOpen: true, changesAt: now + halfHour }
    const held = decide({ ...open, window, conditions: conditions({}, 'metered') })
    expect(nextChange(situation({ mail: held }, { window }), utc)).toBeUndefined()
  })

  test('whatever the decision, every reason is named and no line is longer than 80 columns', () => {
    fc.assert(fc.property(inputs, inputs, (one, two) => {
      const decisions = { one: decide(one), two: decide(two) }
      const lines = explain(situation(decisions), { now, timeZone: 'Pacific/Auckland' })
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
      for (const { code } of [...decisions.one.reasons, ...decisions.two.reasons]) expect(lines.join('\n')).toContain(`(${code})`)
    }))
  })
})

/** Words of those who build Sluice. A code in parentheses may bear one: it is there to be looked up. */
const jargon = /\b(daemon|gates?|queues?|hysteresis|spool|tus|lanes?|journal|ledger|trickle|backlog|stamped|sealed|epoch|undefined|null|NaN)\b/i

describe('each reason, as somebody reads it who has never heard of Sluice', () => {
  test.each(reasonOrder.map((code) => [code]))('%s', (code: ReasonCode) => {
    const reason: Reason = {
      code, holds: reasons[code].holds, level: 'hold', since: now - halfHour, until: now + halfHour,
      evidence: 'seen just now on this machine',
    }
    const held: Decision = {
      prepare: reason.holds === 'send' ? 'full' : 'hold', send: reason.holds === 'prepare' ? 'full' : 'hold',
      reasons: [reason], setAside: [], maxBytes: 0, changesAt: now + halfHour,
    }
    const text = explain(situation({ mail: held }), utc)
    const flat = text.map((line) => line.trim()).join(' ')
    for (const line of text) expect(line.length).toBeLessThanOrEqual(80)
    expect(text.length).toBeLessThanOrEqual(24)
    expect(flat).toContain(reasons[code].meaning)
    expect(flat).toContain(`What to do: ${reasons[code].action}`)
    expect(flat).toContain('since 11:30, until 12:30.')
    expect(flat).toContain('Next change: 12:30, when ')
    expect(flat.replaceAll(`(${code})`, '')).not.toMatch(jargon)
    if (!yieldsToSendNow(code)) return
    const aside: Decision = { ...held, send: 'full', prepare: 'full', reasons: [], setAside: [reason] }
    const told = explain(situation({ mail: aside }, { sendNow: { until: now + halfHour } }), utc)
    expect(told.slice(2, 4)).toEqual(['You asked to send now, until 12:30. Set aside for that:', expect.stringMatching(/^- .+ Seen: seen just/)])
  })
})

test('a time is told on the worker’s clock, with the day when it is another and the year when it is another', () => {
  expect(timeInWords(now, { now, timeZone: 'Europe/Berlin' })).toBe('13:00')
  expect(timeInWords(now + 86_400_000, utc)).toBe('Tue 24 Nov, 12:00')
  expect(timeInWords(now + 10_000, utc)).toBe('12:00:10')
  expect([now - 10_000, now, now + 120_000].map((time) => timeInWords(time, utc))).toEqual(['11:59', '12:00', '12:02'])
  expect(timeInWords(Date.UTC(2025, 11, 31, 8), utc)).toBe('Wed 31 Dec 2025, 08:00')
})

test('lines break between words, not between a number and its unit; what is longer than a line is cut', () => {
  expect(wrap('used 142.9 MB of it', 10, '')).toEqual(['used', '142.9 MB', 'of it'])
  expect(wrap(`at ${'x'.repeat(25)}`, 10, '  ', '- ')).toEqual(['- at', '  xxxxxxxx', '  xxxxxxxx', '  xxxxxxxx', '  x'])
})
