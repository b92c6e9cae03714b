import type { ChildProcess } from 'node:child_process'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { logChecker } from '../log-lines.ts'
import { noise } from '../pack/make-log.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { storedPacks, type StoredPack } from '../transfer/tus-server.ts'

const root = join(import.meta.dirname, '../..')

type Argv = (argv: readonly string[]) => readonly [string, ...string[]]

/** Two machines that reach each other. */
export interface Machines {
  /** Where the service runs. */
  readonly near: Argv
  /** Where the server runs, and its address. */
  readonly far: Argv
  readonly address: string
  readonly busAddress?: string
}

/** A real tus server with TLS on the far machine, and on the near one a config and a capture file of noise. */
export interface Desk extends AsyncDisposable {
  readonly state: string
  /** Starts the service. */
  run(): RunningService
  /** Starts another program; it ends with the desk. */
  start(argv: readonly [string, ...string[]]): ChildProcess
  /** The packs that arrived whole. */
  stored(): Promise<StoredPack[]>
}

export interface RunningService {
  readonly events: readonly SluiceEvent[]
  /** The number of the event that was looked for, once it is there; those before `from` do not count. */
  event(isIt: (event: SluiceEvent) => boolean, from?: number): Promise<number>
  kill(): Promise<void>
}

/** `more`: lines of the config. */
export async function startDesk(machines: Machines, contentBytes: number, more: string): Promise<Desk> {
  const children = new Set<ChildProcess>()
  const end = async (child: ChildProcess): Promise<void> => {
    if (!children.has(child)) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const endAll = async (): Promise<void> => void await Promise.all([...children].map(end))
  onTestFinished(endAll)
  const folder = await temporaryFolder()
  const at = (name: string): string => join(folder, name)
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=far',
    '-addext', `subjectAltName=IP:${machines.address}`, '-keyout', at('key.pem'), '-out', at('cert.pem'),
  ], { stdio: 'ignore' })
  const start = ([program, ...rest]: readonly [string, ...string[]], environment: NodeJS.ProcessEnv = {}): ChildProcess => {
    const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...environment } })
    children.add(child)
    child.once('exit', () => children.delete(child))
    return child
  }
  const server = start(machines.far([
    process.execPath, join(root, 'test/transfer/tus-server.ts'), '--folder', at('store'), '--host', machines.address, '--port', '8443',
    '--cert', at('cert.pem'), '--key', at('key.pem'),
  ]))
  await once(server.stdout ?? server, 'data')
  mkdirSync(at('captures'))
  writeFileSync(at('captures/a.log'), noise('desk', contentBytes))
  writeFileSync(at('sluice.yaml'), `
device: laptop-1
state: ${at('state')}
destination: https://${machines.address}:8443/files
streams: [{ name: log, path: ${at('captures')}, purpose: tests, files: append }]
seal: { age: 1s }
effort: 1
timeZone: UTC
${more}`)
  const run = (): RunningService => {
    const child = start(machines.near([process.execPath, join(root, 'cli/launch.mjs'), 'run', '--json', '--config', at('sluice.yaml')]), {
      NODE_EXTRA_CA_CERTS: at('cert.pem'), ...(machines.busAddress !== undefined && { DBUS_SYSTEM_BUS_ADDRESS: machines.busAddress }),
    })
    return listenTo(child, () => end(child))
  }
  return { state: at('state'), run, start, stored: () => storedPacks(at('store')), [Symbol.asyncDispose]: endAll }
}

function listenTo(child: ChildProcess, kill: () => Promise<void>): RunningService {
  const events: SluiceEvent[] = []
  let news = Promise.withResolvers<undefined>()
  if (!child.stdout) throw new Error('the service needs a pipe')
  const check = logChecker()
  createInterface({ input: child.stdout }).on('line', (line) => {
    check(line)
    events.push(JSON.parse(line) as SluiceEvent)
    news.resolve(undefined)
    news = Promise.withResolvers()
  })
  const ended = once(child, 'exit')
  return {
    events, kill,
    event: async (isIt, from = 0) => {
      for (;;) {
        const found = events.slice(from).findIndex(isIt)
        if (found >= 0) return from + found
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the service ended: ${JSON.stringify(events)}`)
        await Promise.race([news.promise, ended])
      }
    },
  }
}

export const is = (name: SluiceEvent['event']) => (event: SluiceEvent): boolean => event.event === name
export const held = (code: string) => (event: SluiceEvent): boolean => event.event === 'send.held' && event.reasons.includes(code)
