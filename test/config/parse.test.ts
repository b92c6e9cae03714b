import { readFileSync } from 'node:fs'

import { describe, expect, expectTypeOf, test } from 'vitest'

import { options } from '../../config/options.ts'
import type { Config } from '../../config/options.ts'
import { checkConfig, maxConfigBytes, parseConfig } from '../../config/parse.ts'
import { maxProblems, problemText } from '../../config/problem.ts'
import type { Stream } from '../../src/capture/stream.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { environment, smallest } from './sample.ts'

test('the streams of a config are what capture takes', () => {
  expectTypeOf<Config['streams'][number]>().toExtend<Stream>()
})

test('the smallest config gets every default', () => {
  expect(parseConfig(smallest, 'sluice.yaml', environment).config).toEqual({
    device: 'eve-s-laptop.local',
    stateFolder: '/home/eve/.local/state/sluice',
    streams: [{
      name: 'notes', folder: '/data/notes', include: ['**'], purpose: 'research', files: 'append', fidelity: 'bytes', priority: 'normal', optional: false,
      onSent: 'keep', quietMs: 2000,
    }],
    destination: 'file:///mnt/out',
    enrolment: {},
    caps: [],
    power: { sendAboveBatteryPercent: 40, lowBatteryPercent: 15, onPowerSaver: 'hold', onUnknown: 'send' },
    network: { onUnknown: 'metered', onMetered: 'hold' },
    conditions: {},
    seal: { sizeBytes: 4 << 20, ageMs: 300_000 },
    windows: [],
    rate: { trickleBytesPerSecond: 32_000, yields: true },
    connection: { direct: false, http2: true },
    s3: { partBytes: 5 << 20 },
    pause: {},
    exemptions: [],
    log: { level: 'info', maxBytes: 5 << 20, keep: 31, format: 'json' },
    metrics: {},
    control: { socket: '/run/sluice/control.sock' },
    timeZone: 'UTC',
    effort: 'auto',
  })
})

test('the example is valid and every value of it names its line', () => {
  const text = readFileSync(new URL('../../config/example.yaml', import.meta.url), 'utf8')
  const { config, origins } = parseConfig(text, 'example.yaml', environment)
  expect(config.caps).toEqual([
    { id: 'policy-month-15', limitBytes: 5e9, per: 'month', resetDay: 15, pace: true }, { id: 'policy-day', limitBytes: 5e8, per: 'day', pace: false },
    { id: 'policy-rolling-30.on.metered', limitBytes: 1e9, per: 'rolling', days: 30, on: 'metered', pace: false },
  ])
  expect(origins.get('caps[0].limit')).toEqual({ value: '5 GB', from: 'example.yaml:24' })
  expect(origins.get('streams[0].quiet')).toEqual({ value: '2s', from: 'default' })
  for (const [key, { from }] of origins) {
    if (from === 'default') continue
    const line = text.split('\n')[Number(from.split(':')[1]) - 1] ?? ''
    const lastName = key.replaceAll(/\[\d+\]/g, '').split('.').at(-1) ?? ''
    expect(line).toContain(lastName)
  }
})

test('caps are named by their period and by which bytes they count', () => {
  const caps = [
    'per: day, network: home', 'per: week, on: metered', 'per: month, stream: notes', 'per: month', 'per: month, resetDay: 1, on: free',
    'per: month, resetDay: 15', 'per: rolling, days: 30', 'per: rolling, days: 7', 'per: rolling, days: 7, network: home, on: metered, stream: notes',
  ]
  const text = `${smallest}caps:\n${caps.map((cap) => `  - { limit: 1 GB, ${cap} }\n`).join('')}`
  expect(parseConfig(text, 'c', environment).config.caps.map(({ id }) => id)).toEqual([
    'policy-day.network.home', 'policy-week.on.metered', 'policy-month.stream.notes', 'policy-month', 'policy-month.on.free',
    'policy-month-15', 'policy-rolling-30', 'policy-rolling-7', 'policy-rolling-7.network.home.on.metered.stream.notes',
  ])
})

