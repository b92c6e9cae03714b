import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { emptySettings, readSettings, updateSettings } from '../../src/journal/settings.ts'
import type { Settings } from '../../src/journal/settings.ts'

let folder: string
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'sluice-')) })
afterEach(() => { rmSync(folder, { recursive: true }) })

const file = () => join(folder, 'settings.json')

const spans = fc.record({ since: fc.nat(), until: fc.nat() })

const settings: fc.Arbitrary<Settings> = fc.record({
  version: fc.constant(1 as const),
  pause: fc.record({ since: fc.nat(), until: fc.nat(), captures: fc.constantFrom('hold', 'drop') }, { requiredKeys: ['since', 'captures'] }),
  dropped: fc.array(spans),
  droppedBefore: fc.array(spans),
  sendNow: spans,
  networks: fc.uniqueArray(fc.record({
    id: fc.nat({ max: 0xffff }).map((id) => id.toString(16).padStart(12, '0')),
    name: fc.constantFrom('home', 'office', 'train'),
    cost: fc.constantFrom('free', 'metered', 'auto'),
  }), { selector: ({ name }) => name, maxLength: 1 }),
  streamsOff: fc.array(fc.record({ stream: fc.constantFrom('mail', 'screens'), since: fc.nat() })),
  caps: fc.uniqueArray(fc.oneof(
    fc.record({
      id: fc.constantFrom('a', 'b', 'c'),
      limitBytes: fc.maxSafeNat().map((bytes) => bytes || 1),
      per: fc.constantFrom('day' as const, 'week' as const),
    }),
    fc.record({
      id: fc.constantFrom('d', 'e'),
      limitBytes: fc.constant(5),
      per: fc.constant('month' as const),
      resetDay: fc.integer({ min: 1, max: 31 }),
      pace: fc.boolean(),
      network: fc.constantFrom('home', 'office'),
    }),
    fc.record({
      id: fc.constantFrom('f', 'rolling-30.on.metered'),
      limitBytes: fc.constant(5),
      per: fc.constant('rolling' as const),
      days: fc.integer({ min: 1, max: 366 }),
      on: fc.constantFrom('free', 'metered'),
      stream: fc.constantFrom('mail', 'screens'),
    }),
  ), { selector: ({ id }) => id }),
}, { requiredKeys: ['version', 'dropped', 'droppedBefore', 'caps', 'networks', 'streamsOff'] })

test('without a file there are no settings', () => {
  expect(readSettings(folder)).toEqual(emptySettings)
})

test('settings read back as they were written', () => {
  fc.assert(fc.property(settings, (written) => {
    expect(updateSettings(folder, () => written)).toEqual(written)
    expect(readSettings(folder)).toEqual(written)
  }), { numRuns: 50 })
})

test('an update builds on the last one, makes the folder, and leaves a private file and no other', () => {
  const state = join(folder, 'a/b')
  updateSettings(state, (old) => ({ ...old, pause: { since: 5, captures: 'hold' } }))
  updateSettings(state, (old) => ({ ...old, caps: [{ id: 'day', limitBytes: 1, per: 'day' }] }))
  expect(readSettings(state)).toEqual({
    ...emptySettings,
    pause: { since: 5, captures: 'hold' },
    caps: [{ id: 'day', limitBytes: 1, per: 'day' }],
  })
  expect(readdirSync(state).sort()).toEqual(['settings.json', 'settings.lock.sqlite'])
  for (const name of readdirSync(state)) expect(statSync(join(state, name)).mode & 0o077).toBe(0)
})

test('a change that throws changes nothing and frees the lock', () => {
  updateSettings(folder, (old) => ({ ...old, pause: { since: 1, captures: 'hold' } }))
  expect(() => updateSettings(folder, () => { throw new Error('no') })).toThrow('no')
  expect(updateSettings(folder, (old) => old).pause).toEqual({ since: 1, captures: 'hold' })
})

