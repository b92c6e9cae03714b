import type { FolderAccess } from './folder-access.ts'
import type { ProgramPlace } from './place.ts'
import type { Step } from './steps.ts'
import { win32 } from 'node:path'
import { aclCommands, aclRemovals } from './folder-access.ts'
import { agentPlist, agentPlistName, daemonPlist, daemonPlistPath, launchdLabel } from './launchd.ts'
import { serviceUser, systemState } from './place.ts'
import { adminSysusers, adminUnit, foldersDropIn, foldersUnit, packagedSysusers, sysusers, systemUnit, unitName, userUnit } from './systemd.ts'
import { localService, personTaskName, taskName, taskXml } from './windows.ts'

/** Whose service it is: a person's own, or the whole machine's. */
export type Scope =
  | {
    readonly kind: 'system'
    readonly folders: readonly FolderAccess[]
    /** Whose members may steer the service: `control.group` of the config. */
    readonly group?: string
  }
  | { readonly kind: 'user'; readonly home: string; readonly uid: number; readonly person: string; readonly config?: string; readonly stateFolder?: string }

export interface Plan {
  readonly platform: 'linux' | 'darwin' | 'win32'
  readonly place: ProgramPlace
  readonly scope: Scope
  /** The Debian package has put its unit and user there. */
  readonly isPackaged: boolean
}

const run = (...command: readonly [string, ...string[]]): Step => ({ does: 'run', command })
const runLeniently = (...command: readonly [string, ...string[]]): Step => ({ does: 'run', command, mayFail: true })

/** Everything that installing does, in order. Doing it again changes nothing. */
export function installSteps(plan: Plan): Step[] {
  switch (plan.platform) {
    case 'linux':
      return plan.scope.kind === 'system' ? systemdSystem(plan, plan.scope) : systemdUser(plan, plan.scope)
    case 'darwin':
      return launchd(plan)
    case 'win32':
      return windows(plan)
  }
}

/** Everything that uninstalling does. With `purge` the state goes too: what had not left, and who this device is. */
export function uninstallSteps(plan: Plan, purge: boolean): Step[] {
  switch (plan.platform) {
    case 'linux':
      return withoutSystemd(plan, purge)
    case 'darwin':
      return withoutLaunchd(plan, purge)
    case 'win32':
      return withoutTask(plan, purge)
  }
}

function systemdSystem({ place, isPackaged }: Plan, { folders, group }: Extract<Scope, { kind: 'system' }>): Step[] {
  const written = folders.filter(({ isWritten }) => isWritten).map(({ path }) => path)
  return [
    ...(isPackaged ? [] : [
      { does: 'write', path: adminSysusers, text: sysusers } as const,
      { does: 'write', path: adminUnit, text: systemUnit(place) } as const,
    ]),
    run('systemd-sysusers', isPackaged ? packagedSysusers : adminSysusers),
    ...(group === undefined ? [] : [...(/^\d+$/.test(group) ? [] : [run('groupadd', '--system', '--force', group)]), run('usermod', '-a', '-G', group, serviceUser.linux)]),
    written.length > 0 ? { does: 'write', path: foldersDropIn, text: foldersUnit(written) } : { does: 'remove', path: foldersDropIn },
    ...aclCommands(folders, serviceUser.linux).map((command): Step => ({ does: 'run', command })),
    run('systemctl', 'daemon-reload'),
    run('systemctl', 'enable', unitName),
    { ...run('systemctl', 'try-restart', unitName), onlyAfterChange: true } as Step,
    run('systemctl', 'start', unitName),
  ]
}

function systemdUser({ place }: Plan, { home, config }: Extract<Scope, { kind: 'user' }>): Step[] {
  return [
    { does: 'write', path: userUnitPath(home), text: userUnit(place, config) },
    run('systemctl', '--user', 'daemon-reload'),
    run('systemctl', '--user', 'enable', unitName),
    { ...run('systemctl', '--user', 'try-restart', unitName), onlyAfterChange: true } as Step,
    run('systemctl', '--user', 'start', unitName),
  ]
}

function withoutSystemd({ scope, isPackaged }: Plan, purge: boolean): Step[] {
  if (scope.kind === 'user') {
    return [
      runLeniently('systemctl', '--user', 'disable', '--now', unitName),
      { does: 'remove', path: userUnitPath(scope.home) },
      run('systemctl', '--user', 'daemon-reload'),
      ...purged(scope.stateFolder, purge),
    ]
  }
  return [
    runLeniently('systemctl', 'disable', '--now', unitName),
    ...aclRemovals(scope.folders, serviceUser.linux).map((command): Step => ({ does: 'run', command, mayFail: true })),
    { does: 'remove', path: `${adminUnit}.d` },
    ...(isPackaged ? [] : [{ does: 'remove', path: adminUnit } as const, { does: 'remove', path: adminSysusers } as const]),
    run('systemctl', 'daemon-reload'),
    // The user stays: files elsewhere may still name its number.
    ...purged(systemState.linux, purge), ...purged('/var/cache/sluice', purge), ...purged('/var/log/sluice', purge),
  ]
}

