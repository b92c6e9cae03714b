import { describe, expect, test } from 'vitest'
import { page } from '../../../src/observe/report/page.ts'
import { headline, more, omissions, sections } from '../../../src/observe/report/tables.ts'
import { dayMs, hourMs, monday, reported, summary } from './lines.ts'

const evil = '<script>alert(1)</script>"\'&\u001b[31m'
const fleet = Array.from({ length: 300 }, (_, device) => summary(`${evil}${device}`, monday + (device % 7) * dayMs, {
  capturedBytes: 1e9, newBytes: 6e8, packedBytes: 6e7, sentBytes: 5e7, sentPackBytes: 4e7, againBytes: 1e6, backlogBytes: 2e7, version: evil,
  oldestWaitingMs: 5 * dayMs, heldBytes: { metered: 1e7, held: 5e6, offline: 3e6, battery: 1e6, pace: 1e6 }, errors: { 'destination-busy': 3 },
  caps: [{ cap: evil, limitBytes: 100, usedBytes: 100, atRisk: true }],
}))
const report = reported(fleet, { silentAfterMs: 4 * dayMs })
const limits = { days: 31, rows: 10 }

describe('the page', () => {
  const html = page(report)
  test('loads nothing and runs nothing, whatever names a log brings', () => {
    expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|https?:|\bon[a-z]+=|url\((?!#)/)
    expect(html).toContain('default-src \'none\'')
    expect(html).toContain('&lt;script&gt;alert(1)')
    expect(html).not.toContain('\u001b')
  })
  test('says in words all that its pictures show, and uses no fill that is not there', () => {
    expect(html.match(/<svg viewBox[^>]*role="img" aria-label="/g)).toHaveLength(8)
    expect(html.match(/<g><title>Mon 16 Nov, /g)).toHaveLength(2)
    const fills = new Set([...html.matchAll(/<pattern id="([^"]+)"/g)].map(([, id]) => id))
    for (const [, fill] of html.matchAll(/fill="url\(#([^)]+)\)"/g)) expect(fills).toContain(fill)
    expect(html).toContain('prefers-color-scheme: dark')
  })
  test('stays small however many devices there are', () => {
    expect(html).toMatch(/and 200 more/)
    expect(html.length).toBeLessThan(200_000)
  })
  test('of no lines at all is a page too', () => {
    expect(page(reported([]))).toContain('There are no summaries of that time in these logs.')
  })
})

describe('the tables', () => {
  test('show a few rows and say how many more there are', () => {
    const all = new Map(sections(report, limits).map((section) => [section.title, section]))
    const silent = all.get('Silent: no line for 4d')
    expect(silent?.rows).toHaveLength(11)
    expect(silent && more(silent)).toBe('and 119 more')
    expect(all.get('Stuck: waiting for 3d, and nothing arrived')).toBeUndefined()
    expect(all.get('From capture to the line')?.rows.map(([label, , share]) => [label, share])).toEqual([
      ['', 'of captured'], ['captured', '100 %'], ['new', '60 %'], ['packed', '6 %'], ['arrived in packs', '4 %'], ['sent, all in all', '5 %'], ['of it sent again', '0.1 %'],
    ])
  })
  test('begin with what matters', () => {
    expect(headline(report)).toEqual([
      'Mon 16 Nov 2026 to Sun 22 Nov 2026: 300 devices, 300 summaries.', 'Sent: 15 GB for 300 GB captured. Waiting now: 6 GB.',
      'Silent: 129. Stuck: 0. Caps used up or at risk: 300 of 300.',
    ])
  })
  test('end with what was not counted', () => {
    const read = { ...report.read, unreadableLines: 12, unreadableIn: 3, misdated: 1, cutShort: [{ file: 'a\u001B[2J.gz', what: 'ends early' }], refused: [{ file: 'b', what: 'cannot be read (EACCES)' }] }
    expect(omissions({ ...report, read })).toEqual([
      'b cannot be read (EACCES).', 'a?[2J.gz ends early; what comes before that is counted.', '12 lines of 3 files could not be read.', '1 line older than 400 days or of a time to come is not counted.',
    ])
    expect(omissions(report)).toEqual([])
  })
  test('tell a long silence from a short one', () => {
    const { silent, asOf } = reported([summary('a', monday), summary('b', monday + 4 * dayMs)])
    expect([silent.map(({ device }) => device), asOf]).toEqual([['a'], monday + 4 * dayMs + hourMs])
  })
})
