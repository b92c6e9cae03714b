import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { joinedSpans } from '../../src/capture/drop-spans.ts'
import { endLost, endPastPause, endPause, startPause } from '../../src/journal/pause.ts'
import { emptySettings } from '../../src/journal/settings.ts'
import type { Settings } from '../../src/journal/settings.ts'

const paused = (pause: NonNullable<Settings['pause']>, dropped: Settings['dropped'] = []): Settings => ({ ...emptySettings, pause, dropped })

describe('the end of a pause', () => {
  test('of one that drops leaves behind what is to be dropped, until now or its own end', () => {
    expect(endPause(paused({ since: 10, captures: 'drop' }), 50)).toEqual({ ...emptySettings, dropped: [{ since: 10, until: 50 }] })
    expect(endPause(paused({ since: 10, until: 30, captures: 'drop' }), 50).dropped).toEqual([{ since: 10, until: 30 }])
  })
  test('before it began says that the clock was set back, unless it had not begun yet', () => {
    expect(endPause(paused({ since: 9_000, captures: 'drop' }), 5_000).dropped).toEqual([{ since: 9_000, until: 5_000 }])
    expect(endPause(paused({ since: 9_000, captures: 'drop' }), 8_800).dropped).toEqual([{ since: 8_800, until: 9_000 }])
  })
  test('of one that holds leaves nothing behind', () => {
    expect(endPause(paused({ since: 10, captures: 'hold' }), 50)).toEqual(emptySettings)
    expect(endPause(emptySettings, 50)).toEqual(emptySettings)
  })
  test('comes by itself at its time, and not before', () => {
    const settings = paused({ since: 10, until: 30, captures: 'drop' })
    expect(endPastPause(settings, 29)).toBe(settings)
    expect(endPastPause(settings, 30)).toEqual({ ...emptySettings, dropped: [{ since: 10, until: 30 }] })
    const open = paused({ since: 10, captures: 'drop' })
    expect(endPastPause(open, 1e9)).toBe(open)
  })
})

describe('pausing again', () => {
  test('keeps the begin and the choice of captures, and takes the new end', () => {
    const settings = paused({ since: 10, until: 30, captures: 'drop' })
    expect(startPause(settings, 20, 90)).toEqual(paused({ since: 10, until: 90, captures: 'drop' }))
    expect(startPause(settings, 20, undefined)).toEqual(paused({ since: 10, captures: 'drop' }))
  })
  test('with another choice changes nothing of what was captured before', () => {
    expect(startPause(paused({ since: 10, captures: 'drop' }), 20, 90, 'hold')).toEqual(
      paused({ since: 20, until: 90, captures: 'hold' }, [{ since: 10, until: 20 }]),
    )
    expect(startPause(paused({ since: 10, captures: 'hold' }), 20, 90, 'drop')).toEqual(paused({ since: 20, until: 90, captures: 'drop' }))
  })
  test('after the end of the last one is a first pause, which holds', () => {
    expect(startPause(paused({ since: 10, until: 15, captures: 'drop' }), 20, 90)).toEqual(
      paused({ since: 20, until: 90, captures: 'hold' }, [{ since: 10, until: 15 }]),
    )
  })
})

describe('a pause that captures know of and the settings do not', () => {
  test('is dropped until now, or until the one that holds began', () => {
    expect(endLost(emptySettings, [10], 50).dropped).toEqual([{ since: 10, until: 50 }])
    expect(endLost(paused({ since: 30, captures: 'drop' }), [10, 30], 50)).toEqual(paused({ since: 30, captures: 'drop' }, [{ since: 10, until: 30 }]))
    expect(endLost(paused({ since: 30, captures: 'hold' }), [10], 50).dropped).toEqual([{ since: 10, until: 50 }])
  })
  test('is no news when its end is known', () => {
    const ended = { ...emptySettings, dropped: [{ since: 10, until: 20 }] }
    expect(endLost(ended, [10], 50)).toBe(ended)
  })
})

test('a pause in which the clock was set back stays apart, or makes what it is joined with one', () => {
  const back = { since: 9_000, until: 100 }
  expect(joinedSpans([back, { since: 50, until: 200 }, { since: 150, until: 300 }], 9)).toEqual([{ since: 50, until: 300 }, back])
  expect(joinedSpans([back, { since: 50, until: 200 }], 1)).toEqual([{ since: 9_000, until: 50 }])
})

test('whatever is paused with drop stays to be dropped, in few spans that are sorted and apart', () => {
  const step = fc.record({ pauseMs: fc.integer({ min: 1, max: 50 }), gapMs: fc.integer({ min: 0, max: 50 }), captures: fc.constantFrom<('drop' | 'hold')[]>('drop', 'hold') })
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    let now = 1000
    let settings: Settings = emptySettings
    const droppedTimes: number[] = []
    for (const { pauseMs, gapMs, captures } of steps) {
      settings = startPause(settings, now, undefined, captures)
      if (captures === 'drop') droppedTimes.push(now, now + pauseMs - 1)
      now += pauseMs
      settings = endPause(settings, now)
      now += gapMs
    }
    expect(settings.dropped.length).toBeLessThanOrEqual(100)
    for (const time of droppedTimes) expect(settings.dropped.some(({ since, until }) => since <= time && time < until)).toBe(true)
    for (const [index, span] of settings.dropped.entries()) {
      expect(span.until).toBeGreaterThan(span.since)
      expect(settings.dropped[index + 1]?.since ?? Infinity).toBeGreaterThan(span.until)
    }
  }))
})