test('relative paths begin at the config file, ~ at home, and XDG_STATE_HOME moves the state', () => {
  const text = smallest.replace('/data/notes', '../notes')
  const { config } = parseConfig(text, 'sub/sluice.yaml', { ...environment, xdgStateHome: '/var/state' })
  expect(config.streams[0]?.folder).toBe('/etc/sluice/notes')
  expect(config.stateFolder).toBe('/var/state/sluice')
  expect(parseConfig(`${smallest}state: ~/x/../y`, 'c', environment).config.stateFolder).toBe('/home/eve/y')
})

test.each([
  ['https://collector.example.com', 'https://collector.example.com/'],
  ['HTTPS://Collector.example.com:443/a', 'https://collector.example.com/a'],
  ['http://localhost:1080/files', 'http://localhost:1080/files'],
])('the destination %s is %s', (written, destination) => {
  expect(parseConfig(smallest.replace('file:///mnt/out', written), 'c', environment).config.destination).toBe(destination)
})

test('folders that are one behind a link are found out', () => {
  const realPath = (path: string) => path.replace('/data/notes', '/mnt/out/notes')
  expect(() => parseConfig(smallest, 'c', { ...environment, realPath })).toThrow('c:6:14 destination: found a folder around streams[0].path')
})

test('an alias shares what it names, and is shown where it is used', () => {
  const text = `${smallest}seal: { age: &five 5m }\nconditions: {}\n`.replace('files: append', 'files: append\n    quiet: 7s')
  const shared = text.replace('7s', '&q 7s').replace('&five 5m', '*q')
  const { config, origins } = parseConfig(shared, 'c', environment)
  expect(config.seal.ageMs).toBe(7000)
  expect(origins.get('seal.age')).toEqual({ value: '7s', from: 'c:8' })
})

test('a fastest rate below what a little is by default slows both, and is no contradiction', () => {
  expect(parseConfig(`${smallest}rate: { max: 10 kB/s }\n`, 'c', environment).config.rate.maxBytesPerSecond).toBe(10_000)
})

test('numbers keep the digits that were written', () => {
  const { config } = parseConfig(smallest.replace('notes\n', '007\n'), 'c', environment)
  expect(config.streams[0]?.name).toBe('007')
})

/** `smallest` with a line replaced or, beyond its end, added. */
function withLine(line: number, text: string): string {
  const lines = smallest.split('\n')
  lines[line - 1] = text
  return lines.join('\n')
}

const topKeys = Object.entries(options.fields).filter(([, option]) => !('policyOnly' in option)).map(([key]) => key).join(', ')
const streamKeys = 'name, path, include, purpose, files, fidelity, networks, priority, optional, onSent, quiet'
const nameRule = 'a name of at most 64 characters a-z, 0-9, ".", "_", "-", beginning with a letter or digit'
const pathRule = 'the path of a folder: absolute, beginning with ~/, or relative to this file'
const sizeRule = 'a size such as 5 GB, 4 MiB or 500 kB, of at least 200 kB'
const destinationRule = 'file:///absolute/path, https://host/path, or s3://bucket/prefix'
const ownFolder = 'a folder that shares nothing with any other of this file'
const second = '  - { name: b, path: /data/b, purpose: p, files: whole }'

