import { chmodSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Step } from '../../daemon/service/steps.ts'
import { packagedPlace } from '../../daemon/service/place.ts'
import { installSteps, uninstallSteps, windowsTask, type Plan } from '../../daemon/service/plan.ts'
import { parseLaunchd, parseSystemd, parseTask } from '../../daemon/service/status.ts'
import { carryOut } from '../../daemon/service/steps.ts'
import { systemUnit, userUnit } from '../../daemon/service/systemd.ts'
import { root, runProcess } from '../cli/run.ts'
import { makePlace } from '../service/harness.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const system: Plan = { platform: 'linux', place: packagedPlace, isPackaged: false, scope: { kind: 'system', folders: [] } }
const own = (platform: Plan['platform']): Plan => ({ platform, place: packagedPlace, isPackaged: false, scope: { kind: 'user', home: '/home/a', uid: 1000, person: 'FIRM\\a', stateFolder: '/home/a/state' } })

const written = (steps: readonly Step[]): Map<string, string> => new Map(steps.flatMap((step) => (step.does === 'write' ? [[step.path, step.text] as const] : [])))
const removed = (steps: readonly Step[]): string[] => steps.flatMap((step) => (step.does === 'remove' ? [step.path] : []))
const commands = (steps: readonly Step[]): string[] => steps.flatMap((step) => (step.does === 'run' ? [step.command.join(' ')] : []))

describe('installing', () => {
  test('writes the unit that the package ships, or leaves it to the package', () => {
    expect(written(installSteps(system)).get('/etc/systemd/system/sluice.service')).toBe(systemUnit(packagedPlace))
    expect([...written(installSteps({ ...system, isPackaged: true })).keys()]).toEqual([])
  })

  test('opens folders that are written to, in a file of its own that goes when there are none', () => {
    const folder = { path: '/home/a/captures', holds: 'captures', isWritten: true, closed: [], owner: { uid: 1000, gid: 1000 } } as const
    const dropIn = '/etc/systemd/system/sluice.service.d/50-folders.conf'
    expect(written(installSteps({ ...system, scope: { kind: 'system', folders: [folder] } })).get(dropIn)).toContain('\nReadWritePaths=-/home/a/captures\n')
    expect(removed(installSteps(system))).toEqual([dropIn])
  })

  test('makes the group that may steer the service, unless it is a number', () => {
    const withGroup = (group: string) => commands(installSteps({ ...system, scope: { kind: 'system', folders: [], group } }))
    expect(withGroup('crew')).toEqual(expect.arrayContaining(['groupadd --system --force crew', 'usermod -a -G crew sluice']))
    expect(withGroup('990').join()).not.toContain('groupadd')
  })

  test.each(['linux', 'darwin', 'win32'] as const)('for a person asks for nothing of root on %s, and uninstalling keeps the state unless it is to be purged', (platform) => {
    const plan = own(platform)
    const steps = installSteps(plan)
    expect([...written(steps).keys()].every((path) => path.replaceAll('\\', '/').startsWith('/home/a'))).toBe(true)
    expect(commands(steps).join('\n')).not.toMatch(/sudo|groupadd|usermod|setfacl|sysusers/)
    expect(removed(uninstallSteps(plan, false))).toEqual([...written(steps).keys()])
    expect(removed(uninstallSteps(plan, true))).toEqual([...written(steps).keys(), '/home/a/state'])
  })

  test('writes what is new, once, readable by all whatever the umask', async () => {
    const path = join(await temporaryFolder(), 'a/b.service')
    const step: Step = { does: 'write', path, text: userUnit(packagedPlace) }
    const again: Step = { does: 'run', command: ['true'], onlyAfterChange: true }
    const before = process.umask(0o077)
    try {
      expect((await carryOut([step, again])).map(({ outcome }) => outcome)).toEqual(['done', 'done'])
    } finally {
      process.umask(before)
    }
    expect((await carryOut([step, again])).map(({ outcome }) => outcome)).toEqual(['unchanged', 'unchanged'])
    expect(statSync(path).mode & 0o777).toBe(0o644)
  })

  test('ends at the first command that fails, with what it said', async () => {
    const marker = join(await temporaryFolder(), 'marker')
    await expect(carryOut([{ does: 'run', command: ['sh', '-c', 'echo no room >&2; exit 1'] }, { does: 'write', path: marker, text: '' }]))
      .rejects.toMatchObject({ code: 'state-unusable', message: expect.stringContaining('no room') as string })
    expect(existsSync(marker)).toBe(false)
  })
})

