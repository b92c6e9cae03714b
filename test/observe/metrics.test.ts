import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../config/parse.ts'
import { Metrics } from '../../src/collector/metrics.ts'
import type { EventOf } from '../../src/observe/events.ts'
import { ServiceMetrics } from '../../src/observe/metrics.ts'
import type { Standing } from '../../src/observe/summary-figures.ts'
import { reasons } from '../../src/scheduler/reasons.ts'
import { dashboard, expressions, metricsOf, rules } from './expressions.ts'

const quiet: Standing = { backlogBytes: 0, backlogPacks: 0, heldBytes: {}, caps: [], reasons: [] }

function service(standing: () => Standing = () => quiet): ServiceMetrics {
  return new ServiceMetrics({
    figures: { standing, counters: () => ({ capturedBytes: 10, newBytes: 8, packedBytes: 4, sentBytes: 6, sentPackBytes: 4, packs: 1 }) },
    device: 'laptop-1', version: '1.2.3', now: () => 1000, cpuSeconds: () => 0.5,
  })
}

const summary: EventOf<'upload.summary'> = {
  event: 'upload.summary', period: 'hour', from: 0, to: 1, capturedBytes: 0, newBytes: 0, packedBytes: 0, sentBytes: 0, sentPackBytes: 0,
  againBytes: 0, packs: 0, backlogBytes: 0, backlogPacks: 0, oldestWaitingMs: 0, heldBytes: {}, caps: [], batteryMs: 0, meteredMs: 0,
  cpuSeconds: 0, errors: {}, uptimeMs: 0,
}

const namesIn = (text: string): string[] => [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name)

async function everyName(): Promise<Set<string>> {
  const collector = new Metrics({ now: () => 0, openConnections: async () => 0, devices: async () => [], perDevice: true })
  return new Set([...namesIn(await service().metrics()), ...namesIn(await collector.metrics())])
}

describe('what the dashboard and the alerts ask for', () => {
  test('exists', async () => {
    const names = await everyName()
    const unknown = expressions.flatMap((expression) => metricsOf(expression).filter((name) => !names.has(name)).map((name) => `${name} in ${expression}`))
    expect(unknown).toEqual([])
    expect(expressions.flatMap(metricsOf).length).toBeGreaterThan(40)
  })
  test('a name that does not exist would be found', () => {
    expect(metricsOf('sum by (code) (rate(sluice_a_total{x="sluice_b"}[1h])) > 3 unless on (instance) sluice_c')).toEqual(['sluice_a_total', 'sluice_c'])
  })
  test('is every metric, but the number of packs that wait', async () => {
    const asked = new Set(expressions.flatMap(metricsOf))
    expect([...await everyName()].filter((name) => !asked.has(name))).toEqual(['sluice_backlog_packs'])
  })
  test('names only reasons that exist', () => {
    const named = rules.flatMap(({ expr }) => [...expr.matchAll(/reason=~"([^"]*)"/g)].flatMap(([, list = '']) => list.split('|')))
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter((code) => !Object.hasOwn(reasons, code))).toEqual([])
  })
  test('lies on the dashboard side by side, not one over another', () => {
    const boxes = dashboard.panels.map(({ gridPos }) => gridPos)
    const over = boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h))
    expect(over).toEqual([])
    expect(boxes.filter(({ x, w }) => x + w > 24)).toEqual([])
  })
})

