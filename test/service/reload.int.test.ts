/** A running service takes up a changed config, or keeps to the last good one; an upload goes on at its byte. */
import { spawn } from 'node:child_process'
import { appendFileSync, chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { EventName, EventOf, SluiceEvent } from '../../src/observe/events.ts'
import { noise } from '../pack/make-log.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { startTusServer } from '../transfer/tus-server.ts'

const launcher = join(import.meta.dirname, '../../cli/launch.mjs')

/** A machine whose service runs as a process of its own, without a terminal. */
interface Machine {
  readonly folder: string
  readonly policies: string
  /** Replaces the config as an editor does; `more` follows what every config has. */
  configure(more: string, destination?: string): void
  policy(name: string, text: string): void
  readonly events: SluiceEvent[]
  /** The number of the event that was waited for; those before `from` do not count. */
  event<N extends EventName>(name: N, isIt?: (event: EventOf<N>) => boolean, from?: number): Promise<EventOf<N>>
  signal(name: NodeJS.Signals): void
  readonly ended: Promise<number | null>
}

async function startMachine({ destination, more = '' }: { readonly destination?: string; readonly more?: string } = {}): Promise<Machine> {
  const folder = await temporaryFolder()
  const policies = join(folder, 'it/policy.d')
  mkdirSync(policies, { recursive: true })
  mkdirSync(join(folder, 'captures'))
  const file = join(folder, 'sluice.yaml')
  const configure = (text: string, place = destination ?? `file://${join(folder, 'packs')}`): void => {
    writeFileSync(`${file}.new`, `device: laptop-1
state: ${join(folder, 'state')}
destination: ${place}
streams: [{ name: log, path: ${join(folder, 'captures')}, purpose: tests, files: append }]
conditions: { power: mains, network: free }
seal: { size: 4 MiB, age: 1s }
timeZone: UTC
${text}`)
    renameSync(`${file}.new`, file)
  }
  configure(more)
  const events: SluiceEvent[] = []
  let tell = (): void => undefined
  let stderr = ''
  const env = { ...process.env, SLUICE_POLICY_DIR: policies }
  const child = spawn(process.execPath, [launcher, 'run', '--json', '--config', file], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  createInterface(child.stdout).on('line', (line) => {
    events.push(JSON.parse(line) as SluiceEvent)
    tell()
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  let isOver = false
  void ended.then(() => { isOver = true; tell() })
  const machine: Machine = {
    folder, policies, configure, events, ended,
    policy: (name, text) => { writeFileSync(join(policies, name), text, { mode: 0o644 }) },
    async event<N extends EventName>(name: N, isIt: (event: EventOf<N>) => boolean = () => true, from = 0) {
      for (;;) {
        const found = events.slice(from).filter((event) => event.event === name).map((event) => event as EventOf<N>).find(isIt)
        if (found) return found
        if (isOver) throw new Error(`the service ended: ${JSON.stringify(events)} ${stderr}`)
        await new Promise<void>((resolve) => (tell = resolve))
      }
    },
    signal: (name) => { child.kill(name) },
  }
  await machine.event('service.started')
  return machine
}

test('a cap that is changed during an upload counts from then on, and the upload goes on at its byte', { timeout: 120_000 }, async () => {
  const offsets: number[] = []
  await using server = await startTusServer({
    folder: await temporaryFolder(),
    intercept: ({ method, headers }) => {
      if (method === 'PATCH') offsets.push(Number(headers['upload-offset']))
      return false
    },
  })
  const slowly = 'rate: { max: 300 kB/s, yield: no }\n'
  const machine = await startMachine({ destination: server.url, more: slowly })
  appendFileSync(join(machine.folder, 'captures/a.log'), noise('reload', 1_500_000))
  const { packBytes } = await machine.event('pack.stamped')
  await vi.waitFor(() => expect(server.bodyBytes).toBeGreaterThan(200_000), { timeout: 60_000, interval: 20 })

  machine.configure(`${slowly}caps: [{ limit: 1 MB, per: day }]\n`)
  expect((await machine.event('config.reloaded')).keys).toContain('caps[0].limit')
  await machine.event('send.held', ({ reasons }) => reasons.includes('cap-day'))
  expect(server.bodyBytes).toBeLessThan(1_000_000)

  machine.policy('10.yaml', 'rate: { max: 5 MB/s }\n')
  expect((await machine.event('config.reloaded', ({ keys }) => keys.includes('rate.max'))).keys).toEqual(['rate.max'])
  machine.configure(`${slowly}caps: [{ limit: 100 MB, per: day }]\n`)
  await machine.event('pack.sent')
  expect(machine.events.filter(({ event }) => event === 'pack.stamped')).toHaveLength(1)
  expect(Math.max(...offsets)).toBeGreaterThan(200_000)
  expect(offsets.filter((offset) => offset === 0).length).toBeLessThanOrEqual(1)
  expect(server.bodyBytes).toBeGreaterThanOrEqual(packBytes)
  expect(server.bodyBytes).toBeLessThan(packBytes + 600_000) // what was under way when a connection was reset
})

test('what is wrong is refused with file, line and reason, and the last good config stays', { timeout: 120_000 }, async () => {
  const machine = await startMachine()
  machine.configure('effort: 99\n')
  expect(await machine.event('config.refused')).toMatchObject({
    file: join(machine.folder, 'sluice.yaml'), line: 8, key: 'effort', reason: 'found "…"; allowed: auto, or a whole number from 1 to 19', problems: 1,
  })
  appendFileSync(join(machine.folder, 'captures/a.log'), 'goes on\n')
  await machine.event('pack.sent')

  machine.configure('effort: 3\n')
  expect((await machine.event('config.reloaded')).keys).toEqual(['effort'])

  machine.policy('10-it.yaml', 'caps: [{ limit: 1 GB, per: day }]\npause: { longest: 10m }\n')
  expect(await machine.event('config.refused', ({ key }) => key === 'pause.longest')).toMatchObject({ file: join(machine.policies, '10-it.yaml'), line: 2, problems: 1 })
  machine.policy('10-it.yaml', 'caps: [{ limit: 1 GB, per: day }]\npause: { longest: 8h }\n')
  const { keys } = await machine.event('config.reloaded', ({ keys }) => keys.includes('pause.longest'))
  expect(keys).toContain('caps[0].limit')

  machine.policy('20-site.yaml', 'device: other\n')
  expect(await machine.event('config.refused', ({ key }) => key === 'device')).toMatchObject({ line: 1, reason: expect.stringContaining('needs a restart') as string })
  rmSync(join(machine.policies, '20-site.yaml'))

  machine.configure('effort: 3\n', `file://${machine.folder}/elsewhere`)
  expect((await machine.event('config.refused', ({ reason }) => reason.includes('state-other-destination'))).key).toBe('file')
  const from = machine.events.length
  appendFileSync(join(machine.folder, 'captures/a.log'), 'goes on as before\n')
  await machine.event('pack.sent', () => true, from)
  machine.signal('SIGTERM')
  expect(await machine.ended).toBe(0)
})

test('a file that the config names is read again when it changes, and refused when it is wrong', { timeout: 120_000 }, async () => {
  const machine = await startMachine()
  const login = join(machine.folder, 'login')
  writeFileSync(login, 'me:first', { mode: 0o600 })
  const proxied = `connection: { proxy: http://proxy.example:1, proxyCredential: ${login} }\n`
  machine.configure(proxied)
  await machine.event('config.reloaded', ({ keys }) => keys.includes('connection.proxy'))
  writeFileSync(login, 'me:second')
  await machine.event('config.reloaded', ({ keys }) => keys.join() === 'connection.proxyCredential')
  writeFileSync(login, 'hunter2')
  expect(await machine.event('config.refused')).toMatchObject({ file: join(machine.folder, 'sluice.yaml'), line: 8, key: 'connection.proxyCredential' })
  expect(JSON.stringify(machine.events)).not.toMatch(/hunter2|second/)
})

test('log files are where the changed config wants them, from its first line on', { timeout: 120_000 }, async () => {
  const machine = await startMachine()
  const logs = join(machine.folder, 'logs')
  machine.configure(`log: { folder: ${logs}, level: debug }\n`)
  await machine.event('config.reloaded')
  machine.signal('SIGTERM')
  expect(await machine.ended).toBe(0)
  const lines = readdirSync(logs).map((name) => readFileSync(join(logs, name), 'utf8')).join('')
  expect(lines).toMatch(/"event":"service\.started"[^]*"event":"config\.reloaded"[^]*"event":"service\.stopped"/)
})

test.skipIf(process.platform === 'win32')('a policy that others could change is refused, also when it is the folder above, and read again on SIGHUP', { timeout: 120_000 }, async () => {
  const machine = await startMachine()
  machine.policy('10-it.yaml', 'effort: 2\n')
  await machine.event('config.reloaded')
  chmodSync(join(machine.policies, '10-it.yaml'), 0o666)
  expect((await machine.event('config.refused')).reason).toContain('writable by others (mode 666)')
  chmodSync(join(machine.policies, '10-it.yaml'), 0o644)

  chmodSync(join(machine.folder, 'it'), 0o777)
  machine.signal('SIGHUP')
  expect(await machine.event('config.refused', ({ file }) => file === join(machine.folder, 'it'))).toMatchObject({ reason: expect.stringContaining('above the policies, and writable by others') as string })
  chmodSync(join(machine.folder, 'it'), 0o755)

  rmSync(machine.policies, { recursive: true })
  expect((await machine.event('config.reloaded', ({ keys }) => keys.includes('effort'), machine.events.length)).keys).toEqual(['effort'])
  machine.signal('SIGTERM')
  expect(await machine.ended).toBe(0)
})
