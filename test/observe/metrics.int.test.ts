import { spawn, spawnSync } from 'node:child_process'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { freePort, listening } from '../../bench/lib/port.ts'
import { startProgram } from '../collector/program.ts'
import { makePlace, Sluice, type Place } from '../service/harness.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { alertsFile, expressions } from './expressions.ts'

const hasPrometheus = ['prometheus', 'promtool'].every((name) => spawnSync(name, ['--version']).status === 0)
const reason = 'needs the Debian package prometheus'

function promtool(parameters: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync('promtool', parameters, { input, encoding: 'utf8' })
  return `${status} ${stderr}${stdout}`
}

const isSent = ({ event }: { readonly event: string }): boolean => event === 'pack.sent'

/** A service that has sent something, and where its metrics are. */
async function sending(place: Place): Promise<{ readonly service: Sluice; readonly url: string }> {
  writeFileSync(join(place.log, 'a.log'), 'a line of a log\n'.repeat(1000))
  const service = new Sluice('run', '--json', '--config', place.configFile)
  const told = await service.event(({ event }) => event === 'metrics.listening')
  await service.event(isSent)
  return { service, url: 'url' in told ? told.url : '' }
}

async function collector(): Promise<{ readonly url: string; readonly metrics: string }> {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'collector.yaml'), 'folder: ./packs\nlisten: 127.0.0.1:0\nmetrics: { listen: 127.0.0.1:0, perDevice: yes }\n')
  const program = await startProgram('--config', join(folder, 'collector.yaml'))
  onTestFinished(async () => void await program.end('SIGKILL'))
  const { metrics } = JSON.parse(program.lines.find((line) => line.includes('collector.started')) ?? '{}') as { readonly metrics: string }
  return { url: program.url, metrics }
}

const textOf = async (url: string): Promise<string> => await (await fetch(url)).text()

describe.skipIf(!hasPrometheus)(`with the real promtool (${reason})`, () => {
  test('the metrics of a service and of a collector are as they should be', async () => {
    const [{ url }, { metrics }] = [await sending(await makePlace({ more: 'metrics: { listen: 127.0.0.1:0 }\ncaps: [{ limit: 1 GB, per: day }]' })), await collector()]
    expect(promtool(['check', 'metrics'], await textOf(url))).toBe('0 ')
    expect(promtool(['check', 'metrics'], await textOf(metrics))).toBe('0 ')
  })
  test('something that is not as it should be would be found', () => {
    expect(promtool(['check', 'metrics'], '# TYPE sluice_sent counter\nsluice_sent 1\n')).not.toMatch(/^0/)
  })
  test('the alert rules are right, and alert when they should', () => {
    expect(promtool(['check', 'rules', '--lint=all', '--lint-fatal', alertsFile])).toMatch(/^0 .*SUCCESS/s)
    expect(promtool(['test', 'rules', join(import.meta.dirname, 'alerts-test.yaml')])).toMatch(/^0 .*SUCCESS/s)
  })
})

interface Answer {
  readonly status: string
  readonly data: { readonly result: readonly { readonly metric: Readonly<Record<string, string>>; readonly value: readonly [number, string] }[] }
}

