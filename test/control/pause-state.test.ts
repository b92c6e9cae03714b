import fc from 'fast-check'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { changeSettings, pauseStateOf, pauseStatePath, publishPause, samePauseState } from '../../src/control/pause-state.ts'
import { takeExclusive } from '../../src/journal/exclusive.ts'
import { updateSettings } from '../../src/journal/settings.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const written = (): unknown => JSON.parse(readFileSync(pauseStatePath(folder), 'utf8'))

describe('the published pause', () => {
  test('says what the settings say, and is over when its time is', () => {
    const settings = { pause: { since: 10, until: 20, captures: 'drop' as const }, streamsOff: [{ stream: 'b', since: 1 }, { stream: 'a', since: 2 }] }
    expect(pauseStateOf(settings, 19)).toEqual({ version: 1, paused: true, since: 10, until: 20, captures: 'drop', streamsOff: ['a', 'b'], at: 19 })
    expect(pauseStateOf(settings, 20)).toEqual({ version: 1, paused: false, streamsOff: ['a', 'b'], at: 20 })
    expect(pauseStateOf({ streamsOff: [] }, 20)).toEqual({ version: 1, paused: false, streamsOff: [], at: 20 })
  })

  test('holds exactly from its beginning to its end', () => {
    fc.assert(fc.property(fc.nat(), fc.option(fc.nat(), { nil: undefined }), fc.nat(), (since, until, at) => {
      const pause = { since, ...(until !== undefined && { until }), captures: 'hold' as const }
      expect(pauseStateOf({ pause, streamsOff: [] }, at).paused).toBe(until === undefined || at < until)
    }))
  })

  test('is written when it changes, and only then', () => {
    expect(publishPause(folder, 100)).toMatchObject({ paused: false, at: 100 })
    const first = statSync(pauseStatePath(folder)).ino
    expect(publishPause(folder, 200)).toMatchObject({ paused: false, at: 100 })
    expect(statSync(pauseStatePath(folder)).ino).toBe(first)
    updateSettings(folder, (settings) => ({ ...settings, pause: { since: 250, captures: 'hold' } }))
    const state = publishPause(folder, 300)
    expect(state).toEqual({ version: 1, paused: true, since: 250, captures: 'hold', streamsOff: [], at: 300 })
    expect(written()).toEqual(state)
    expect(existsSync(`${pauseStatePath(folder)}.tmp`)).toBe(false)
  })

  test('can be read by others, whatever the umask', () => {
    publishPause(folder, 100)
    expect(statSync(pauseStatePath(folder)).mode & 0o777).toBe(0o644)
  })

  test('is a pause when the settings cannot be read', () => {
    writeFileSync(join(folder, 'settings.json'), 'no JSON')
    expect(publishPause(folder, 100)).toMatchObject({ paused: true, captures: 'hold' })
  })

  test('is written anew when it is damaged', () => {
    writeFileSync(pauseStatePath(folder), '{')
    expect(written).toThrow()
    const state = publishPause(folder, 100)
    expect(written()).toEqual(state)
  })

  test('is the same whenever it was written', () => {
    const state = pauseStateOf({ streamsOff: [] }, 1)
    expect(samePauseState(state, { ...state, at: 2 })).toBe(true)
    expect(samePauseState(state, { ...state, paused: true })).toBe(false)
  })
})

test('a change of the settings is told the time while it is the only one to change them', () => {
  let isAlone: boolean | undefined
  const clock = (): number => {
    using other = takeExclusive(join(folder, 'settings.lock.sqlite'), 0)
    isAlone ??= other === undefined
    return 7
  }
  expect(changeSettings(folder, clock, (old, now) => ({ ...old, sendNow: { since: now, until: 9 } })).sendNow).toEqual({ since: 7, until: 9 })
  expect(isAlone).toBe(true)
})