/** Wrong files: what is written, then the one problem's place, key and words. */
const wrong: readonly (readonly [text: string, problem: string])[] = [
  ['', `1:1 file: found nothing; allowed: a map of ${topKeys}`],
  ['- a', `1:1 file: found a list; allowed: a map of ${topKeys}`],
  ['sluice', `1:1 file: found "sluice"; allowed: a map of ${topKeys}`],
  [withLine(7, 'sream: x'), `7:1 sream: found an unknown key; did you mean "streams"? allowed: ${topKeys}`],
  [withLine(7, 'time_zone: UTC'), `7:1 time_zone: found an unknown key; did you mean "timeZone"? allowed: ${topKeys}`],
  [withLine(7, 'qqq: UTC'), `7:1 qqq: found an unknown key; allowed: ${topKeys}`],
  [withLine(7, '? [a]\n: b'), `7:3 ?: found an unknown key; allowed: ${topKeys}`],
  [withLine(7, '<<: { effort: 3 }'), `7:1 <<: found an unknown key; allowed: ${topKeys}`],
  [withLine(7, 'destination: file:///b'), '7:1 destination: found the same key twice; allowed: once'],
  [withLine(7, 'device: Laptop'), `7:9 device: found "Laptop"; allowed: ${nameRule}`],
  [withLine(7, 'device: .a'), `7:9 device: found ".a"; allowed: ${nameRule}`],
  [withLine(7, `device: ${'a'.repeat(65)}`), `7:9 device: found "${'a'.repeat(60)}…"; allowed: ${nameRule}`],
  [withLine(7, 'device:'), `7:8 device: found nothing; allowed: ${nameRule}`],
  [withLine(7, 'device: [a]'), `7:9 device: found a list; allowed: ${nameRule}`],
  [withLine(7, 'device: "a\\u009bb"'), `7:9 device: found "a\\u{9b}b"; allowed: ${nameRule}`],
  [withLine(7, 'state: ~bob/x'), `7:8 state: found "~bob/x"; allowed: ${pathRule}`],
  [withLine(7, 'state: ""'), `7:8 state: found ""; allowed: ${pathRule}`],
  [withLine(7, 'state: /data'), `7:8 state: found a folder around streams[0].path; allowed: ${ownFolder}`],
  [withLine(7, 'log: { folder: /data/notes/log }'), '7:16 log.folder: found a folder inside streams[0].path; allowed: a folder that is not captured'],
  [withLine(7, 'state: /data/notes/state'), `7:8 state: found a folder inside streams[0].path; allowed: ${ownFolder}`],
  [withLine(7, 'state: /mnt/out'), `6:14 destination: found the same folder as state; allowed: ${ownFolder}`],
  [withLine(6, 'destination: file:///data/notes/out'), `6:14 destination: found a folder inside streams[0].path; allowed: ${ownFolder}`],
  [withLine(6, ''), `1:1 destination: missing; allowed: ${destinationRule}`],
  [withLine(6, 'destination: /mnt/out'), `6:14 destination: found "/mnt/out"; allowed: ${destinationRule}`],
  [withLine(6, 'destination: http://x.example/'), `6:14 destination: found "http://x.example/"; http:// only to this machine itself (localhost); allowed: ${destinationRule}`],
  [withLine(6, 'destination: https://x.example/?a=b'), `6:14 destination: found "https://x.example/?…"; allowed: ${destinationRule}`],
  [withLine(6, 'destination: https://me:secret@x.example/'), `6:14 destination: found "https://…@x.example/"; a user and password are not taken here, where everyone sees them; allowed: ${destinationRule}`],
  [withLine(6, 'destination: s3://b/a'), `6:14 destination: found "s3://b/a"; it takes s3://bucket/prefix, the bucket with 3 to 63 letters a-z, digits, dots and hyphens; allowed: ${destinationRule}`],
  [withLine(6, 'destination: s3://me:secret@bucket/a'), `6:14 destination: found "s3://…@bucket/a"; keys are not taken here, where everyone sees them; allowed: ${destinationRule}`],
  [withLine(6, 'destination: s3://bucket/a?endpoint=http://x.example'), `6:14 destination: found "s3://bucket/a?…"; an endpoint takes https://host without a path; http:// only for this machine (localhost); allowed: ${destinationRule}`],
  [withLine(6, 'destination: file://host/a'), `6:14 destination: found "file://host/a"; allowed: ${destinationRule}`],
  [withLine(6, 'destination: file:///a%2fb'), `6:14 destination: found "file:///a%2fb"; allowed: ${destinationRule}`],
  [withLine(6, 'destination: file:///a?b'), `6:14 destination: found "file:///a?…"; allowed: ${destinationRule}`],
  ['destination: file:///mnt/out', '1:1 streams: missing; allowed: a list of 1 to 100'],
  ['streams: []\ndestination: file:///mnt/out', '1:10 streams: found 0 items; allowed: 1 to 100'],
  ['streams: {}\ndestination: file:///mnt/out', '1:10 streams: found a map; allowed: a list'],
  ['streams: [a]\ndestination: file:///mnt/out', `1:11 streams[0]: found "a"; allowed: a map of ${streamKeys}`],
  ['streams: *a\ndestination: file:///mnt/out', '1:10 streams: found an alias of nothing; write the value out'],
  [withLine(4, ''), '2:5 streams[0].purpose: missing; allowed: text of 1 to 1000 characters'],
  [withLine(4, '    purpose: " "'), '4:14 streams[0].purpose: found " "; allowed: text of 1 to 1000 characters'],
  [withLine(5, '    files: appendd'), '5:12 streams[0].files: found "appendd"; did you mean "append"? allowed: append, whole'],
  [withLine(5, '    files: folder'), '5:12 streams[0].files: found "folder"; allowed: append, whole'],
  [withLine(5, '    files: append\n    onSent: delete'), '6:13 streams[0].onSent: found "delete" for a stream with files: append; allowed: keep'],
  [withLine(5, '    files: append\n    on_sent: keep'), `6:5 streams[0].on_sent: found an unknown key; did you mean "onSent"? allowed: ${streamKeys}`],
  [withLine(5, '    files: append\n    networks: [roaming]'), '6:16 streams[0].networks[0]: found "roaming"; allowed: free, metered'],
  [withLine(5, '    files: append\n    networks: []'), '6:15 streams[0].networks: found 0 items; allowed: 1 to 2'],
  [withLine(5, '    files: append\n    networks: free'), '6:15 streams[0].networks: found "free"; allowed: a list'],
  [withLine(5, '    files: append\n    include: ../x'), '6:14 streams[0].include: found "../x"; allowed: a pattern such as *.jsonl or **/*.png, relative to the stream’s folder'],
  [withLine(5, '    files: append\n    include: [a, /x]'), '6:18 streams[0].include[1]: found "/x"; allowed: a pattern such as *.jsonl or **/*.png, relative to the stream’s folder'],
  [withLine(5, '    files: append\n    quiet: 2'), '6:12 streams[0].quiet: found "2"; allowed: a duration such as 30s, 5m or 1h30m, from 100ms to 1d'],
  [withLine(5, `    files: append\n${second.replace(' b,', ' notes,')}`), '6:13 streams[1].name: found the name of streams[0] again; allowed: a name of its own'],
  [withLine(5, `    files: append\n${second.replace('/data/b', '/data/notes/b')}`), `6:22 streams[1].path: found a folder inside streams[0].path; allowed: ${ownFolder}`],
  [withLine(7, 'caps: 5 GB'), '7:7 caps: found "5 GB"; allowed: a list'],
  [withLine(7, 'caps: [{ limit: 5 Gb, per: month }]'), `7:17 caps[0].limit: found "5 Gb"; allowed: ${sizeRule}`],
  [withLine(7, 'caps: [{ limit: 0, per: month }]'), `7:17 caps[0].limit: found "0"; allowed: ${sizeRule}`],
  [withLine(7, 'caps: [{ limit: -5 GB, per: month }]'), `7:17 caps[0].limit: found "-5 GB"; allowed: ${sizeRule}`],
  [withLine(7, 'caps: [{ limit: 9999999 TB, per: month }]'), `7:17 caps[0].limit: found "9999999 TB"; allowed: ${sizeRule}`],
  [withLine(7, 'caps: [{ limit: 5 GB, per: year }]'), '7:28 caps[0].per: found "year"; allowed: day, week, month, rolling'],
  [withLine(7, 'caps: [{ limit: 5 GB, per: week, resetDay: 1 }]'), '7:44 caps[0].resetDay: found it with per: week; allowed: only with per: month'],
  [withLine(7, 'caps: [{ limit: 5 GB, per: month, resetDay: 32 }]'), '7:45 caps[0].resetDay: found "32"; allowed: a whole number from 1 to 31'],
  [withLine(7, 'caps: [{ limit: 5 GB, per: day }, { limit: 6 GB, per: day }]'), '7:35 caps[1]: found what caps[0] limits again; allowed: one limit for each period of the same bytes'],
  [withLine(7, 'caps: [{ limit: 1 GB, per: month, on: metered }, { limit: 6 GB, per: month, resetDay: 1, on: metered }]'), '7:50 caps[1]: found what caps[0] limits again; allowed: one limit for each period of the same bytes'],
  [withLine(7, 'caps: [{ limit: 5 GB, per: rolling }]'), '7:8 caps[0].days: missing with per: rolling; allowed: a whole number from 1 to 366'],
  [withLine(7, 'caps: [{ limit: 5 GB, per: rolling, days: 0 }]'), '7:43 caps[0].days: found "0"; allowed: a whole number from 1 to 366'],
  [withLine(7, 'caps: [{ limit: 5 GB, per: week, days: 7 }]'), '7:40 caps[0].days: found it with per: week; allowed: only with per: rolling'],
  [withLine(7, 'caps: [{ limit: 5 GB, per: rolling, days: 7, resetDay: 1 }]'), '7:56 caps[0].resetDay: found it with per: rolling; allowed: only with per: month'],
  [withLine(7, 'caps: [{ limit: 5 GB, per: day, pace: yes }]'), '7:39 caps[0].pace: found it with per: day; allowed: only with per: week or per: month'],
  [withLine(7, 'caps: [{ limit: 5 GB, per: rolling, days: 7, pace: yes }]'), '7:52 caps[0].pace: found it with per: rolling; allowed: only with per: week or per: month'],
  [withLine(7, 'caps: [{ limit: 5 GB, per: day, pace: maybe }]'), '7:39 caps[0].pace: found "maybe"; allowed: yes or no'],
  [withLine(7, 'caps: [{ limit: 5 GB, per: day, stream: note }]'), '7:41 caps[0].stream: found "note", which is no stream; allowed: notes'],
  [withLine(7, 'caps: [{ limit: 5 GB, per: day, on: roaming }]'), '7:37 caps[0].on: found "roaming"; allowed: free, metered'],
  [withLine(7, 'plan: { limit: 5 GB, per: week, resetDay: 2 }'), '7:43 plan.resetDay: found it with per: week; allowed: only with per: month'],
  [withLine(7, 'plan: { per: week }'), `7:7 plan.limit: missing; allowed: ${sizeRule}`],
  [withLine(7, 'exemptions: [{ because: no-charger, streams: [notes, mail] }]'), '7:54 exemptions[0].streams[1]: found "mail", which is no stream; allowed: notes'],
  [withLine(7, 'windows: [{ from: "20:00", to: "20:00" }]'), '7:32 windows[0].to: found the same time as from; allowed: another time; without windows sending is allowed at any time'],
  [withLine(7, 'power: { sendAboveBattery: 101% }'), '7:28 power.sendAboveBattery: found "101%"; allowed: whole percent from 0% to 100%'],
  [withLine(7, 'power: { sendAboveBattery: 0.4 }'), '7:28 power.sendAboveBattery: found "0.4"; allowed: whole percent from 0% to 100%'],
  [withLine(7, 'power: { lowBattery: 50% }'), '7:8 power.sendAboveBattery: found 40%, below lowBattery; allowed: 50% to 100%'],
  [withLine(7, 'rate: { max: 10 kB/s, trickle: 32 kB/s }'), '7:32 rate.trickle: found 32 kB/s, above max; allowed: 1 kB/s to 10 kB/s'],
  [withLine(7, 'power:'), '7:7 power: found nothing; allowed: a map of sendAboveBattery, lowBattery, onPowerSaver, onUnknown'],
  [withLine(7, 'network: { onUnknown: maybe }'), '7:23 network.onUnknown: found "maybe"; allowed: metered, free'],
  [withLine(7, 'conditions: { network: wifi }'), '7:24 conditions.network: found "wifi"; allowed: free, metered, unknown, offline'],
  [withLine(7, 'seal: { size: 1 kB }'), '7:15 seal.size: found "1 kB"; allowed: a size such as 5 GB, 4 MiB or 500 kB, from 65.5 kB to 33.6 MB'],
  [withLine(7, 'timeZone: Mars/Olympus'), '7:11 timeZone: found "Mars/Olympus"; allowed: the name of a time zone such as Europe/Berlin or UTC'],
  [withLine(7, 'timeZone: +02:00'), '7:11 timeZone: found "+02:00"; allowed: the name of a time zone such as Europe/Berlin or UTC'],
  [withLine(7, 'effort: 20'), '7:9 effort: found "20"; allowed: auto, or a whole number from 1 to 19'],
  [withLine(7, 'rate: { yield: valueOf }'), '7:16 rate.yield: found "valueOf"; allowed: yes or no'],
  [withLine(7, 'seal: { size: 5 constructor }'), '7:15 seal.size: found "5 constructor"; allowed: a size such as 5 GB, 4 MiB or 500 kB, from 65.5 kB to 33.6 MB'],
  [withLine(7, 'effort: 1e1'), '7:9 effort: found "1e1"; allowed: auto, or a whole number from 1 to 19'],
  [withLine(7, 'effort: !!binary aGk='), '7:9 yaml: Unresolved tag: tag:yaml.org,2002:binary; allowed: YAML 1.2'],
  ['{ a: "b', '1:8 yaml: Missing closing "quote; allowed: YAML 1.2'],
  ['---\na: 1\n---\nb: 2', '3:1 yaml: Source contains multiple documents; please use YAML.parseAllDocuments(); allowed: YAML 1.2'],
]

