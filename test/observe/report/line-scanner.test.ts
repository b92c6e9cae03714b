import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { catalogue } from '../../../src/observe/events.ts'
import { lineFields } from '../../../src/observe/log/line.ts'
import { sumOf } from '../../../src/observe/report/fleet.ts'
import { LineScanner, mostLineBytes } from '../../../src/observe/report/line-scanner.ts'
import { parseSummary, summaryMark } from '../../../src/observe/report/summary-line.ts'
import { fields, monday, plainLine } from './lines.ts'

function scan(pieces: readonly (Buffer | string)[]) {
  const texts: string[] = []
  const scanner = new LineScanner((text) => {
    texts.push(text)
    return parseSummary(text) !== undefined
  })
  for (const piece of pieces) {
    const bytes = Buffer.from(piece)
    scanner.push(bytes)
    bytes.fill(0)
  }
  scanner.end()
  return { texts, lines: scanner.lines, unreadable: scanner.unreadable }
}

describe('finding lines', () => {
  test('however bytes are cut into pieces, the same lines are found', () => {
    const text = ['{"a":1}', plainLine('ä', monday), '', '\r', `<6>${plainLine('b', monday)}\r`, 'no json', '{"b":', plainLine('c', monday)].join('\n')
    const whole = scan([text])
    expect([whole.texts.length, whole.lines, whole.unreadable]).toEqual([3, 6, 2])
    const bytes = Buffer.from(text)
    fc.assert(fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 20 }), (cuts) => {
      const ends = [0, ...cuts.sort((a, b) => a - b), bytes.length]
      expect(scan(ends.slice(1).map((end, at) => bytes.subarray(ends[at], end)))).toEqual(whole)
    }))
  })

  test('a line that is too long is passed over, whole or in pieces, and the next one is read', () => {
    const long = `{"x":"${summaryMark}${'y'.repeat(mostLineBytes)}"}\n`
    const next = plainLine('a', monday)
    for (const pieces of [[long + next], [long.slice(0, 1000), long.slice(1000, 200_000), long.slice(200_000) + next]]) {
      expect(scan(pieces)).toEqual({ texts: [next], lines: 2, unreadable: 1 })
    }
  })

  test('NUL, bytes that are no UTF-8, deep and broken JSON are counted as unreadable, and end nothing', () => {
    const mark = Buffer.from(`{"event":"${summaryMark}","device":"`)
    const hostile = [
      Buffer.alloc(100), Buffer.concat([mark, Buffer.from([0xff, 0xfe]), Buffer.from('"}')]), Buffer.from(`{"${summaryMark}":${'['.repeat(50_000)}}`),
      Buffer.from(`{"${summaryMark}":${'['.repeat(50_000)}${']'.repeat(50_000)}}`), Buffer.from(`${plainLine('a', monday).slice(0, 90)}}`),
    ]
    const { unreadable, lines } = scan([...hostile.flatMap((line) => [line, '\n']), plainLine('a', monday)])
    expect([lines, unreadable]).toEqual([6, 4])
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      scan([Buffer.concat([mark, bytes])])
    }))
  })
})

describe('reading lines', () => {
  const known = parseSummary(plainLine('laptop-17', monday, { capturedBytes: 5, errors: { 'destination-busy': 2 } }))
  const own = fields(monday, { capturedBytes: 5, errors: { 'destination-busy': 2 } })

  test.each([
    ['ECS with dots', { '@timestamp': 'x', 'event.action': 'upload.summary', 'host.name': 'laptop-17', 'service.version': '0.1.0', 'sluice': own }],
    ['ECS as objects', { event: { action: 'upload.summary' }, host: { name: 'laptop-17' }, service: { version: '0.1.0' }, sluice: own }],
    ['ECS, every field with dots', { 'event.action': 'upload.summary', 'host.name': 'laptop-17', 'service.version': '0.1.0', ...Object.fromEntries(Object.entries(own).map(([name, value]) => [`sluice.${name}`, value])) }],
    ['the journal', { _HOSTNAME: 'x', PRIORITY: '6', MESSAGE: `<6>${plainLine('laptop-17', monday, { capturedBytes: 5, errors: { 'destination-busy': 2 } })}` }],
    ['with fields of a newer version', { ...JSON.parse(plainLine('laptop-17', monday, own)) as object, newer: { deep: [1] } }],
  ])('%s says the same as a plain line', (_name, line) => {
    expect(known).toMatchObject({ device: 'laptop-17', version: '0.1.0', from: monday })
    expect(parseSummary(JSON.stringify(line))).toEqual(known)
  })

  test.each(['json', 'ecs'] as const)('a line that the service writes as %s is read whole', (format) => {
    const { example } = catalogue['upload.summary']
    const line = lineFields(format, { event: 'upload.summary', ...example }, { time: monday, device: 'laptop-17', version: '0.1.0' })
    const { from, to, period, backlogBytes, caps, cpuSeconds, capturedBytes, heldBytes, errors } = example
    expect(parseSummary(JSON.stringify(line))).toMatchObject({
      device: 'laptop-17', version: '0.1.0', from, to, period, backlogBytes, caps, held: Object.entries(heldBytes), errors: Object.entries(errors),
    })
    const read = parseSummary(JSON.stringify(line))
    if (read === undefined || read === 'other') return
    expect([sumOf(read, 'cpuMs'), sumOf(read, 'capturedBytes')]).toEqual([cpuSeconds * 1000, capturedBytes])
  })

  test.each([
    ['no device', { device: '' }], ['an unknown period', { period: 'week' }], ['an end before its beginning', { to: monday - 1 }],
    ['no amount', { sentBytes: -1 }], ['more than there can be', { sentBytes: 1e300 }], ['a text for an amount', { sentBytes: '5' }],
    ['a list for amounts', { heldBytes: [1] }], ['caps that are none', { caps: [{ cap: 1 }] }], ['a year in a line', { to: monday + 3e10 }],
  ])('%s makes a line unreadable', (_name, wrong) => {
    expect(parseSummary(plainLine('a', monday, wrong))).toBeUndefined()
  })

  test('what is missing counts as nothing, other events as other', () => {
    expect(parseSummary(JSON.stringify({ event: 'upload.summary', device: 'a', period: 'hour', from: 1, to: 2 }))).toMatchObject({ version: '', backlogBytes: 0, held: [] })
    expect(parseSummary('{"event":"pack.sent","text":"upload.summary"}')).toBe('other')
  })

  test('names that are no codes go by the name other, also those that objects are born with', () => {
    const line = plainLine('a', monday).replace('"heldBytes":{}', '"heldBytes":{"__proto__":1,"<b>":2,"metered":3,"constructor":4}')
    expect(parseSummary(line)).toMatchObject({ held: [['other', 1], ['other', 2], ['metered', 3], ['constructor', 4]] })
  })
})