test('settings of before networks and streams could be set are read, and a pause of then holds captures', () => {
  writeFileSync(file(), JSON.stringify({ version: 1, pause: { since: 7 }, caps: [] }))
  expect(readSettings(folder)).toEqual({ ...emptySettings, pause: { since: 7, captures: 'hold' } })
})

const good = { version: 1, caps: [{ id: 'day', limitBytes: 5, per: 'day' }] }
const damage: readonly (readonly [what: string, text: string])[] = [
  ['an empty file', ''],
  ['half a file', JSON.stringify(good).slice(0, 20)],
  ['a list', '[]'],
  ['another version', JSON.stringify({ ...good, version: 0 })],
  ['no version', JSON.stringify({ caps: [] })],
  ['an unknown key', JSON.stringify({ ...good, more: 1 })],
  ['a pause that is no object', JSON.stringify({ ...good, pause: true })],
  ['a pause without a start', JSON.stringify({ ...good, pause: { until: 5 } })],
  ['a pause that ends at no time', JSON.stringify({ ...good, pause: { since: 5, until: 'soon' } })],
  ['no caps', JSON.stringify({ version: 1 })],
  ['a cap of nothing', JSON.stringify({ version: 1, caps: [{ id: 'a', limitBytes: 0, per: 'day' }] })],
  ['a cap that is not whole', JSON.stringify({ version: 1, caps: [{ id: 'a', limitBytes: 1.5, per: 'day' }] })],
  ['a cap of no period', JSON.stringify({ version: 1, caps: [{ id: 'a', limitBytes: 5, per: 'year' }] })],
  [
    'a reset day for a week',
    JSON.stringify({ version: 1, caps: [{ id: 'a', limitBytes: 5, per: 'week', resetDay: 1 }] }),
  ],
  ['two caps of one id', JSON.stringify({ version: 1, caps: [good.caps[0], good.caps[0]] })],
  [
    'too many caps',
    JSON.stringify({
      version: 1,
      caps: Array.from({ length: 33 }, (_, index) => ({ ...good.caps[0], id: `a${index}` })),
    }),
  ],
  ['a huge file', ' '.repeat(70_000)],
]

describe('damaged settings are refused with the file and what to do, and stay as they are', () => {
  test.each(damage)('%s', (_, text) => {
    writeFileSync(file(), text)
    const refusal = expect.objectContaining({
      code: 'settings-damaged',
      message: expect.stringMatching(/settings\.json cannot be used: .*Nothing is sent until/) as string,
    }) as Error
    expect(() => readSettings(folder)).toThrow(refusal)
    expect(() => updateSettings(folder, (old) => old)).toThrow(refusal)
    expect(readFileSync(file(), 'utf8')).toBe(text)
  })

  test('text cut or changed anywhere is refused or still valid, never half believed', () => {
    const text = JSON.stringify({ ...good, pause: { since: 12, until: 34 } })
    fc.assert(fc.property(fc.nat({ max: text.length }), fc.string({ maxLength: 3 }), (at, inserted) => {
      writeFileSync(file(), text.slice(0, at) + inserted + text.slice(at + inserted.length + 1))
      try {
        const read = readSettings(folder)
        expect(updateSettings(folder, () => read)).toEqual(read)
      } catch (error) {
        expect((error as { code: string }).code).toMatch(/^(settings-damaged|state-newer)$/)
      }
    }), { numRuns: 300 })
  })
})

test('settings of a newer version are told apart from damage', () => {
  writeFileSync(file(), JSON.stringify({ version: 2, everything: 'else' }))
  expect(() => readSettings(folder)).toThrow(expect.objectContaining({ code: 'state-newer' }))
})

test('a settings file that is a folder, or a state folder that is a file, is named', () => {
  mkdirSync(file())
  expect(() => readSettings(folder)).toThrow(expect.objectContaining({ code: 'state-unusable' }))
  writeFileSync(join(folder, 'plain'), '')
  expect(() => updateSettings(join(folder, 'plain'), (old) => old)).toThrow(expect.objectContaining(
    { code: 'state-unusable' },
  ))
})