/** A Prometheus of its own that asks these addresses every second. Returns what asks it. */
async function prometheus(targets: Readonly<Record<string, string>>): Promise<(query: string) => Promise<Answer>> {
  const folder = await temporaryFolder()
  const jobs = Object.entries(targets).map(([job, url]) => `  - { job_name: ${job}, static_configs: [{ targets: ["${new URL(url).host}"] }] }\n`)
  writeFileSync(join(folder, 'prometheus.yaml'), `global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }\nrule_files: ["${alertsFile}"]\nscrape_configs:\n${jobs.join('')}`)
  const port = await freePort()
  const child = spawn('prometheus', [
    `--config.file=${join(folder, 'prometheus.yaml')}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error',
  ], { stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  onTestFinished(async () => {
    if (child.exitCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  await listening(port, () => child.exitCode !== null)
  return async (query) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query }) })
    if (!response.ok && response.status !== 503) throw new Error(`${query}: ${await response.text()} ${stderr}`)
    return response.ok ? await response.json() as Answer : { status: 'starting', data: { result: [] } }
  }
}

describe.skipIf(!hasPrometheus)(`with a real Prometheus (${reason})`, () => {
  test('what a service and a collector tell is scraped, and every query of dashboard and rules is understood', { timeout: 120_000 }, async () => {
    const there = await collector()
    const { service, url } = await sending(await makePlace({ more: 'metrics: { listen: 127.0.0.1:0 }\ncaps: [{ limit: 1 GB, per: day }]' }))
    const ask = await prometheus({ sluice: url, collector: there.metrics })
    const value = async (query: string): Promise<string> => {
      for (;;) {
        const { data: { result: [found] } } = await ask(query)
        if (found) return found.value[1]
        await sleep(200)
      }
    }
    const sent = service.events.filter(isSent).length
    expect(Number(await value(`sluice_sent_packs_total{job="sluice"} >= ${sent}`))).toBeGreaterThanOrEqual(1)
    expect(Number(await value('sluice_captured_bytes_total > 0'))).toBe(16_000)
    expect(await value('sluice_cap_limit_bytes{cap="policy-day"}')).toBe('1000000000')
    expect(await value('sluice_collector_devices{job="collector"}')).toBe('0')
    expect(await value('sum(up)')).toBe('2')
    for (const expression of expressions) expect(await ask(expression), expression).toMatchObject({ status: 'success' })
  })
})

/** Waits until the file tells what is looked for. */
async function tells(path: string, what: RegExp): Promise<string> {
  for (;;) {
    const text = existsSync(path) ? await readFile(path, 'utf8') : ''
    if (what.test(text)) return text
    await sleep(20)
  }
}

describe('the text file', () => {
  test('is there for every user while the service runs, and gone when it stops', { timeout: 60_000 }, async () => {
    const folder = await temporaryFolder()
    const service = new Sluice('run', '--json', '--config', (await makePlace({ more: `metrics: { textfile: ${folder} }` })).configFile)
    const path = join(folder, 'sluice.prom')
    const text = await tells(path, /^sluice_build_info\{/m)
    expect(text.endsWith('\n')).toBe(true)
    expect(statSync(path).mode & 0o777).toBe(0o644)
    service.kill('SIGTERM')
    expect((await service.ended).code).toBe(0)
    expect(existsSync(path)).toBe(false)
  })
  test('that cannot be written is told once, and nothing else suffers', { timeout: 60_000 }, async () => {
    const folder = await temporaryFolder()
    const place = await makePlace({ more: `metrics: { textfile: ${folder}/none/x.prom }` })
    writeFileSync(join(place.log, 'a.log'), 'line\n')
    const service = new Sluice('run', '--json', '--config', place.configFile)
    await service.event(({ event }) => event === 'metrics.unavailable')
    await service.event(isSent)
    service.kill('SIGTERM')
    expect((await service.ended).code).toBe(0)
    expect(service.events.filter(({ event }) => event === 'metrics.unavailable')).toMatchObject([{ what: 'textfile', errno: 'ENOENT' }])
  })
})

test('an address that another program has is told, and the service goes on', { timeout: 60_000 }, async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const place = await makePlace({ more: `metrics: { listen: "127.0.0.1:${(server.address() as AddressInfo).port}" }` })
  writeFileSync(join(place.log, 'a.log'), 'line\n')
  const service = new Sluice('run', '--json', '--config', place.configFile)
  await service.event(isSent)
  expect(service.events).toContainEqual(expect.objectContaining({ event: 'metrics.unavailable', what: 'listen', errno: 'EADDRINUSE' }))
})
