import { stripVTControlCharacters, styleText } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bar, plain } from '../../cli/paint.ts'
import { statusLines } from '../../cli/status-lines.ts'
import type { Status } from '../../src/control/status.ts'
import { decide } from '../../src/scheduler/gate.ts'
import { capUse, conditions, now, open } from '../scheduler/gate-cases.ts'

const rate = { maxBytesPerSecond: 500_000, trickleBytesPerSecond: 32_000, yields: true }
const slowed = { ...open, conditions: conditions({ weakCharger: true }, 'free') }

const status: Status = {
  version: 1, device: 'laptop-17', destination: 'https://collector.example.com/', running: { pid: 42, startedAt: now - 3_600_000 },
  conditions: { ...slowed.conditions, network: { value: { cost: 'free', because: 'set by you' }, source: 'NetworkManager', at: now } },
  network: { id: 'aaaaaaaaaaaa', name: 'home', cost: 'free' },
  queues: [
    { streams: ['mail', 'log'], decision: decide(slowed), waiting: { packs: 1, bytes: 2e6 } },
    { streams: ['screens'], decision: decide({ ...slowed, queue: { streams: ['screens'], networks: ['metered'] } }), waiting: { packs: 0, bytes: 0 } },
  ],
  caps: [{
    ...capUse({ usedBytes: 4.6e9, start: now - 10 * 86_400_000, end: now + 20 * 86_400_000 }), from: 'worker',
    forecast: { exhaustedAt: now + 86_400_000, endBytes: 13.8e9 },
  }],
  backlog: { packs: 1, bytes: 2e6 },
  sent: { packs: 7, packBytes: 3e7, rawBytes: 2e9, lastAt: now - 60_000 },
  plan: { limitBytes: 1e10, usedBytes: 3e9, keepBytes: 2e9, end: now + 86_400_000 },
  today: { usedBytes: 1e6 },
}

const answer = [
  'Some captures are sent now, others wait, because these captures may not use this',
  'network.',
  '',
  'sending   slowed (the charger is too weak): mail and log',
  'sending   held (the charger is too weak; these captures may not use this',
  '          network): screens',
  'today     1 MB sent',
  'cap       5 GB per month: warning: 4.6 GB used (92 %), starts again Sun 13 Dec,',
  '          12:00; at this pace used up Tue 24 Nov, 12:00',
  '          ██████████████████████░░ 92 %',
  'waiting   1 pack, 2 MB',
]

test('the status says first what is open, slowed or held and how near the caps are, then the facts', () => {
  expect(statusLines(status, rate, { now, timeZone: 'UTC' })).toEqual([
    ...answer,
    '',
    'power     mains, weak charger (sysfs)',
    'network   home, free, set by you (NetworkManager)',
    'rate      a little, at most 32 kB/s, slower while you use the line',
    'sent      7 packs so far, 30 MB for 2 GB of captures, last 11:59',
    'plan      3 GB of your 10 GB used by this machine, the last 2 GB are yours;',
    '          starts again Tue 24 Nov, 12:00',
    'service   running since 11:00 (process 42)',
    'device    laptop-17, to https://collector.example.com/',
    '',
    'Why? sluice why',
  ])
})

test('what moves has a bar', () => {
  const lines = statusLines(status, rate, { now, timeZone: 'UTC' }, { ...plain, unicode: false }, { packBytes: 4e6, sentBytes: 1e6 })
  expect(lines).toContain('moving    1 MB of 4 MB')
  expect(lines).toContain('          ######------------------ 25 %')
})

test.each([32, 40, 60, 80, 120])('every line fits %i columns', (columns) => {
  const lines = statusLines(status, rate, { now, timeZone: 'UTC' }, { ...plain, columns }, { packBytes: 4e6, sentBytes: 1e6 })
  expect(lines.filter((line) => line.length > columns)).toEqual([])
})

test('a bar is full only when all is used', () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 2, noNaN: true }), fc.integer({ min: 2, max: 40 }), (part, width) => {
    const shown = bar(part, width, { ...plain, unicode: false })
    expect(shown).toMatch(/^#*-*$/)
    expect([shown.length, shown.includes('-')]).toEqual([width, part < 1])
  }))
})

test('colours change no character of what is said', () => {
  const painted = statusLines(status, rate, { now, timeZone: 'UTC' }, { ...plain, paint: (style, text) => styleText(style, text, { validateStream: false }) })
  expect(painted.join('')).toContain('\x1b[')
  expect(painted.map(stripVTControlCharacters)).toEqual(statusLines(status, rate, { now, timeZone: 'UTC' }))
})