describe('what a service manager says', () => {
  test('of a running unit', () => {
    const text = 'LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nSubState=running\nStateChangeTimestamp=@1795471720\nMainPID=100\nNRestarts=2\nResult=success\nExecMainCode=0\nExecMainStatus=0\n'
      + 'StatusText=all=well\nExecStart={ path=/usr/lib/sluice/node/bin/node ; argv[]=/usr/lib/sluice/node/bin/node /usr/lib/sluice/cli/launch.mjs run ; }\n'
    expect(parseSystemd(text)).toEqual({
      launcher: '/usr/lib/sluice/cli/launch.mjs',
      status: { isInstalled: true, isEnabled: true, isActive: true, state: 'active (running)', since: 1_795_471_720_000, pid: 100, restarts: 2, says: 'all=well' },
    })
  })

  test('of one that failed, of none, and where there is no systemd', () => {
    const failed = parseSystemd('LoadState=loaded\nUnitFileState=disabled\nActiveState=failed\nSubState=failed\nMainPID=0\nNRestarts=0\nResult=watchdog\nExecMainCode=3\nExecMainStatus=6\n').status
    expect(failed).toEqual({ isInstalled: true, isEnabled: false, isActive: false, state: 'failed (failed)', restarts: 0, lastExit: 'watchdog, status 6' })
    expect(parseSystemd('LoadState=not-found\nActiveState=inactive\n').status).toEqual({ isInstalled: false, isEnabled: false, isActive: false, state: 'not-found' })
    expect(parseSystemd('').status).toEqual({ isInstalled: false, isEnabled: false, isActive: false, state: 'unknown' })
  })

  test('of a job of launchd', () => {
    const text = 'gui/501/org.sluice.service = {\n\tstate = running\n\targuments = {\n\t\t/opt/sluice/node\n\t\t/opt/my sluice/cli/launch.mjs\n\t\trun\n\t}\n\tpid = 77\n\tlast exit code = 1\n}\n'
    expect(parseLaunchd(text)).toEqual({ launcher: '/opt/my sluice/cli/launch.mjs', status: { isInstalled: true, isEnabled: true, isActive: true, state: 'running', pid: 77, lastExit: 'status 1' } })
    expect(parseLaunchd('').status.isInstalled).toBe(false)
  })

  test('of a scheduled task', () => {
    const line = (state: string, result: string): string => `"PC","${windowsTask(own('win32').scope).name}","N/A","${state}","Interactive only","1/1/2026 10:00:00","${result}","N/A"\r\n`
    expect(parseTask(line('Running', '267009'))).toEqual({ isInstalled: true, isEnabled: true, isActive: true, state: 'Running' })
    expect(parseTask(line('Bereit', '1'))).toEqual({ isInstalled: true, isEnabled: true, isActive: false, state: 'Bereit', lastExit: 'status 1' })
    expect(parseTask('').isInstalled).toBe(false)
  })
})

describe('sluice service', () => {
  const sluice = (...parameters: string[]) => runProcess(process.execPath, [join(root, 'cli/launch.mjs'), 'service', ...parameters])

  test('install --dry-run shows every file with its content and does nothing', async () => {
    const home = await temporaryFolder()
    const { code, stdout } = await runProcess(process.execPath, [join(root, 'cli/launch.mjs'), 'service', 'install', '--user', '--dry-run', '--json'], { HOME: home })
    expect(code).toBe(0)
    const { steps } = JSON.parse(stdout) as { readonly steps: readonly Step[] }
    expect([...written(steps)]).toEqual([[join(home, '.config/systemd/user/sluice.service'), expect.stringContaining('\nExecStart=')]])
    expect(readdirSync(home)).toEqual([])
  })

  test.skipIf(process.getuid?.() !== 0)('of a person is refused to root, whose service would run as root (skipped: needs root)', async () => {
    expect(await sluice('install', '--user')).toMatchObject({ code: 2, stderr: expect.stringContaining('never runs as root') as string })
  })

  test.skipIf(process.getuid?.() !== 0)('of the machine needs root (skipped: needs root to be somebody else)', async () => {
    const { status, stderr } = spawnSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', '--', process.execPath, join(root, 'cli/launch.mjs'), 'service', 'install'], { encoding: 'utf8' })
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining('Only root can change') as string })
  })

  test('of the machine takes no config of one’s own', async () => {
    expect(await sluice('install', '--config', 'x.yaml')).toMatchObject({ code: 2 })
  })
})

test.skipIf(process.getuid?.() !== 0)('another user can neither enter the state folder nor read a file in it, made under any umask (skipped: needs root)', async () => {
  const place = await makePlace()
  chmodSync(place.folder, 0o755)
  writeFileSync(join(place.shots, 'a'), 'captured')
  const { status } = spawnSync('sh', ['-c', 'umask 0; exec "$@"', 'sh', process.execPath, join(root, 'cli/launch.mjs'), 'run', '--once', '--config', place.configFile], { encoding: 'utf8' })
  expect(status).toBe(0)
  const other = (...command: string[]): number | null => spawnSync('setpriv', ['--reuid=61235', '--regid=61235', '--clear-groups', '--', ...command]).status
  expect(other('ls', place.state)).not.toBe(0)
  // Even where somebody opens the folder, as for paused.json, each file is its owner's.
  chmodSync(place.state, 0o711)
  const files = readdirSync(place.state, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  expect(files.length).toBeGreaterThan(3)
  expect(files.filter((path) => other('cat', path) === 0)).toEqual(files.filter((path) => path.endsWith('paused.json')))
})
