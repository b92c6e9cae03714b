import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { CollectorServer, CollectorServing } from './collector-server.ts'
import type { Target } from './fleet-load.ts'
import { nginxArgv, whyNoNginx } from './nginx.ts'
import type { Installed } from './peers.ts'
import { freePort, listening } from './port.ts'
import { filesBelow } from './trees.ts'

/** A server that runs, on loopback. Disposing of it ends its processes. */
interface FleetServer extends AsyncDisposable {
  readonly target: Target
  /** Undefined where the work is done by processes that are not ours. */
  readonly pid: number | undefined
  /** How many packs it keeps; undefined where nobody looks. */
  packs(): Promise<number | undefined>
}

/** What takes the uploads of a fleet. */
export interface FleetContender extends Installed {
  /** `folder` is empty, and is removed afterwards. */
  start(folder: string, devices: number): Promise<FleetServer>
}

/** Where the collector keeps packs when that is no folder. */
export interface ObjectStore {
  /** `s3://bucket/prefix?endpoint=http://…` */
  readonly address: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** The collector, and what it is compared with: on the same disk, or writing to the same object store. */
export function fleetContenders(store: ObjectStore | undefined): FleetContender[] {
  return store ? [collector(store.address), putsTo(store)] : [collector(undefined), nginx(), plainTus()]
}

const isPack = (path: string): boolean => path.endsWith('.pack')

function collector(store: string | undefined): FleetContender {
  return {
    name: 'collector',
    install: 'it is part of this tree',
    version: async () => process.version,
    start: async (folder, devices) => {
      const options: CollectorServer = { store: store ?? join(folder, 'store'), uses: devices }
      const { child, line } = await started([process.execPath, script('./collector-server.ts'), JSON.stringify(options)])
      const { url, token } = JSON.parse(line) as CollectorServing
      return serverOf(child, { kind: 'tus', url, token }, async () =>
        store === undefined ? (await filesBelow(join(folder, 'store'))).filter(isPack).length : undefined)
    },
  }
}

/** Checks nothing, keeps no log, syncs nothing: what the protocol alone costs. */
function plainTus(): FleetContender {
  return {
    name: 'tus-server',
    onRequest: true,
    install: 'npm install',
    version: async () => process.version,
    start: async (folder) => {
      const argv = [process.execPath, script('../../test/transfer/tus-server.ts'), '--folder', join(folder, 'store')]
      const { child, line } = await started(argv)
      const { url } = JSON.parse(line) as { readonly url: string }
      return serverOf(child, { kind: 'tus', url }, async () =>
        (await filesBelow(join(folder, 'store'))).filter((path) => path.endsWith('.json')).length)
    },
  }
}

/** Writes to a file beside and renames it, and leaves the rest to the kernel: what it answered for may be lost with the power. */
function nginx(): FleetContender {
  return {
    name: 'nginx',
    install: whyNoNginx() ?? '',
    version: async () => whyNoNginx() === undefined ? 'of Debian' : undefined,
    start: async (folder) => {
      const port = await freePort()
      const [program = '', ...args] = await nginxArgv({ folder, listen: `127.0.0.1:${port}`, workers: 2 })
      const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
      await listening(port, () => child.exitCode !== null)
      return serverOf(child, { kind: 'put', url: `http://127.0.0.1:${port}/` }, async () =>
        (await filesBelow(join(folder, 'files'))).filter(isPack).length)
    },
  }
}

function putsTo({ address, accessKeyId, secretAccessKey }: ObjectStore): FleetContender {
  const url = new URL(address)
  const endpoint = url.searchParams.get('endpoint')
  if (url.protocol !== 's3:' || endpoint === null) throw new Error('--store is written s3://bucket/prefix?endpoint=http://127.0.0.1:…')
  return {
    name: 'puts',
    install: '',
    version: async () => process.version,
    start: async () => ({
      target: { kind: 's3', url: `${endpoint.replace(/\/$/, '')}/${url.host}${url.pathname.replace(/\/$/, '')}-puts`, accessKeyId, secretAccessKey },
      pid: undefined,
      packs: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    }),
  }
}

const script = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

async function started([program = '', ...args]: readonly string[]): Promise<{ readonly child: ChildProcess, readonly line: string }> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  if (!child.stdout) throw new Error('a server needs a pipe')
  const ended = once(child, 'exit').then(() => { throw new Error(`${args[0]} ended`) })
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]) as [string]
  void ended.catch(() => undefined)
  return { child, line }
}

function serverOf(child: ChildProcess, target: Target, packs: () => Promise<number | undefined>): FleetServer {
  return {
    target, packs, pid: child.pid,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}