describe('a wrong config is refused with the place, the key, what was found and what is allowed', () => {
  test.each(wrong)('%j', (text, problem) => {
    const result = checkConfig(text, 'f', environment)
    const problems = 'problems' in result ? result.problems.map((one) => problemText(one)) : []
    expect(problems).toContain(`f:${problem}`)
    if (text.length > 40) expect(problems).toHaveLength(1) // one slip gives one problem
    expect(() => parseConfig(text, 'f', environment)).toThrow(`f:${problem}`)
  })
})

test('all problems of a file come at once, to a limit', () => {
  const text = Array.from({ length: 80 }, (_, index) => `bad${index}: 1`).join('\n')
  const result = checkConfig(text, 'f', environment)
  expect('problems' in result && result.problems.length).toBe(maxProblems)
  const error = (() => {
    try {
      return parseConfig('effort: 0\ndevice: A\n', 'f', environment)
    } catch (thrown) {
      return thrown
    }
  })()
  expect(error).toBeInstanceOf(SluiceError)
  expect(error).toMatchObject({ code: 'config-invalid', data: { file: 'f', problems: 4 } })
})

test('a file larger than the limit is refused before it is parsed', () => {
  expect(() => parseConfig('['.repeat(maxConfigBytes + 1), 'f', environment)).toThrow(`f:1:1 file: found ${maxConfigBytes + 1} bytes`)
})
