import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { explain } from '../../src/scheduler/explain.ts'
import { decide } from '../../src/scheduler/gate.ts'
import { capUse, conditions, inputs, now, open } from './gate-cases.ts'

describe('explain', () => {
  test('with nothing held it says so in one line', () => {
    expect(explain(decide(open), { now, timeZone: 'UTC' })).toEqual(['Nothing is held.'])
  })
  test('it says what is held, since when, until when and what helps, in the worker’s time zone', () => {
    const decision = decide({
      ...open,
      conditions: conditions({ supply: 'battery', percent: 32 }),
      caps: [capUse({ usedBytes: 5e9, end: Date.UTC(2026, 11, 14, 23) })],
    })
    expect(explain(decision, { now, timeZone: 'Europe/Berlin' })).toEqual([
      'Sending is held. Captures are still packed.',
      '',
      '  The machine runs on battery, and the charge is below what sending needs.',
      '  (battery)',
      '    Seen: battery 32 % (sysfs, 2 s ago), sending needs more than 40 %.',
      '    Holds sending since 13:00.',
      '    What you can do: Plug in the charger.',
      '',
      '  The data cap for this month is used up. (cap-month)',
      '    Seen: 5 GB of 5 GB used this month.',
      '    Holds sending since 13:00, until Tue 15 Dec, 00:00.',
      '    What you can do: Wait until the cap resets, or raise it with `sluice cap',
      '    set`.',
    ])
  })
  test('another year is named', () => {
    const decision = decide({ ...open, pause: { since: Date.UTC(2025, 11, 31, 8) } })
    expect(explain(decision, { now, timeZone: 'UTC' })).toContain('    Holds everything since Wed 31 Dec 2025, 08:00.')
  })
  test('whatever the decision, every reason is named and no line is longer than 80 columns', () => {
    fc.assert(fc.property(inputs, (input) => {
      const decision = decide(input)
      const lines = explain(decision, { now, timeZone: 'Pacific/Auckland' })
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
      for (const { code } of decision.reasons) expect(lines.join('\n')).toContain(`(${code})`)
    }))
  })
})