function purged(stateFolder: string | undefined, purge: boolean): Step[] {
  return purge && stateFolder !== undefined ? [{ does: 'remove', path: stateFolder }] : []
}

/** Where systemd looks for a person's own units. */
export function userUnitPath(home: string): string {
  return `${home}/.config/systemd/user/${unitName}`
}

function launchd({ place, scope }: Plan): Step[] {
  if (scope.kind === 'user') {
    const path = `${scope.home}/${agentPlistName}`
    return [
      { does: 'write', path, text: agentPlist(place, scope.home, scope.config) },
      runLeniently('launchctl', 'bootout', `gui/${scope.uid}/${launchdLabel}`),
      run('launchctl', 'bootstrap', `gui/${scope.uid}`, path),
    ]
  }
  const user = serviceUser.darwin
  return [
    // A number of those that macOS keeps for services; that the user is there already is no failure.
    runLeniently('sysadminctl', '-addUser', user, '-UID', '387', '-home', systemState.darwin, '-shell', '/usr/bin/false', '-roleAccount'),
    run('install', '-d', '-m', '700', '-o', user, systemState.darwin),
    ...scope.folders.flatMap(({ path, isWritten, closed }): Step[] => [
      ...closed.map((above) => run('chmod', '+a', `user:${user} allow search`, above.path)),
      run('chmod', '-R', '+a', `user:${user} allow list,search,read,readattr,readextattr${isWritten ? ',delete,delete_child' : ''},file_inherit,directory_inherit`, path),
    ]),
    { does: 'write', path: daemonPlistPath, text: daemonPlist(place) },
    runLeniently('launchctl', 'bootout', `system/${launchdLabel}`),
    run('launchctl', 'bootstrap', 'system', daemonPlistPath),
  ]
}

function withoutLaunchd({ scope }: Plan, purge: boolean): Step[] {
  if (scope.kind === 'user') {
    return [runLeniently('launchctl', 'bootout', `gui/${scope.uid}/${launchdLabel}`), { does: 'remove', path: `${scope.home}/${agentPlistName}` }, ...purged(scope.stateFolder, purge)]
  }
  return [
    runLeniently('launchctl', 'bootout', `system/${launchdLabel}`),
    { does: 'remove', path: daemonPlistPath },
    ...purged(systemState.darwin, purge),
  ]
}

/** Tasks are read from files in UTF-16, with the mark at the beginning that says so. */
function windows({ place, scope }: Plan): Step[] {
  const { name, file } = windowsTask(scope)
  const task = scope.kind === 'system' ? { place } : { place, person: scope.person, ...(scope.config !== undefined && { config: scope.config }) }
  const folders = scope.kind === 'system' ? scope.folders : []
  return [
    ...(scope.kind === 'system' ? [run('icacls', systemState.win32, '/grant', `*${localService}:(OI)(CI)M`)] : []),
    ...folders.map(({ path, isWritten }) => run('icacls', path, '/grant', `*${localService}:(OI)(CI)${isWritten ? 'M' : 'RX'}`)),
    { does: 'write', path: file, text: `\ufeff${taskXml(task).replaceAll('\n', '\r\n')}`, encoding: 'utf16le' },
    run('schtasks', '/Create', '/F', '/TN', name, '/XML', file),
    run('schtasks', '/Run', '/TN', name),
  ]
}

function withoutTask({ scope }: Plan, purge: boolean): Step[] {
  const { name, file } = windowsTask(scope)
  return [
    runLeniently('schtasks', '/End', '/TN', name),
    runLeniently('schtasks', '/Delete', '/F', '/TN', name),
    { does: 'remove', path: file },
    ...purged(scope.kind === 'system' ? systemState.win32 : scope.stateFolder, purge),
  ]
}

/** Name of the task, and the file that it is made from. */
export function windowsTask(scope: Scope): { readonly name: string; readonly file: string } {
  if (scope.kind === 'system') return { name: taskName, file: win32.join(win32.dirname(systemState.win32), 'task.xml') }
  return { name: personTaskName(win32.basename(scope.person)), file: win32.join(scope.home, 'AppData\\Local\\Sluice\\task.xml') }
}
