import type { Scope } from './plan.ts'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { launchdLabel } from './launchd.ts'
import { windowsTask } from './plan.ts'
import { unitName } from './systemd.ts'

/** What the system's service manager knows of the service. What it does not tell is absent. */
export interface ServiceStatus {
  readonly isInstalled: boolean
  readonly isEnabled: boolean
  readonly isActive: boolean
  /** In the manager's own words. */
  readonly state: string
  /** Milliseconds since the epoch. */
  readonly since?: number
  readonly pid?: number
  /** Of the program that is installed as the service. */
  readonly version?: string
  readonly restarts?: number
  /** How it ended last. */
  readonly lastExit?: string
  /** What it said last of how it does. */
  readonly says?: string
}

const limitMs = 10_000
const run = promisify(execFile)

/** Asks the service manager. One that is not there knows of no service. */
export async function serviceStatus(platform: 'linux' | 'darwin' | 'win32', scope: Scope): Promise<ServiceStatus> {
  switch (platform) {
    case 'linux': {
      const parsed = parseSystemd(await answer('systemctl', [...(scope.kind === 'user' ? ['--user'] : []), 'show', '--timestamp=unix', `--property=${properties.join(',')}`, unitName]))
      return await withVersion(parsed.status, parsed.launcher)
    }
    case 'darwin': {
      const parsed = parseLaunchd(await answer('launchctl', ['print', `${scope.kind === 'user' ? `gui/${scope.uid}` : 'system'}/${launchdLabel}`]))
      return await withVersion(parsed.status, parsed.launcher)
    }
    case 'win32':
      return parseTask(await answer('schtasks', ['/Query', '/V', '/FO', 'CSV', '/NH', '/TN', windowsTask(scope).name]))
  }
}

async function answer(program: string, parameters: readonly string[]): Promise<string> {
  const { stdout } = await run(program, parameters, { timeout: limitMs }).catch(() => ({ stdout: '' }))
  return stdout
}

/** From the `package.json` beside the launcher that is started. */
async function withVersion(status: ServiceStatus, launcher: string | undefined): Promise<ServiceStatus> {
  if (launcher === undefined) return status
  try {
    const { version } = JSON.parse(await readFile(join(dirname(dirname(launcher)), 'package.json'), 'utf8')) as Record<string, unknown>
    return typeof version === 'string' ? { ...status, version } : status
  } catch {
    return status
  }
}

const properties = [
  'LoadState', 'UnitFileState', 'ActiveState', 'SubState', 'StateChangeTimestamp', 'MainPID', 'NRestarts', 'Result', 'ExecMainCode', 'ExecMainStatus', 'StatusText', 'ExecStart',
] as const

interface Parsed {
  readonly status: ServiceStatus
  readonly launcher: string | undefined
}

/** Reads `systemctl show`. */
export function parseSystemd(text: string): Parsed {
  const facts = new Map(text.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const))
  const get = (name: typeof properties[number]): string => facts.get(name) ?? ''
  const isInstalled = get('LoadState') === 'loaded'
  const [since, pid] = [Number(get('StateChangeTimestamp').slice(1)), Number(get('MainPID'))]
  const hasEnded = Number(get('ExecMainCode')) > 0
  const status: ServiceStatus = {
    isInstalled,
    isEnabled: ['enabled', 'enabled-runtime', 'linked'].includes(get('UnitFileState')),
    isActive: get('ActiveState') === 'active',
    state: isInstalled ? `${get('ActiveState')} (${get('SubState')})` : get('LoadState') || 'unknown',
    ...(since > 0 && { since: since * 1000 }),
    ...(pid > 0 && { pid }),
    ...(isInstalled && { restarts: Number(get('NRestarts')) }),
    ...(isInstalled && (hasEnded || get('Result') !== 'success') && { lastExit: `${get('Result')}, status ${get('ExecMainStatus')}` }),
    ...(get('StatusText') !== '' && { says: get('StatusText') }),
  }
  return { status, launcher: /\S+\/cli\/launch\.mjs/.exec(get('ExecStart'))?.[0] }
}

/** Reads `launchctl print`, whose form Apple does not promise: only what is surely recognized. */
export function parseLaunchd(text: string): Parsed {
  const fact = (name: string): string | undefined => new RegExp(`^\\s*${name} = (.*)$`, 'm').exec(text)?.[1]?.trim()
  const [state, pid, lastExit] = [fact('state'), fact('pid'), fact('last exit code')]
  const isInstalled = text.includes(`${launchdLabel} = {`)
  const status: ServiceStatus = {
    isInstalled, isEnabled: isInstalled, isActive: state === 'running', state: state ?? 'unknown',
    ...(pid !== undefined && { pid: Number(pid) }),
    ...(lastExit !== undefined && lastExit !== '(never exited)' && { lastExit: `status ${lastExit}` }),
  }
  return { status, launcher: /^\s*(\S.*\/cli\/launch\.mjs)$/m.exec(text)?.[1] }
}

/** Reads `schtasks /Query /V /FO CSV /NH`: columns in a fixed order, words in the language of the system. */
export function parseTask(text: string): ServiceStatus {
  const cells = [...(text.split('\n')[0] ?? '').matchAll(/"((?:[^"]|"")*)"/g)].map(([, cell = '']) => cell)
  const [, name, , state = 'unknown', , , lastResult] = cells
  const isInstalled = name !== undefined
  // SCHED_S_TASK_RUNNING: the last result of a task while it runs.
  const isActive = lastResult === '267009'
  return { isInstalled, isEnabled: isInstalled, isActive, state, ...(isInstalled && !isActive && lastResult !== undefined && { lastExit: `status ${lastResult}` }) }
}