describe('metrics of a service', () => {
  test('tell what journal and ledger count, errors by code, and what was sent again', async () => {
    const metrics = service()
    for (const code of ['destination-busy', 'destination-busy', 'state-full'] as const) metrics.take({ event: 'send.failed', code, message: '', retryMs: 1 })
    metrics.take({ event: 'pack.resent', seq: 1, againBytes: 77 })
    const text = await metrics.metrics()
    for (const line of [
      'sluice_captured_bytes_total 10', 'sluice_sent_bytes_total 6', 'sluice_sent_packs_total 1', 'sluice_cpu_seconds_total 0.5',
      'sluice_errors_total{code="destination-busy"} 2', 'sluice_errors_total{code="state-full"} 1', 'sluice_resent_pack_bytes_total 77',
      'sluice_build_info{version="1.2.3",device="laptop-1"} 1',
    ]) expect(text.split('\n')).toContain(line)
    expect(await metrics.metrics()).toBe(text)
  })
  test('have no time of what has not been, and none of a backlog that is gone', async () => {
    let standing: Standing = { ...quiet, oldestAt: 5000, backlogBytes: 9, backlogPacks: 1 }
    const metrics = service(() => standing)
    expect(await metrics.metrics()).toContain('\nsluice_oldest_waiting_timestamp_seconds 5\n')
    standing = { ...quiet, lastSentAt: 7000 }
    const text = await metrics.metrics()
    expect(text).toContain('\nsluice_last_sent_timestamp_seconds 7\n')
    expect(text).not.toMatch(/^sluice_(oldest_waiting|last_summary)_timestamp_seconds /m)
  })
  test('forget caps and reasons that are no more', async () => {
    let standing: Standing = { ...quiet, reasons: ['metered'], heldBytes: { metered: 3 }, caps: [{ cap: 'month', limitBytes: 9, usedBytes: 8, atRisk: true }] }
    const metrics = service(() => standing)
    const text = await metrics.metrics()
    for (const line of ['sluice_held{reason="metered"} 1', 'sluice_held_bytes{reason="metered"} 3', 'sluice_cap_at_risk{cap="month"} 1']) expect(text).toContain(line)
    standing = quiet
    expect(await metrics.metrics()).not.toMatch(/^sluice_(held|cap)\S*\{/m)
  })
  test('tell nothing of a pause while it begins or ends, and at a full hour no more than that something is held', async () => {
    let standing = quiet
    const metrics = service(() => standing)
    const before = await metrics.metrics()
    standing = { ...quiet, reasons: ['held'], heldBytes: { held: 5 } }
    expect(await metrics.metrics()).toBe(before)
    metrics.take({ ...summary, heldBytes: { held: 5 } })
    standing = quiet
    expect(await metrics.metrics()).toContain('sluice_held{reason="held"} 1\n')
    metrics.take(summary)
    expect(await metrics.metrics()).not.toContain('reason="held"')
  })
  test('count each hour of battery and metered time once', async () => {
    const metrics = service()
    for (const period of ['hour', 'hour', 'day'] as const) metrics.take({ ...summary, period, batteryMs: 1500, meteredMs: 500 })
    const text = await metrics.metrics()
    expect(text).toContain('\nsluice_battery_seconds_total 3\n')
    expect(text).toContain('\nsluice_metered_seconds_total 1\n')
  })
})

const environment = { home: '/home/ada', hostname: 'host', timeZone: 'UTC', cwd: '/', realPath: (path: string) => path }
const base = 'destination: file:///packs\nstreams: [{ name: a, path: /a, purpose: p, files: append }]\n'

describe('the config', () => {
  const read = (listen: string) => parseConfig(`${base}metrics: { listen: "${listen}" }\n`, '/etc/sluice.yaml', environment).config
  test.each([
    ['127.0.0.1:9464', { host: '127.0.0.1', port: 9464 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    ['[::1]:9464', { host: '::1', port: 9464 }],
  ])('takes metrics.listen %s', (text, address) => {
    expect(read(text).metrics.listen).toEqual(address)
  })
  test.each(['0.0.0.0:9464', '192.168.1.5:9464', '[::]:9464', 'metrics.example.com:80'])('refuses %s, and says why', (text) => {
    expect(() => read(text)).toThrow(/only this machine may ask, for nobody is asked who they are/)
  })
  test.each(['9464', '127.0.0.1', '127.0.0.999:1', '127.0.0.1:99999', 'localhost.example.com:1'])('refuses %s', (text) => {
    expect(() => read(text)).toThrow(/metrics\.listen/)
  })
  test('has neither endpoint nor file by default', () => {
    expect(parseConfig(base, '/etc/sluice.yaml', environment).config.metrics).toEqual({})
  })
})
