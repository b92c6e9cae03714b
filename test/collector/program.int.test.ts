import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { checkCollectorConfig } from '../../config/collector-options.ts'
import { defaultLimits } from '../../src/collector/limits.ts'
import { parseListenAddress } from '../../src/collector/listen-address.ts'
import { json, root, runProcess, type Finished } from '../cli/run.ts'
import { environment } from '../config/sample.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { startBench } from './bench.ts'
import { startProgram } from './program.ts'
import { openRaw } from './raw-socket.ts'
import { packOf } from '../transfer/packs.ts'

const waiting = { timeout: 20_000, interval: 100 }
const unwrapped = (text: string): string => text.replaceAll(/\s+/g, ' ')
const sluice = (...parameters: string[]): Promise<Finished> => runProcess(process.execPath, [join(root, 'cli/launch.mjs'), 'collector', ...parameters])

describe('sluice collector', () => {
  test('enrols by a token, lists, revokes, notices that while it runs, and stops with 0', async () => {
    const folder = join(await temporaryFolder(), 'packs')
    const running = await startProgram('--folder', folder, '--listen', '127.0.0.1:0')
    onTestFinished(() => void running.child.kill('SIGKILL'))
    const made = await sluice('token', '--folder', folder, '--device', 'laptop-17')
    const token = made.stdout.trim()
    expect(made.code).toBe(0)
    const enrolled = await fetch(new URL('enrol', running.url), {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ device: 'laptop-17', token }),
    })
    const { credential } = await enrolled.json() as { readonly credential: string }
    const head = async () => (await fetch(new URL('logs/laptop-17/head', running.url), { headers: { authorization: `Bearer ${credential}` } })).status
    expect(await head()).toBe(204)
    expect(json(await sluice('devices', '--folder', folder, '--json'))).toMatchObject({ version: 1, devices: [{ device: 'laptop-17', headSeq: 0, packs: 0, bytes: 0 }] })
    expect((await sluice('devices', '--folder', folder)).stdout).toMatch(/laptop-17 +0 +0 B +never +\d.* ago +enrolled/)
    running.child.kill('SIGHUP')
    expect((await sluice('devices', 'revoke', 'laptop-17', '--folder', folder)).code).toBe(0)
    await vi.waitFor(async () => { expect(await head()).toBe(401) }, waiting)
    expect(await running.end('SIGTERM')).toBe(0)
    const told = running.lines.map((line) => JSON.parse(line) as { readonly event: string; readonly time: string })
    expect(told.map(({ event }) => event)).toEqual(expect.arrayContaining(['collector.started', 'device.enrolled', 'credential.refused', 'collector.stopped']))
    expect(running.stderr()).toBe('')
    for (const secret of [token, credential, credential.slice(-43)]) expect(running.lines.join()).not.toContain(secret)
  })

  test('says what is wrong with a command line, and exits with 2', async () => {
    const folder = await temporaryFolder()
    for (const parameters of [
      [], ['--folder', folder, '--config', 'x'], ['--folder', folder, '--listen', 'nonsense'], ['--folder', folder, '--listen', '0.0.0.0:0'],
      ['token', '--folder', folder, '--uses', '0'], ['token', '--folder', folder, '--expires', 'soon'], ['token', '--folder', folder, '--device', '../x'],
      ['devices', 'revoke', 'nobody', '--folder', folder], ['--config', join(folder, 'missing.yaml')],
    ]) {
      const { code, stderr } = await sluice(...parameters)
      expect([code, stderr.startsWith('sluice: ')], `${parameters.join(' ')}: ${stderr}`).toEqual([2, true])
    }
  })

  test('makes no store of a path that was mistyped', async () => {
    const folder = join(await temporaryFolder(), 'pakcs')
    for (const parameters of [['devices'], ['devices', 'revoke', 'laptop-17'], ['token']]) {
      const { code, stderr } = await sluice(...parameters, '--folder', folder)
      expect([code, unwrapped(stderr)]).toEqual([2, expect.stringContaining(`No collector has run on ${folder}.`)])
      await expect(stat(folder)).rejects.toThrow('ENOENT')
    }
    expect((await sluice('token', '--create', '--folder', folder)).stdout).toMatch(/^slt1\./)
    expect((await sluice('devices', '--folder', folder)).stdout).toContain('No device has enrolled.')
  })

  test('tells in words of the command line where it may listen', async () => {
    const { code, stderr } = await sluice('--folder', await temporaryFolder(), '--listen', '0.0.0.0:8080')
    expect([code, unwrapped(stderr)]).toEqual([2, expect.stringMatching(/--listen 0\.0\.0\.0:8080 .*--config/)])
    expect(stderr).not.toContain('1:37')
  })

  test('ends with an error when its metrics cannot be told', async () => {
    const folder = await temporaryFolder()
    const running = await startProgram('--folder', join(folder, 'packs'), '--listen', '127.0.0.1:0')
    onTestFinished(() => void running.child.kill('SIGKILL'))
    await writeFile(join(folder, 'collector.yaml'), `folder: ./packs\nlisten: 127.0.0.1:0\nmetrics: { listen: "127.0.0.1:${new URL(running.url).port}" }\n`)
    const { code, stderr, stdout } = await sluice('--config', join(folder, 'collector.yaml'))
    expect([code, stdout]).toEqual([2, ''])
    expect(unwrapped(stderr)).toContain('Another program listens there')
  })

  test('ends at once on a second signal', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'collector.yaml'), 'folder: ./packs\nlisten: 127.0.0.1:0\nlimits: { drain: 10m, slowBodyTime: 10m }\n')
    const running = await startProgram('--config', join(folder, 'collector.yaml'))
    onTestFinished(() => void running.child.kill('SIGKILL'))
    const port = Number(new URL(running.url).port)
    const open = await openRaw(port, 'POST /enrol HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{')
    onTestFinished(() => void open.destroy())
    await vi.waitFor(async () => { expect((await fetch(new URL('health', running.url))).status).toBe(200) }, waiting)
    running.child.kill('SIGTERM')
    await vi.waitFor(() => { expect(running.lines.at(-1)).toContain('collector.stopping') }, waiting)
    const again = setInterval(() => { running.child.kill('SIGTERM') }, 300)
    onTestFinished(() => { clearInterval(again) })
    await once(running.child, 'exit')
    expect(running.child.exitCode).toBe(1)
    expect(running.lines.at(-1)).toContain('collector.stopping')
  })

  test('with a config file tells metrics to whoever may ask, and no device’s name', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'collector.yaml'), 'folder: ./packs\nlisten: 127.0.0.1:0\nmetrics: { listen: 127.0.0.1:0 }\n')
    const running = await startProgram('--config', join(folder, 'collector.yaml'))
    onTestFinished(() => void running.child.kill('SIGKILL'))
    const { metrics } = JSON.parse(running.lines[0] ?? '') as { readonly metrics: string }
    const text = await (await fetch(metrics)).text()
    expect(text).toContain('sluice_collector_devices 0')
    expect((await fetch(metrics.replace('/metrics', '/'))).status).toBe(404)
    expect((await fetch(new URL('metrics', running.url))).status).toBe(404)
    expect(await running.end('SIGINT')).toBe(0)
  })
})

