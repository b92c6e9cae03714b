import { describe, expect, test } from 'vitest'
import { createRandom } from '../../../cli/demo/random.ts'
import { parseConfig } from '../../../config/parse.ts'
import { emptySettings } from '../../../src/journal/settings.ts'
import { page } from '../../../src/scheduler/simulate/page.ts'
import { comparison, dayTable, summary, verdict } from '../../../src/scheduler/simulate/report.ts'
import { sampleHeader, samples, sampleTrace, type SampleName } from '../../../src/scheduler/simulate/sample.ts'
import { Simulation } from '../../../src/scheduler/simulate/simulation.ts'

function play(name: SampleName, rules: string = samples[name].rules, timeZone = 'Europe/Berlin') {
  const text = `streams: [{ name: pointer, path: /p, purpose: tests, files: append }]\ndestination: file:///out\nstate: /state\ntimeZone: ${timeZone}\n${rules}`
  const { config } = parseConfig(text, '/c.yaml', { home: '/', hostname: 'h', timeZone: 'UTC', cwd: '/' })
  const simulation = new Simulation({ config, settings: emptySettings, header: sampleHeader })
  for (const event of sampleTrace(name, timeZone, createRandom(1))) simulation.add(event)
  return simulation.finish()
}

const names = Object.keys(samples) as SampleName[]

describe('a month made up', () => {
  test.each(names)('%s is the same each time, goes forward in time in any zone, and shows what it is for', (name) => {
    const result = play(name)
    expect(play(name)).toEqual(result)
    expect(result.days).toHaveLength(30)
    for (const timeZone of ['Pacific/Kiritimati', 'America/New_York', 'UTC']) {
      const times = [...sampleTrace(name, timeZone, createRandom(7))].map(({ at }) => at)
      expect(times).toEqual(times.toSorted((a, b) => a - b))
    }
    const shows: Record<SampleName, readonly string[]> = { 'office': ['battery'], 'train': ['metered', 'offline'], 'limited-line': ['pace'], 'no-charger': ['battery', 'battery-low'] }
    expect(Object.keys(result.totals.heldMs)).toEqual(expect.arrayContaining([...shows[name]]))
  })
})

describe('the report', () => {
  const before = play('office')
  const after = { name: 'with 500 MB/month', result: play('office', 'caps: [{ limit: 500 MB, per: month }]') }
  test('fits 80 columns, a row for each day', () => {
    const rows = dayTable(after.result)
    expect(rows).toHaveLength(31)
    const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
    expect(widths.reduce((sum, width) => sum + width + 2, -2)).toBeLessThanOrEqual(80)
  })
  test('says in a few lines what was sent, what waits and why', () => {
    expect(summary(after.result)).toEqual([
      'Sun 01 Nov to Mon 30 Nov 2026: 8 GB captured.', 'Sent: 500 MB, nothing of it on metered networks.',
      expect.stringMatching(/^Waiting at the end: 3 GB\. Longest wait: 3w \dd\.$/), expect.stringMatching(/^Held longest by: cap-month 5d \d+h, battery/),
    ])
  })
  test('compares caps, and says what one would have meant', () => {
    expect(verdict(before, after)).toMatch(/^With 500 MB\/month: 3 GB less would have left; something would have waited for a cap on 1\d of 30 days\.$/)
    expect(verdict(before, { name: 'with 1 TB/month', result: before })).toBe('With 1 TB/month: nothing would have been different.')
    expect(comparison([{ name: 'as it is', result: before }, after])[1]).toEqual(['sent', '3.5 GB', '500 MB'])
  })
})

describe('the page', () => {
  const html = page([{ name: 'as it is', result: play('train') }, { name: 'with <b>"caps"</b>', result: play('train', 'caps: [{ limit: 1 GB, per: month }, { limit: 90 MB, per: day }]') }], 'Europe/Berlin')
  test('loads nothing and runs nothing', () => {
    expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|https?:|\bon[a-z]+=|url\((?!#)/)
    expect(html).toContain('default-src \'none\'')
  })
  test('says in words all that its pictures show: a label, a title for each bar, a table', () => {
    expect(html.match(/<svg viewBox[^>]*role="img" aria-label="/g)).toHaveLength(2)
    expect(html.match(/<g><title>... \d\d .../g)).toHaveLength(60)
    expect(html.match(/<table class="days">/g)).toHaveLength(2)
    expect(html).toContain('prefers-color-scheme: dark')
  })
  test('gives each part a mark of its own, so that colour alone tells nothing', () => {
    const marks = [...html.matchAll(/<pattern id="([^"]+)".*? d="([^"]*)"/g)].map(([, id, mark]) => [id, mark])
    const marked = marks.filter(([, mark]) => mark !== '').map(([, mark]) => mark)
    expect(new Set(marked).size).toBe(marked.length)
    // Two are plain: what was sent free, at the bottom, and what only waits for the machine to wake, at the top.
    expect(marks.filter(([, mark]) => mark === '').map(([id]) => id)).toEqual(['free', 'asleep'])
    for (const [, fill = ''] of html.matchAll(/fill="url\(#([^)]+)\)"/g)) expect(marks.map(([id]) => id)).toContain(fill)
  })
  test('takes no name for markup', () => {
    expect(html).not.toContain('<b>')
    expect(html).toContain('with &lt;b&gt;&quot;caps&quot;&lt;/b&gt;')
  })
})
