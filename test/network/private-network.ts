import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A machine with one cable that a real NetworkManager looks after (network-manager.sh). */
export interface PrivateNetwork extends AsyncDisposable {
  readonly busAddress: string
  /** The command line that runs a program on the machine (device `cable`), or at 10.99.0.1 behind its cable (device `socket`). */
  argv(side: 'laptop' | 'provider', argv: readonly string[]): readonly [string, ...string[]]
  /** Runs a shell command beside NetworkManager, or a function of the script; throws when it fails. */
  run(command: string): Promise<void>
}

const programs = ['dbus-daemon', 'NetworkManager', 'nmcli', 'dnsmasq', 'ip', 'unshare']

/** Why there can be no private network here, or undefined. */
export function whyNoPrivateNetwork(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  const missing = programs.filter((program) => spawnSync('which', [program]).status !== 0)
  if (missing.length > 0) return `needs ${missing.join(', ')}`
  return spawnSync('sh', ['-c', 'unshare --net --mount true']).status === 0 ? undefined : 'needs network and mount namespaces'
}

export async function startPrivateNetwork(): Promise<PrivateNetwork> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  const script = fileURLToPath(new URL('network-manager.sh', import.meta.url))
  const child = spawn(script, [folder, process.execPath], { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(child, 'exit')
  let errors = ''
  child.stderr.on('data', (data: Buffer) => {
    errors = (errors + data.toString()).slice(-4000)
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const expectLine = async (wanted: string, doing: string) => {
    const { value } = await lines.next()
    if (value === wanted) return
    const log = await readFile(join(folder, 'commands.log'), 'utf8').catch(() => '')
    throw new Error(`${doing}: ${String(value)}\n${errors}\n${log.slice(-2000)}`)
  }
  const dispose = async () => {
    child.stdin.end()
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await expectLine('ready', 'starting NetworkManager')
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    busAddress: `unix:path=${join(folder, 'bus')}`,
    argv: (side, argv) => ['ip', 'netns', 'exec', `sluice-${side === 'laptop' ? 'l' : 'p'}${child.pid}`, ...argv],
    run: async (command) => {
      child.stdin.write(`${command}\n`)
      await expectLine('done', command)
    },
    [Symbol.asyncDispose]: dispose,
  }
}