describe('metrics', () => {
  test('count what happened, and name devices only where that is wanted', async () => {
    for (const perDevice of [false, true]) {
      const bench = await startBench({ metrics: { listen: { host: '127.0.0.1', port: 0 }, perDevice } })
      const pack = packOf(1, randomBytes(5000))
      await bench.send(pack)
      await bench.send(packOf(2, randomBytes(500)))
      await bench.ask('logs/laptop-1/head', { credential: 'nobody' })
      const text = await (await fetch(bench.collector.metricsUrl ?? '')).text()
      for (const line of [
        'sluice_collector_uploads_created_total 2', `sluice_collector_received_bytes_total ${5000 + 500}`, 'sluice_collector_packs_total{code="accepted"} 1',
        'sluice_collector_packs_total{code="log-forked"} 1', 'sluice_collector_requests_refused_total{code="credential-refused"} 1', 'sluice_collector_devices 1',
      ]) expect(text).toContain(line)
      expect(text).toMatch(/sluice_collector_open_connections [1-9]/)
      expect(text).toMatch(/sluice_collector_lag_seconds \d/)
      expect(text.includes('laptop-1')).toBe(perDevice)
    }
  })
})

describe('the config of a collector', () => {
  const read = (text: string) => checkCollectorConfig(text, '/etc/sluice/collector.yaml', environment)

  test('that names a folder gets every default, and its limits are those of the program', () => {
    const config = read('folder: ./packs')
    expect(config).toMatchObject({ folder: '/etc/sluice/packs', listen: { host: '127.0.0.1', port: 8080 }, behindProxy: false })
    const { credentialMs, ...limits } = defaultLimits
    expect('limits' in config && config.limits).toEqual(limits)
    expect(credentialMs).toBeLessThan(5000)
  })

  test.each([
    ['folder: x\nlisten: 0.0.0.0:80', 'listen'],
    ['folder: x\nlisten: 80', 'listen'],
    ['listen: 127.0.0.1:80', 'folder'],
    ['folder: x\ntls: { cert: a }', 'tls.key'],
    ['folder: x\nlimits: { pack: 1 GB }', 'limits.pack'],
    ['folder: x\nmetrics: { perDevice: yes }', 'metrics.listen'],
    ['folder: x\nqouta: 1 GB', 'qouta'],
  ])('%j is refused at %s', (text, key) => {
    const result = read(text)
    expect('problems' in result && result.problems.map((problem) => problem.key)).toEqual([key])
  })

  test.each(['folder: x\nlisten: 0.0.0.0:80\nbehindProxy: yes', 'folder: x\nlisten: "[::]:443"\ntls: { cert: a.pem, key: b.pem }'])('%j is taken', (text) => {
    expect(read(text)).not.toHaveProperty('problems')
  })

  test('takes an address with its port, and nothing else', () => {
    expect(parseListenAddress('[::1]:8080')).toEqual({ host: '::1', port: 8080 })
    for (const text of ['', '8080', ':8080', '::1:8080', '[x]:80', '127.0.0.1:', '127.0.0.1:65536', '127.0.0.1:80/x', 'a b:80']) expect(parseListenAddress(text)).toBeUndefined()
  })
})
