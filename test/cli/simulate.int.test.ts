import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { root, runProcess, sandbox } from './run.ts'

const traceLines = [
  { trace: 1, ratio: { a: 0.5 } },
  { at: '2026-11-02T08:00:00+01:00', power: { supply: 'mains', saver: 'off' }, network: { cost: 'free' } },
  { at: '2026-11-02T09:00:00+01:00', captured: { stream: 'a', bytes: 20_000_000 } },
  { at: '2026-11-05T09:00:00+01:00' },
]

function writeTrace(folder: string, lines: readonly object[]): string {
  const file = join(folder, 'month.jsonl')
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  return file
}

describe('sluice simulate', () => {
  test('plays a trace by the config: a table of days and what it comes to', async () => {
    using box = sandbox('caps: [{ limit: 5 MB, per: day }]\ntimeZone: Europe/Berlin\n')
    const { code, stdout, stderr } = await box.sluice('simulate', '--trace', writeTrace(box.folder, traceLines))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^day +captured +sent +metered +waiting +cap +held longest by\nMon 02 Nov +20 MB +5 MB +0 B +5\.6 MB +99 % +cap-day 14h\n/)
    expect(stdout).toContain('Mon 02 Nov to Thu 05 Nov 2026: 20 MB captured.\nSent: 10.6 MB, nothing of it on metered networks.\n')
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
  })

  test('compares with another cap, which takes the place of the config’s, and prints JSON of a known shape', async () => {
    using box = sandbox('caps: [{ limit: 5 MB, per: day }]\ntimeZone: Europe/Berlin\n')
    const trace = writeTrace(box.folder, traceLines)
    const { code, stdout } = await box.sluice('simulate', '--trace', trace, '--cap', '8MB/day', '--cap', '9 MB/30 days', '--json')
    const { version, timeZone, results } = JSON.parse(stdout) as { version: number, timeZone: string, results: { name: string, days: { date: string, sentBytes: { free: number } }[] }[] }
    expect({ code, version, timeZone }).toEqual({ code: 0, version: 1, timeZone: 'Europe/Berlin' })
    expect(results.map(({ name }) => name)).toEqual(['as it is', 'with 8 MB/day, 9 MB/30d'])
    const [before, after] = results.map(({ days }) => days.map(({ sentBytes }) => Math.floor(sentBytes.free / 1e6)))
    expect(before).toEqual([4, 4, 0, 0])
    expect(after).toEqual([7, 0, 0, 0])
  })

  test('plays a sample without any config, and writes a page', async () => {
    using box = sandbox()
    const file = join(box.folder, 'month.html')
    const { code, stdout, stderr } = await runProcess(process.execPath, [join(root, 'cli/launch.mjs'), 'simulate', '--sample', 'limited-line', '--cap', '1GB/month', '--html', file], { HOME: box.folder })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('There is no config: played with the default rules.\n')
    expect(stdout).toMatch(/\nWith 1 GB\/month: 2 GB less would have left;/)
    expect(stdout.split('\n').filter((line) => line.length > 80 && !line.includes(file))).toEqual([])
    expect(readFileSync(file, 'utf8')).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/)
  })

  test.each([
    [['simulate'], /^sluice: name a trace with --trace FILE, or a month made up with --sample: office \(/],
    [['simulate', '--sample', 'moon'], /^sluice: there is no sample "moon"; allowed: office, train, limited-line, no-charger/],
    [['simulate', '--sample', 'train', '--seed', '-1'], /^sluice: "-1" is no seed/],
    [['simulate', '--sample', 'train', '--trace', 'x'], /^sluice: choose one of --trace and --sample$/],
    [['simulate', '--sample', 'train', '--cap', '3'], /^sluice: "3" is no cap: allowed are .*5GB\/month/],
    [['simulate', '--sample', 'train', '--cap', '10kB/day'], /^sluice: a cap takes at least \d+ kB: /],
    [['simulate', '--trace', '/nowhere'], /^sluice: cannot read \/nowhere \(ENOENT\)/],
    [['simulate', '--sample', 'train', '--html', '/nowhere/a.html'], /^sluice: cannot write \/nowhere\/a\.html \(ENOENT\)/],
  ])('%j is refused in words, with exit code 2', async (parameters, words) => {
    using box = sandbox()
    const { code, stdout, stderr } = await box.sluice(...parameters)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr.replaceAll('\n', ' ').trimEnd()).toMatch(words)
    expect(stderr.split('\n').filter((line) => line.length > 80)).toEqual([])
  })

  test('a line of a trace that is wrong is refused with its number', async () => {
    using box = sandbox()
    const trace = writeTrace(box.folder, [...traceLines, { at: '2026-11-04T09:00:00+01:00' }])
    const { code, stderr } = await box.sluice('simulate', '--trace', trace, '--json')
    expect(code).toBe(2)
    expect(JSON.parse(stderr)).toEqual({ error: { code: 'trace-invalid', message: expect.stringContaining(`${trace}, line 5: time goes backwards`) as unknown } })
  })
})
