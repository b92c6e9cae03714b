import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TraceEvent } from '../../../src/scheduler/simulate/trace.ts'
import { SluiceError } from '../../../src/observe/error.ts'
import { readTrace, TraceParser } from '../../../src/scheduler/simulate/trace.ts'

const header = '{"trace":1}'

async function read(pieces: readonly (string | Uint8Array)[]): Promise<TraceEvent[]> {
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) yield typeof piece === 'string' ? Buffer.from(piece) : piece
  }
  return eventsOf(stream())
}

async function eventsOf(pieces: AsyncIterable<Uint8Array>): Promise<TraceEvent[]> {
  const events: TraceEvent[] = []
  for await (const event of readTrace(pieces, new TraceParser('t.jsonl'))) events.push(event)
  return events
}

async function refusal(pieces: readonly (string | Uint8Array)[]): Promise<string> {
  const error: unknown = await read(pieces).then(() => undefined, (reason: unknown) => reason)
  expect(error).toBeInstanceOf(SluiceError)
  expect((error as SluiceError).code).toBe('trace-invalid')
  return (error as SluiceError).message
}

const lines = [
  header,
  '{"at":"2026-11-02T08:00:00+01:00","power":{"supply":"battery","percent":80},"network":{"cost":"metered","id":"phone"}}',
  '',
  '{"at":1793605500000,"captured":{"stream":"pointer","bytes":12000},"userBytes":5}',
  '{"at":1793605500000,"pause":true}',
  '{"at":1793605500001,"pause":{"forMs":60000,"captures":"drop"},"suspend":true}',
].join('\n')

describe('a trace', () => {
  test('is read into events, with defaults filled in', async () => {
    expect(await read([lines])).toEqual([
      { at: Date.UTC(2026, 10, 2, 7), power: { supply: 'battery', percent: 80, saver: 'unknown' }, network: { cost: 'metered', id: 'phone' } },
      { at: 1793605500000, captured: { stream: 'pointer', bytes: 12000 }, userBytes: 5 },
      { at: 1793605500000, pause: { captures: 'hold' } },
      { at: 1793605500001, pause: { forMs: 60000, captures: 'drop' }, suspend: true },
    ])
  })

  test('reads the same however it is cut into pieces, with or without a last line break, and with Windows line breaks', async () => {
    const expected = await read([lines])
    await fc.assert(fc.asyncProperty(fc.array(fc.nat(lines.length)), fc.boolean(), fc.boolean(), async (cuts, ends, windows) => {
      const bytes = Buffer.from((windows ? lines.replaceAll('\n', '\r\n') : lines) + (ends ? '\n' : ''))
      const at = [0, ...cuts.sort((a, b) => a - b), bytes.length]
      expect(await read(at.slice(1).map((end, index) => bytes.subarray(at[index], end)))).toEqual(expected)
    }), { numRuns: 50 })
  })

  test.each([
    ['an empty file', '', /line 1: the trace is empty/],
    ['no header', '{"at":1}', /line 1: .*\{"trace":1\}/],
    ['another version', '{"trace":2}', /line 1: .*\{"trace":1\}/],
    ['nothing after the header', header, /has no event/],
    ['no JSON', `${header}\n\n{"at":`, /line 3: it is no JSON/],
    ['a list', `${header}\n[]`, /line 2: it is no JSON object/],
    ['a key that is not known', `${header}\n{"at":1,"batery":5}`, /line 2: "batery" is no key/],
    ['a key that every object has', `${header}\n{"at":1,"__proto__":{"power":1}}`, /line 2: "__proto__" is no key/],
    ['no time', `${header}\n{"resume":true}`, /line 2: "at"/],
    ['a time of nobody’s', `${header}\n{"at":"2026-11-02T08:00:00"}`, /line 2: "at"/],
    ['a time that there is not', `${header}\n{"at":"2026-13-02T08:00:00Z"}`, /line 2: "at"/],
    ['time going backwards', `${header}\n{"at":5}\n{"at":4}`, /line 3: time goes backwards/],
    ['too long a time', `${header}\n{"at":5}\n{"at":99999999999}`, /line 3: it is more than 400 days/],
    ['a charge above 100', `${header}\n{"at":5,"power":{"supply":"battery","percent":101}}`, /line 2: "power"/],
    ['negative bytes', `${header}\n{"at":5,"captured":{"stream":"a","bytes":-1}}`, /line 2: "captured"/],
    ['endless bytes', `${header}\n{"at":5,"captured":{"stream":"a","bytes":1e300}}`, /line 2: "captured"/],
    ['a stream that is a path', `${header}\n{"at":5,"captured":{"stream":"../a","bytes":1}}`, /line 2: "captured"/],
    ['a terminal’s escape', `${header}\n{"at":5,"network":{"cost":"free","because":"\\u001b[2J"}}`, /line 2: "network"/],
    ['a ratio of nothing', '{"trace":1,"ratio":{"a":0}}', /line 1: .*"ratio"/],
  ])('with %s is refused, with the line', async (_, text, why) => {
    expect(await refusal([text])).toMatch(why)
  })

  test('of the docs can be played', async () => {
    const docs = readFileSync(join(import.meta.dirname, '../../../docs/simulate.md'), 'utf8')
    const examples = [...docs.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = '']) => text)
    expect(await read([examples[1] ?? ''])).toHaveLength(7)
    expect(await read([examples[0] ?? '', '{"at":1}'])).toEqual([{ at: 1 }])
  })

  test('with bytes that are no UTF-8, or a line without end, is refused before it is kept', async () => {
    expect(await refusal([`${header}\n`, Uint8Array.of(0xff, 0xfe, 10)])).toMatch(/no UTF-8/)
    let given = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(`${header}\n`)
      for (;; given++) yield Buffer.alloc(4096, 'x')
    }
    await expect(eventsOf(endless())).rejects.toThrow(/line 2: it is longer than/)
    expect(given).toBeLessThan(10)
  })

  test('of any text is read or refused, and nothing else', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.oneof(fc.json(), fc.string(), fc.constantFrom(...lines.split('\n')))), async (texts) => {
      await read([texts.join('\n')]).catch((error: unknown) => expect((error as SluiceError).code).toBe('trace-invalid'))
    }), { numRuns: 300 })
  })
})
