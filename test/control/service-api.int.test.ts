import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Client } from '../../src/control/client.ts'
import { root, sandbox, type Sandbox } from '../cli/run.ts'

let box: Sandbox
let service: ChildProcess | undefined
beforeEach(() => {
  box = sandbox('seal: { age: 1s }\nconditions: { power: mains, network: free }\ncaps: [{ limit: 1 GB, per: month }]\n', 'optional: yes')
  mkdirSync(join(box.folder, 'captures'))
  writeFileSync(join(box.folder, 'captures/a.txt'), 'captured '.repeat(1000))
})
afterEach(async () => {
  await stop()
  box[Symbol.dispose]()
})

async function start(): Promise<Client> {
  service = spawn(process.execPath, [join(root, 'cli/launch.mjs'), 'run', '--config', join(box.folder, 'sluice.yaml')], { stdio: 'ignore' })
  for (;;) {
    const client = await Client.find({ stateFolder: box.state })
    if (client) return client
    await sleep(50)
  }
}

async function stop(): Promise<void> {
  if (service?.exitCode !== null || !service.kill('SIGTERM')) return
  await once(service, 'exit')
}

test('a running service tells what it does and has done, and does what the worker wishes', { timeout: 60_000 }, async () => {
  const client = await start()
  const stream = 'a'
  while ((await client.call('GET /v1/history', {})).packs.length === 0) await sleep(50)
  const { packs: [pack] } = await client.call('GET /v1/history', { limit: 1 })
  expect(pack).toMatchObject({ streams: [stream], rawBytes: 9000, networks: [{ class: 'free' }] })
  expect(pack?.networks[0]?.bytes).toBeGreaterThan(pack?.packBytes ?? Infinity)

  const status = await client.call('GET /v1/status', {})
  expect(status).toMatchObject({ running: { pid: service?.pid }, sent: { packs: 1 }, backlog: { packs: 0 }, queues: [{ decision: { send: 'full' } }] })
  expect((await client.call('GET /v1/why', {})).answer).toContain('Nothing waits')

  await client.call('POST /v1/pause', { captures: 'hold' })
  expect(await client.call('GET /v1/pause', {})).toMatchObject({ paused: true })
  const shown = await box.sluice('status', '--json')
  expect(JSON.parse(shown.stdout)).toMatchObject({ pause: { captures: 'hold' }, queues: [{ decision: { reasons: [{ code: 'paused' }] } }] })
  expect(await client.call('POST /v1/resume', {})).toMatchObject({ ended: { captures: 'hold' } })

  expect(await client.call('POST /v1/caps/set', { limitBytes: 5e8, per: 'day' })).toMatchObject({ set: { id: 'day' } })
  expect((await client.call('GET /v1/caps', {})).caps.map(({ id, from }) => [id, from])).toEqual([['policy-month', 'policy'], ['day', 'worker']])
  await expect(client.call('POST /v1/caps/remove', { id: 'policy-month' })).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining('policy') as string })
  await client.call('POST /v1/caps/remove', { id: 'day' })

  expect(await client.call('POST /v1/streams/set', { stream, on: false })).toMatchObject({ wasOff: false })
  writeFileSync(join(box.folder, 'captures/b.txt'), 'not read')
  expect(await client.call('GET /v1/streams', {})).toMatchObject({ streams: [{ name: stream, optional: true, offSince: expect.any(Number) as number }] })
  expect(await client.call('GET /v1/preview', {})).toMatchObject({ packed: { packs: 0 }, streams: [] })
  await expect(client.call('POST /v1/pause', { until: 1 })).rejects.toMatchObject({ code: 'usage' })
  await expect(client.call('GET /v1/history', { limit: 0 })).rejects.toMatchObject({ code: 'usage' })
})

test('who watches is told of changes, and of the end and a new beginning of the service', { timeout: 60_000 }, async () => {
  const client = await start()
  const ended = new AbortController()
  const seen: string[] = []
  for await (const event of client.events(['status', 'pause'], ended.signal)) {
    seen.push(event.name)
    if (event.name === 'status' && !event.data.pause) await client.call('POST /v1/pause', {})
    if (event.name === 'status' && event.data.pause) break
  }
  expect(seen).toContain('pause')

  const watching = spawn(process.execPath, [join(root, 'cli/launch.mjs'), 'status', '--watch', '--config', join(box.folder, 'sluice.yaml')], { stdio: ['ignore', 'pipe', 'ignore'] })
  let told = ''
  watching.stdout.setEncoding('utf8').on('data', (text: string) => { told += text })
  const says = async (text: string): Promise<void> => { while (!told.includes(text)) await sleep(20) }
  await says('you paused Sluice')
  await stop()
  await says('not running')
  told = ''
  await start()
  await says('you paused Sluice')
  watching.kill('SIGINT')
  expect(await once(watching, 'exit')).toEqual([0, null])
})
