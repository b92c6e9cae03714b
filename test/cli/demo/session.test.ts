import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Rect } from '../../../cli/demo/canvas.ts'
import { type MenuName, menus } from '../../../cli/demo/desk.ts'
import { menuItem, screen } from '../../../cli/demo/layout.ts'
import { simulateSession } from '../../../cli/demo/session.ts'

const startMs = Date.UTC(2026, 10, 23, 9)
const session = (seed: number, seconds = 30) => simulateSession({ seed, seconds, startMs })
const seeds = fc.integer()

function holds(rect: Rect, x: unknown, y: unknown): boolean {
  if (typeof x !== 'number' || typeof y !== 'number') return false
  return x >= rect.x && x < rect.x + rect.width && y >= rect.y && y < rect.y + rect.height
}

describe('the simulated session', () => {
  test('is the same for the same seed and another for another', () => {
    fc.assert(fc.property(seeds, (seed) => {
      expect(session(seed).events).toEqual(session(seed).events)
      expect(session(seed).events).not.toEqual(session(seed ^ 1).events)
    }), { numRuns: 10 })
  })

  test('is in order of time, ends in time, and dates every record from its start', () => {
    fc.assert(fc.property(seeds, fc.integer({ min: 0, max: 60 }), (seed, seconds) => {
      let before = 0
      for (const { atMs, record } of session(seed, seconds).events) {
        expect(atMs).toBeGreaterThanOrEqual(before)
        expect(atMs).toBeLessThan(seconds * 1000)
        expect(record['t']).toBe(Math.round(startMs + atMs))
        before = atMs
      }
    }), { numRuns: 25 })
  })

  test('has something in every stream within half a minute', () => {
    fc.assert(fc.property(seeds, (seed) => {
      const streams = new Set(session(seed).events.map((event) => event.stream))
      expect([...streams].sort()).toEqual(['keys', 'menus', 'pointer', 'workflow'])
    }), { numRuns: 40 })
  })

  test('keeps the pointer on the screen and moves it in steps a hand can make', () => {
    fc.assert(fc.property(seeds, (seed) => {
      let last = { x: 640, y: 420 }
      for (const { stream, record } of session(seed).events) {
        if (stream !== 'pointer') continue
        const [x, y] = [Number(record['x']), Number(record['y'])]
        expect(holds(screen, x, y)).toBe(true)
        expect(Math.hypot(x - last.x, y - last.y)).toBeLessThan(60)
        last = { x, y }
      }
    // In sessions 78 and 231 a bent path swings past the lower edge.
    }), { numRuns: 25, examples: [[78], [231]] })
  })

  test('picks menu items by pressing on them', () => {
    fc.assert(fc.property(seeds, (seed) => {
      const { events, appStateAt } = session(seed, 60)
      const picks = events.filter(({ record }) => record['event'] === 'pick' && record['kind'] === 'menu')
      for (const { atMs, record } of picks) {
        const menu = record['menu'] as MenuName
        const items: readonly string[] = menus[menu]
        const { x, y } = appStateAt(atMs).pointer
        expect(holds(menuItem(menu, items.indexOf(String(record['item']))), x, y)).toBe(true)
      }
    }), { numRuns: 25 })
  })

  test('never says which key was struck', () => {
    const kinds = new Set(session(3, 300).events.filter(({ stream }) => stream === 'keys').map(({ record }) => record['key']))
    expect([...kinds].sort()).toEqual(['backspace', 'digit', 'letter', 'modifier', 'punctuation', 'space'])
  })

  test('saves in the application what was typed into the form', () => {
    const { events, appStateAt } = session(1, 300)
    const saves = events.filter(({ record }) => record['event'] === 'save')
    expect(saves.length).toBeGreaterThan(3)
    for (const { atMs } of saves) {
      const state = appStateAt(atMs)
      expect(state.customers[state.selected]).toEqual(state.form)
    }
    expect(appStateAt(300_000).customers).not.toEqual(appStateAt(0).customers)
  })

  test('names only addresses under example.com', () => {
    const text = JSON.stringify(session(1).appStateAt(0))
    const addresses = text.match(/[\w.]+@[\w.]+/g) ?? []
    expect(addresses.length).toBeGreaterThan(10)
    expect(addresses.filter((address) => !address.endsWith('@example.com'))).toEqual([])
  })

  test('has the hand still while a letter is read, longer than two screenshots are apart', () => {
    fc.assert(fc.property(seeds, (seed) => {
      const { events, appStateAt } = session(seed)
      const opened = events.find(({ record }) => String(record['page']).startsWith('mail/'))
      const atMs = (opened?.atMs ?? 0) + 1
      expect(appStateAt(atMs + 3000)).toBe(appStateAt(atMs))
    }), { numRuns: 25 })
  })
})
