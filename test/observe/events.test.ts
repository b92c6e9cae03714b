import { describe, expect, test } from 'vitest'

import { checkCollectorLine, collectorCatalogue } from '../../src/observe/collector-events.ts'
import { catalogue, checkEvent, type EventName, type SluiceEvent } from '../../src/observe/events.ts'
import { checkLine, type LogFormat } from '../../src/observe/log/line.ts'
import { openLog } from '../../src/observe/log/log.ts'
import { memoryOutput } from './memory-output.ts'

const examples = Object.entries(catalogue).map(([event, { example }]) => ({ event, ...example }) as SluiceEvent)
const base = { device: 'laptop-17', version: '0.1.0', captureFolders: [], now: () => Date.UTC(2026, 10, 23, 21) }

async function linesOf(events: readonly SluiceEvent[], format: LogFormat = 'json'): Promise<string[]> {
  const output = memoryOutput()
  const log = await openLog({ ...base, format, outputs: [{ output, level: 'debug' }] })
  events.forEach(log.emit)
  return output.lines
}

describe('the catalogue', () => {
  test.each(examples)('$event: its example is one', (event) => {
    expect(checkEvent(event)).toEqual([])
  })

  test('tells what is wrong with an event: its name, a field too few, too many, or of another type', () => {
    expect(checkEvent({ event: 'pack.lost' })).toEqual(['unknown event "pack.lost"'])
    expect(checkEvent({ event: 'pack.sent', seq: 1 })).toEqual(['pack.sent: no packBytes'])
    expect(checkEvent({ event: 'pack.sent', seq: 1, packBytes: 2, path: '/x' })).toEqual(['pack.sent: unknown field path'])
    expect(checkEvent({ event: 'pack.sent', seq: '1', packBytes: -2 })).toEqual(['pack.sent: seq is no count: "1"', 'pack.sent: packBytes is no bytes: -2'])
    expect(checkEvent({ event: 'send.failed', code: 'no-code', message: '', retryMs: 1 })).toHaveLength(1)
    expect(checkEvent({ ...summary, caps: [{ cap: 'month' }] })).toHaveLength(1)
    expect(checkEvent({ event: 'toString' })).toHaveLength(1)
    expect(checkEvent(null)).toEqual(['not an object'])
  })

  test.each(Object.entries(collectorCatalogue))('%s of a collector: its example is one', (event, { example, level }) => {
    expect(checkCollectorLine(JSON.stringify({ time: '2026-11-23T21:00:00.000Z', level, event, ...example }))).toEqual([])
    expect(checkCollectorLine(JSON.stringify({ time: '2026-11-23T21:00:00.000Z', level, event, ...example, token: 'slt1.x' }))).toHaveLength(1)
  })
})

const summary = { event: 'upload.summary', ...catalogue['upload.summary'].example }

describe('lines', () => {
  test.each(['json', 'ecs'] as const)('in format %s every event makes one that the check accepts', async (format) => {
    // Each on a log of its own: what repeats itself is not written again.
    for (const event of examples.filter(({ event }) => !('worker' in catalogue[event]) && event !== 'send.resumed')) {
      const lines = await linesOf([event], format)
      expect(lines.map((line) => checkLine(line))).toEqual([[]])
    }
  })

  test('have the same names everywhere', async () => {
    const [line = ''] = await linesOf([{ event: 'pack.sent', seq: 121, packBytes: 524_288 }])
    expect(JSON.parse(line)).toEqual({
      time: '2026-11-23T21:00:00.000Z', level: 'info', event: 'pack.sent', device: 'laptop-17', version: '0.1.0', seq: 121, packBytes: 524_288,
    })
    const [ecs = ''] = await linesOf([{ event: 'pack.sent', seq: 121, packBytes: 524_288 }], 'ecs')
    expect(JSON.parse(ecs)).toEqual({
      '@timestamp': '2026-11-23T21:00:00.000Z', 'log.level': 'info', 'message': 'pack.sent', 'ecs.version': '8.11.0', 'event.action': 'pack.sent',
      'host.name': 'laptop-17', 'service.name': 'sluice', 'service.version': '0.1.0', 'sluice': { seq: 121, packBytes: 524_288 },
    })
  })

  test('that are cut off, have another level, no time or an unknown field are refused', async () => {
    const [line = ''] = await linesOf([{ event: 'pack.sent', seq: 1, packBytes: 2 }])
    const value = JSON.parse(line) as Record<string, unknown>
    for (const wrong of [{ ...value, level: 'warn' }, { ...value, time: 'now' }, { ...value, file: 'x' }, { ...value, device: undefined }]) {
      expect(checkLine(JSON.stringify(wrong))).toHaveLength(1)
    }
    expect(checkLine(line.slice(0, -5))).toEqual(['no whole line of JSON'])
  })

  test('below the level of an output are not written there', async () => {
    const [all, warnings] = [memoryOutput(), memoryOutput()]
    const log = await openLog({ ...base, format: 'json', outputs: [{ output: all, level: 'debug' }, { output: warnings, level: 'warn' }] })
    examples.forEach(log.emit)
    const levels = (lines: readonly string[]) => new Set(lines.map((line) => (JSON.parse(line) as { level: string }).level))
    expect(levels(all.lines)).toEqual(new Set(['debug', 'info', 'warn', 'error', 'fatal']))
    expect(levels(warnings.lines)).toEqual(new Set(['warn', 'error', 'fatal']))
  })

  test('a message that names something in a capture folder is replaced', async () => {
    const output = memoryOutput()
    const log = await openLog({ ...base, captureFolders: ['/home/ada/captures'], format: 'json', outputs: [{ output, level: 'debug' }] })
    log.emit({ event: 'send.failed', code: 'capture-unreadable', message: 'cannot read /home/ada/captures/diary.png', retryMs: 1 })
    expect(output.lines.join()).not.toContain('diary')
    expect(output.lines.join()).toContain('A capture file or folder cannot be read.')
  })
})

test('lines that were lost are counted once lines can be written again', async () => {
  const output = memoryOutput()
  const log = await openLog({ ...base, format: 'json', outputs: [{ output, level: 'debug' }] })
  output.isBroken = true
  for (let seq = 1; seq <= 3; seq++) log.emit({ event: 'pack.sent', seq, packBytes: 1 })
  output.isBroken = false
  log.emit({ event: 'pack.sent', seq: 4, packBytes: 1 })
  expect(output.lines.map((line) => JSON.parse(line) as { event: EventName })).toMatchObject([{ event: 'log.lost', lines: 3 }, { event: 'pack.sent', seq: 4 }])
})
