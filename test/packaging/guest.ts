import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A Debian with systemd as its first process, in a folder and without a network. */
export interface Guest extends AsyncDisposable {
  /** Its `/`, seen from outside. */
  readonly root: string
  /** Runs a shell command in it, as root; throws with what it wrote when it fails. Returns its stdout. */
  run(command: string): Promise<string>
  /** The same for a command that may fail. */
  attempt(command: string): Promise<Outcome>
  /** Runs a command until it succeeds; throws with what it last wrote when it has not after `withinMs`. */
  until(command: string, withinMs?: number): Promise<string>
}

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const programs = ['debootstrap', 'systemd-nspawn', 'nsenter', 'dpkg-deb', 'lintian']

/** Between two looks at whether something has happened in a guest. */
const lookMs = 300
const bootMs = 90_000

/** Why no guest can run here, or undefined. */
export function whyNoGuest(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'needs Linux on x64'
  if (process.getuid?.() !== 0) return 'needs root'
  const missing = programs.filter((program) => spawnSync('which', [program]).status !== 0)
  return missing.length > 0 ? `needs ${missing.join(', ')}` : undefined
}

/**
 * Makes a system and boots it. `$SLUICE_GUEST_BASE` may name a folder that debootstrap made with the packages below: it is
 * copied in place of a new one.
 */
export async function startGuest(): Promise<Guest> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  const root = join(folder, 'root')
  const nspawn = await makeSystem(root).then(() => spawn(
    'systemd-nspawn',
    ['-D', root, '--quiet', '--register=no', '--keep-unit', '--boot', '--private-network', '--console=passive'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  ))
  let said = ''
  for (const stream of [nspawn.stdout, nspawn.stderr]) stream.on('data', (data: Buffer) => { said = (said + data.toString()).slice(-4000) })
  const ended = once(nspawn, 'exit')
  const dispose = async (): Promise<void> => {
    await attempt('systemctl poweroff')
    const killing = setTimeout(() => nspawn.kill('SIGKILL'), 20_000)
    await ended
    clearTimeout(killing)
    await rm(folder, { recursive: true, force: true })
  }
  const first = await firstProcess(nspawn.pid ?? 0, () => nspawn.exitCode === null, () => said)
  const attempt = (command: string): Promise<Outcome> => shell(['-t', first, '-m', '-u', '-i', '-n', '-p', '-C', 'sh', '-c', command])
  const guest: Guest = {
    root, attempt,
    run: async (command) => stdoutOf(command, await attempt(command)),
    until: async (command, withinMs = 120_000) => {
      const end = performance.now() + withinMs
      for (;;) {
        const outcome = await attempt(command)
        if (outcome.code === 0 || performance.now() > end) return stdoutOf(command, outcome)
        await sleep(lookMs)
      }
    },
    [Symbol.asyncDispose]: dispose,
  }
  try {
    await guest.until('systemctl is-system-running | grep -qE "running|degraded"', bootMs)
    return guest
  } catch (error) {
    await dispose()
    throw error
  }
}

async function makeSystem(root: string): Promise<void> {
  const { SLUICE_GUEST_BASE: base } = process.env
  if (base !== undefined) return await cp(base, root, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.startsWith(join(base, 'dev/')) })
  const release = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'stable'
  const packages = 'systemd,systemd-sysv,dbus,libnss-systemd,acl,procps'
  const outcome = await execute('debootstrap', ['--variant=minbase', `--include=${packages}`, release, root])
  stdoutOf('debootstrap', outcome)
  await writeFile(join(root, 'etc/hostname'), 'guest\n')
}

/** Process number of the guest’s systemd, which `systemd-nspawn` starts as its only child. */
async function firstProcess(nspawn: number, isAlive: () => boolean, said: () => string): Promise<string> {
  for (const end = performance.now() + bootMs; performance.now() < end && isAlive(); await sleep(lookMs)) {
    const children = await readFile(`/proc/${nspawn}/task/${nspawn}/children`, 'utf8').catch(() => '')
    const [child] = children.trim().split(' ')
    if (child && await readFile(`/proc/${child}/comm`, 'utf8').catch(() => '') === 'systemd\n') return child
  }
  throw new Error(`the guest does not boot: ${said()}`)
}

const shell = (parameters: readonly string[]): Promise<Outcome> => execute('nsenter', parameters)

function execute(program: string, parameters: readonly string[]): Promise<Outcome> {
  // What is set here, such as a proxy or a cache, is not the guest’s.
  const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8' }
  return new Promise((resolve) => {
    execFile(program, parameters, { env, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr })
    })
  })
}

function stdoutOf(command: string, { code, stdout, stderr }: Outcome): string {
  if (code === 0) return stdout
  throw new Error(`${command}: ${code}\n${stdout.slice(-3000)}\n${stderr.slice(-3000)}`)
}
