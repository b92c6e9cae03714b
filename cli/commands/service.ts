import type { Command } from 'commander'
import type { AccessProblem } from '../../daemon/service/check-access.ts'
import type { Plan, Scope } from '../../daemon/service/plan.ts'
import type { ServiceStatus } from '../../daemon/service/status.ts'
import type { Done, Step } from '../../daemon/service/steps.ts'
import type { ConfigOptions } from '../options.ts'
import type { Io } from '../output.ts'
import { existsSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { SluiceError } from '../../src/observe/error.ts'
import { timeInWords } from '../../src/scheduler/words.ts'
import { addJson, configFor, describe } from '../options.ts'

interface ServiceOptions extends ConfigOptions {
  readonly user?: boolean
  readonly dryRun?: boolean
  readonly purge?: boolean
}

const program = () => Promise.all([
  import('../../daemon/service/facts.ts'), import('../../daemon/service/folder-access.ts'), import('../../daemon/service/plan.ts'),
  import('../../daemon/service/place.ts'),
])

export function register(root: Command, io: Io): void {
  const group = describe(root.command('service'), 'Sluice as a service of this machine, or of your own.', [
    ['sluice service install --user', 'for you, whenever you are logged in'],
    ['sudo sluice service install', 'for the machine, as a user of its own'],
    ['sluice service status', 'is it installed, does it run, since when'],
  ])
  const add = (name: string): Command => addJson(group.command(name).option('--user', 'your own service, not the machine’s'))
  const withPlan = (name: string): Command => add(name).option('--dry-run', 'print every file and command, and do nothing')
  describe(withPlan('install').option('--config <file>', 'with --user: the config file that it runs with'), 'Install the service and start it. Doing it again takes up what changed in the config.', [
    ['sluice service install --dry-run', 'every file that would be written, and its content'],
  ]).action((options: ServiceOptions) => install(options, io))
  describe(withPlan('uninstall').option('--purge', 'remove its state too: what has not been sent is lost'), 'Stop the service and remove it. What it keeps stays, unless you say --purge.', [
    ['sluice service uninstall --user', 'a new install goes on where it was'],
  ]).action((options: ServiceOptions) => uninstall(options, io))
  describe(add('status'), 'Show whether the service is installed and runs.', [
    ['sluice service status', 'exits with 0 when it runs, with 1 when it does not'],
  ]).action((options: ServiceOptions) => status(options, io))
}

async function install(options: ServiceOptions, io: Io): Promise<void> {
  if (options.config !== undefined && !options.user) throw new SluiceError('usage', '--config goes with --user: the service of the machine runs with the config in /etc/sluice')
  const [facts, , { installSteps }] = await program()
  const plan = await planFor(options, io)
  if (!options.dryRun) {
    mayDo(options)
    if (plan.scope.kind === 'system' && plan.platform === 'linux') facts.checkProgramIsRoots(plan.place)
  }
  await doOrShow(installSteps(plan), 'installed', options, io)
  if (plan.scope.kind === 'system' && !options.dryRun) for (const { sentence } of await problems(plan.scope) ?? []) io.note(`note: ${sentence}`)
}

async function uninstall(options: ServiceOptions, io: Io): Promise<void> {
  const [, , { uninstallSteps }] = await program()
  // A config that is out of order must not keep the service there.
  const plan = await planFor(options, io, (error) => io.note(`note: ${error.message}\nnote: folders of captures stay open to the service’s user: setfacl -R -x u:sluice FOLDER`))
  if (!options.dryRun) mayDo(options)
  await doOrShow(uninstallSteps(plan, options.purge ?? false), 'uninstalled', options, io)
}

/** Throws `usage` for somebody who may not. */
function mayDo({ user }: ServiceOptions): void {
  const uid = process.getuid?.()
  if (!user && uid !== undefined && uid !== 0) {
    throw new SluiceError('usage', 'Only root can change the service of the whole machine: put sudo before it. For a service of your own, which needs no root: --user')
  }
  if (user && uid === 0) throw new SluiceError('usage', 'Sluice never runs as root: run this without sudo, as the person whose service it is')
}

/** `onConfigError`: goes on without the config, once that is told. */
async function planFor(options: ServiceOptions, io: Io, onConfigError?: (error: SluiceError) => void): Promise<Plan> {
  const [facts] = await program()
  const place = facts.thisProgram()
  const scope = options.user ? await personal(options) : await machines(io).catch((error: unknown): Scope => {
    if (!(error instanceof SluiceError) || !onConfigError) throw error
    onConfigError(error)
    return { kind: 'system', folders: [] }
  })
  return { platform: facts.servicePlatform(), place, scope, isPackaged: facts.isPackagedProgram(place) }
}

/** What the person’s config says counts, should there be one; the service waits for one otherwise. */
async function personal(options: ServiceOptions): Promise<Scope> {
  const { username, uid } = userInfo()
  const stateFolder = await configFor(options).then(({ config }) => config.stateFolder, () => undefined)
  return {
    kind: 'user', home: homedir(), uid, person: process.platform === 'win32' ? `${process.env['USERDOMAIN'] ?? '.'}\\${username}` : username,
    ...(options.config !== undefined && { config: resolve(options.config) }),
    // Only one that is surely ours may be removed.
    ...(stateFolder !== undefined && existsSync(join(stateFolder, 'service.lock.sqlite')) && { stateFolder }),
  }
}

async function machines(io: Io): Promise<Scope> {
  const [facts, { foldersOf }, , { systemConfig, systemState }] = await program()
  const platform = facts.servicePlatform()
  const file = systemConfig[platform]
  if (!existsSync(file)) {
    io.note(`note: there is no ${file} yet: the service starts, and folders are opened to it, when it is there and this is run again.`)
    return { kind: 'system', folders: [] }
  }
  const { config } = await configFor({ config: file })
  if (config.stateFolder !== systemState[platform]) {
    throw new SluiceError('config-invalid', `The service of the machine keeps its state in ${systemState[platform]} and may write nowhere else. Put this into ${file}: state: ${systemState[platform]}`)
  }
  const { group } = config.control
  return { kind: 'system', folders: await foldersOf(config), ...(group !== undefined && { group }) }
}

async function doOrShow(steps: readonly Step[], what: string, { dryRun, json }: ServiceOptions, io: Io): Promise<void> {
  if (dryRun) {
    io.result(json, { version: 1, steps }, steps.flatMap(stepLines))
    return
  }
  const { carryOut } = await import('../../daemon/service/steps.ts')
  const done = await carryOut(steps)
  io.result(json, { version: 1, done: what, steps: done.map(({ step, outcome }) => ({ ...named(step), outcome })) }, [...done.flatMap(doneLines), `${what}`])
}

/** A step without the content of files. */
function named(step: Step): object {
  return step.does === 'run' ? { does: step.does, command: step.command } : { does: step.does, path: step.path }
}

function stepLines(step: Step): string[] {
  switch (step.does) {
    case 'write':
      return [`# ${step.path}`, ...step.text.replace('\ufeff', '').replaceAll('\r', '').trimEnd().split('\n').map((line) => `    ${line}`.trimEnd()), '']
    case 'remove':
      return [`# remove ${step.path}`]
    case 'run':
      return [`$ ${step.command.map(shellWord).join(' ')}`]
  }
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./~^-]+$/.test(word) ? word : `'${word.replaceAll('\'', `'\\''`)}'`
}

function doneLines({ step, outcome }: Done): string[] {
  if (step.does === 'run') return []
  const did = step.does === 'remove' ? 'removed' : outcome === 'unchanged' ? 'unchanged' : 'written'
  return [`${did.padEnd(10)} ${step.path}`]
}

/** What keeps the service of the machine from its folders; undefined where this user cannot tell. */
async function problems(scope: Scope): Promise<readonly AccessProblem[] | undefined> {
  const [, , , { serviceUser }] = await program()
  const ownUid = process.getuid?.()
  if (scope.kind === 'user' || process.platform !== 'linux' || ownUid === undefined) return undefined
  const { checkAccess, numbersOf } = await import('../../daemon/service/check-access.ts')
  const numbers = await numbersOf(serviceUser.linux)
  return numbers && await checkAccess(scope.folders, { ...numbers, ownUid })
}

async function status(options: ServiceOptions, io: Io): Promise<void> {
  const [facts] = await program()
  const { serviceStatus } = await import('../../daemon/service/status.ts')
  const scope: Scope = options.user ? await personal(options) : await machines({ ...io, note: () => {} }).catch((): Scope => ({ kind: 'system', folders: [] }))
  const found = await serviceStatus(facts.servicePlatform(), scope)
  const wrong = found.isInstalled ? await problems(scope) : undefined
  io.result(options.json, { version: 1, scope: scope.kind, ...found, ...(wrong && { folders: wrong }) }, statusLines(found, wrong, options, io))
  if (!found.isActive) io.exit(1)
}

function statusLines(found: ServiceStatus, wrong: readonly AccessProblem[] | undefined, { user }: ServiceOptions, io: Io): string[] {
  if (!found.isInstalled) return [`not installed. To install it: ${user ? 'sluice service install --user' : 'sudo sluice service install'}`]
  const clock = { now: io.now(), timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone }
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['service', `${found.state}${found.since === undefined ? '' : ` since ${timeInWords(found.since, clock)}`}`],
    ['starts', found.isEnabled ? `by itself${found.restarts ? `; ${found.restarts} times again after a failure` : ''}` : 'only when it is told to'],
    ['version', found.version],
    ['process', found.pid?.toString()],
    ['last exit', found.lastExit],
    ['says', found.says],
    ...(wrong ?? []).map(({ sentence }): [string, string] => ['folder', sentence]),
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(10)} ${value}`]))
}
