import { readFileSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import { changedKeys, fixedKey, onSameMachine } from '../../config/changes.ts'
import { checkPolicy, checkWithPolicies } from '../../config/parse.ts'
import type { LoadedConfig } from '../../config/parse.ts'
import { problemText } from '../../config/problem.ts'
import { environment, smallest } from './sample.ts'

/** The smallest config, with policies `10.yaml`, `20.yaml` … over it. */
function over(...texts: readonly string[]) {
  return withMore('', ...texts)
}

function withMore(more: string, ...texts: readonly string[]) {
  const policies = texts.map((text, index) => ({ file: `/it/${index + 1}0.yaml`, text }))
  return checkWithPolicies({ file: '/c.yaml', text: smallest + more }, policies, environment)
}

function valid(checked: ReturnType<typeof over>): LoadedConfig {
  if ('problems' in checked) throw new Error(checked.problems.map(problemText).join('\n'))
  return checked
}

function problems(checked: ReturnType<typeof over>): string[] {
  return 'problems' in checked ? checked.problems.map(problemText) : []
}

describe('a policy', () => {
  test('says only what matters, and wins over the config, a later one over an earlier one', () => {
    const { config, origins } = valid(withMore('effort: 3\npower: { lowBattery: 20% }\n', 'effort: 4\npower: { sendAboveBattery: 60% }', 'effort: 5'))
    expect(config.effort).toBe(5)
    expect(config.power).toMatchObject({ lowBatteryPercent: 20, sendAboveBatteryPercent: 60, onUnknown: 'send' })
    expect(origins.get('effort')).toEqual({ value: '5', from: '/it/20.yaml:1' })
    expect(origins.get('power.sendAboveBattery')?.from).toBe('/it/10.yaml:2')
    expect(origins.get('power.lowBattery')?.from).toBe('/c.yaml:8')
    expect(origins.get('power.onUnknown')?.from).toBe('default')
  })

  test('names a stream to say more of it, or brings a new one', () => {
    const { config, origins } = valid(over('streams: [{ name: notes, networks: [free], optional: yes }]', `streams:
  - { name: mail, path: ./mail, purpose: research, files: append }
  - { name: notes, priority: low }`))
    expect(config.streams.map(({ name }) => name)).toEqual(['notes', 'mail'])
    expect(config.streams[0]).toMatchObject({ folder: '/data/notes', networks: ['free'], optional: true, priority: 'low', files: 'append' })
    expect(config.streams[1]?.folder).toBe('/it/mail')
    expect(origins.get('streams[0].optional')?.from).toBe('/it/10.yaml:1')
    expect(origins.get('streams[0].purpose')?.from).toBe('/c.yaml:4')
  })

  test('adds caps and exemptions; each of two limits of the same bytes is a cap', () => {
    const { config, origins } = valid(withMore(
      'caps: [{ limit: 5 GB, per: month }]\nexemptions: [{ because: no-charger }]\n',
      'caps: [{ limit: 3 GB, per: month }, { limit: 1 GB, per: day }]', 'exemptions: [{ because: limited-line }]\ncaps: [{ limit: 2 GB, per: month }]',
    ))
    expect(config.caps.map(({ id, limitBytes }) => [id, limitBytes])).toEqual([
      ['policy-month', 5e9], ['policy-month+2', 3e9], ['policy-day', 1e9], ['policy-month+3', 2e9],
    ])
    expect(config.exemptions.map(({ because }) => because)).toEqual(['no-charger', 'limited-line'])
    expect(origins.get('caps[1].limit')?.from).toBe('/it/10.yaml:1')
  })

  test('replaces other lists as a whole, and nothing of what it replaces is left', () => {
    const { config, origins } = valid(withMore('windows: [{ from: "1:00", to: "2:00" }, { from: "3:00", to: "4:00" }]\n', 'windows: [{ from: "20:00", to: "6:00" }]'))
    expect(config.windows).toEqual([{ days: [0, 1, 2, 3, 4, 5, 6], fromMinutes: 1200, toMinutes: 360 }])
    expect([...origins.keys()].filter((key) => key.startsWith('windows[1]'))).toEqual([])
    expect(valid(withMore('windows: [{ from: "1:00", to: "2:00" }]\n', 'windows: []')).config.windows).toEqual([])
  })

  test('may limit a single pause to no less than half an hour; a config may not', () => {
    expect(valid(over('pause: { longest: 8h }')).config.pause).toEqual({ longestMs: 8 * 3_600_000 })
    expect(problems(over('pause:\n  longest: 29m'))).toEqual(['/it/10.yaml:2:12 pause.longest: found "29m"; allowed: a duration such as 30s, 5m or 1h30m, from 30m to 52w'])
    expect(problems(withMore('pause: { longest: 8h }\n'))[0]).toMatch(/^\/c\.yaml:7:1 pause: found a key of policies; allowed here: device, /)
  })
})

describe('what is wrong in a policy is told by its own file, line and key', () => {
  test.each([
    [['', 'caps: [{ limit: 1 GB, per: day }, { limit: 5 GB, per: year }]'], '/it/20.yaml:1:55 caps[1].per: found "year"; allowed: day, week, month, rolling'],
    [['caps: [{ limit: 1 GB, per: day }]', 'caps: [{ limit: 5 GB, per: week, resetDay: 3 }]'], '/it/20.yaml:1:44 caps[0].resetDay: found it with per: week; allowed: only with per: month'],
    [['caps: [{ limit: 1 GB, per: day }]', 'caps:\n- { limit: 5 GB, per: day, stream: note }'], '/it/20.yaml:2:36 caps[0].stream: found "note", which is no stream; allowed: notes'],
    [['streams: [{ name: notes, path: /a }, { name: notes, path: /b }]'], '/it/10.yaml:1:38 streams[1].purpose: missing; allowed: text of 1 to 1000 characters'],
    [['streams: [{ name: nots, optional: yes }]'], '/it/10.yaml:1:11 streams[0].path: missing; allowed: the path of a folder: absolute, beginning with ~/, or relative to this file'],
    [['effort: 99', 'effort: 5'], '/it/10.yaml:1:9 effort: found "99"; allowed: auto, or a whole number from 1 to 19'],
    [['windows: [{ from: "1:00" }]', 'windows: []'], '/it/10.yaml:1:11 windows[0].to: missing; allowed: a time of day such as "20:00", in quotes'],
    [['plan: { keep: 30% }'], '/it/10.yaml:1:7 plan.limit: missing; allowed: a size such as 5 GB, 4 MiB or 500 kB, of at least 200 kB'],
    [['rate: { max: 10 kB/s, trickle: 5 kB/s }', 'rate:\n  trickle: 20 kB/s'], '/it/20.yaml:2:12 rate.trickle: found 20 kB/s, above max; allowed: 1 kB/s to 10 kB/s'],
    [['caps: [{ limit: 1 GB, per: day }, { limit: 2 GB, per: day }]'], '/it/10.yaml:1:35 caps[1]: found what caps[0] limits again; allowed: one limit for each period of the same bytes'],
    [['- a'], '/it/10.yaml:1:1 file: found a list; allowed: a map of'],
    [[`caps: [${Array(20).fill('{ limit: 1 GB, per: day }').join(', ')}]`, 'caps: [{ limit: 1 GB, per: day }]'], '/it/20.yaml:1:7 caps: found 21 items, with those of other files; allowed: 1 to 20 in all'],
    [['effort: 5\neffort: 6'], '/it/10.yaml:2:1 effort: found the same key twice; allowed: once'],
    [['effort: 5', '{ a: "b'], '/it/20.yaml:1:8 yaml: Missing closing "quote; allowed: YAML 1.2'],
  ] as const)('%j', (texts, problem) => {
    const found = problems(over(...texts))
    expect(found.filter((each) => each.startsWith(problem))).toHaveLength(1)
  })

  test('that is checked by itself, where nothing is required', () => {
    const check = (text: string) => checkPolicy({ file: 'p', text }, environment).map(problemText)
    expect(check('streams: [{ name: screens, optional: yes }]\nplan: { keep: 10% }\npause: { longest: 1h }')).toEqual([])
    expect(check('# nothing yet\n')).toEqual([])
    expect(check('streams: [{ optional: maybe }]')).toEqual(['p:1:23 streams[0].optional: found "maybe"; allowed: yes or no'])
    expect(check(readFileSync(new URL('../../config/policy-example.yaml', import.meta.url), 'utf8'))).toEqual([])
  })
})

test('what changed is told by its keys, also what a default takes the place of', () => {
  const before = valid(withMore('effort: 3\ncaps: [{ limit: 1 GB, per: day }]\n'))
  expect(changedKeys(before, valid(withMore('# moved down\n\ncaps:\n- per: day\n  limit: 1 GB\neffort: 3\n')))).toEqual([])
  expect(changedKeys(before, valid(withMore('effort: 3\n')))).toEqual(['caps', 'caps[0].limit', 'caps[0].per', 'caps[0].pace'])
  expect(changedKeys(before, valid(withMore('caps: [{ limit: 1000 MB, per: day }]\n')))).toEqual(['effort'])
  expect(fixedKey(['effort', 'state'])).toBe('state')
  expect(fixedKey(['effort', 'streams[0].path'])).toBeUndefined()
})

test('a machine that is called otherwise meanwhile is the same device, one that the config calls otherwise is not', () => {
  const named = (hostname: string, more = '') => valid(checkWithPolicies({ file: '/c.yaml', text: smallest + more }, [], { ...environment, hostname }))
  const before = named('first')
  expect(changedKeys(before, named('second'))).toEqual(['device'])
  expect(changedKeys(before, onSameMachine(named('second'), before))).toEqual([])
  expect(onSameMachine(named('second'), before).config.device).toBe('first')
  expect(changedKeys(before, onSameMachine(named('first', 'device: second\n'), before))).toEqual(['device'])
})
