import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A laptop on battery at 42 % that the real upowerd and power-profiles-daemon look after (private-power.py). */
export interface PrivatePower extends AsyncDisposable {
  readonly busAddress: string
  /** The same laptop as its kernel shows it. */
  readonly suppliesFolder: string
  readonly profileFile: string
  /** Runs one command of the script, as `plug`, `unplug` or `level 10`; throws when it fails. */
  run(command: string): Promise<void>
}

const programs = ['dbus-daemon', '/usr/bin/umockdev-wrapper', '/usr/bin/python3', '/usr/libexec/upowerd', '/usr/libexec/power-profiles-daemon']
const modules = `import gi; gi.require_version('UMockdev', '1.0'); from gi.repository import UMockdev`

/** Why there can be no private power here, or undefined. */
export function whyNoPrivatePower(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux'
  const isThere = (program: string) => program.startsWith('/') ? existsSync(program) : spawnSync('which', [program]).status === 0
  const missing = programs.filter((program) => !isThere(program))
  if (missing.length > 0) return `needs ${missing.join(', ')}`
  return spawnSync('/usr/bin/python3', ['-c', modules]).status === 0 ? undefined : 'needs python3-gi and gir1.2-umockdev-1.0'
}

export async function startPrivatePower(): Promise<PrivatePower> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  const script = fileURLToPath(new URL('private-power.py', import.meta.url))
  const child = spawn('/usr/bin/umockdev-wrapper', ['/usr/bin/python3', script, folder], { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(child, 'exit')
  let errors = ''
  child.stderr.on('data', (data: Buffer) => {
    errors = (errors + data.toString()).slice(-4000)
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const expectLine = async (wanted: RegExp, doing: string): Promise<string> => {
    const { value } = await lines.next()
    const found = wanted.exec(String(value))
    if (found) return found[1] ?? ''
    const log = await readFile(join(folder, 'daemons.log'), 'utf8').catch(() => '')
    throw new Error(`${doing}: ${String(value)}\n${errors}\n${log.slice(-2000)}`)
  }
  const dispose = async () => {
    child.stdin.end()
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const system = await expectLine(/^ready (.+)$/, 'starting upowerd')
    return {
      busAddress: `unix:path=${join(folder, 'bus')}`,
      suppliesFolder: join(system, 'class/power_supply'),
      profileFile: join(system, 'firmware/acpi/platform_profile'),
      run: async (command) => {
        child.stdin.write(`${command}\n`)
        await expectLine(/^done$/, command)
      },
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}
