import { stat, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Config } from '../../config/options.ts'

/** Somebody's numbers on this machine. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** A folder that the service of the whole machine must reach, though another user owns it. */
export interface FolderAccess {
  readonly path: string
  /** Undefined where the folder is not there. */
  readonly owner?: Owner
  /** Captures are read with all that is in the folder; in another one, the service makes files of its own. */
  readonly holds: 'captures' | 'output'
  /** Also delete in it, or write to it. */
  readonly isWritten: boolean
  /** Folders above it that not everybody may walk through, from the root on. */
  readonly closed: readonly { readonly path: string; readonly owner: Owner }[]
}

const othersMayWalk = 0o001
/** Which the unit makes for the service. */
const ownLogs = '/var/log/sluice'

/** What the folders that a config names ask of whoever installs the service. */
export async function foldersOf({ streams, destination, log, metrics: { textfile } }: Pick<Config, 'streams' | 'destination' | 'log' | 'metrics'>): Promise<FolderAccess[]> {
  const captures = Map.groupBy(streams, ({ folder }) => folder)
  const outputs = [
    ...(destination.startsWith('file:') ? [fileURLToPath(destination)] : []),
    ...(log.folder !== undefined && log.folder !== ownLogs ? [log.folder] : []),
    ...(textfile !== undefined ? [textfile.endsWith('.prom') ? dirname(textfile) : textfile] : []),
  ]
  return await Promise.all([
    ...[...captures].map(async ([path, same]) => await look(path, 'captures', same.some(({ onSent }) => onSent === 'delete'))),
    ...[...new Set(outputs)].map(async (path) => await look(path, 'output', true)),
  ])
}

async function look(path: string, holds: FolderAccess['holds'], isWritten: boolean): Promise<FolderAccess> {
  const own = await statOf(path)
  const above = await Promise.all(foldersAbove(path).map(async (each) => ({ path: each, stats: await statOf(each) })))
  const closed = above.flatMap(({ path: each, stats }) => (stats && (stats.mode & othersMayWalk) === 0 ? [{ path: each, owner: ownerOf(stats) }] : []))
  return { path, holds, isWritten, closed, ...(own && { owner: ownerOf(own) }) }
}

function foldersAbove(path: string): string[] {
  const above = dirname(path)
  return above === path ? [] : [...foldersAbove(above), above]
}

function ownerOf({ uid, gid }: Stats): Owner {
  return { uid, gid }
}

async function statOf(path: string): Promise<Stats | undefined> {
  return await promisify(stat)(path).catch(() => undefined)
}

/** The commands that open folders to a user on Linux, each run as the folder's owner: root follows nobody's links. */
export function aclCommands(folders: readonly FolderAccess[], user: string): [string, ...string[]][] {
  return folders.flatMap(({ path, owner, holds, isWritten, closed }) => {
    if (!owner) return []
    const may = isWritten ? 'rwX' : 'rX'
    return [
      ...closed.map((above) => asOwner(above.owner, ['setfacl', '-m', `u:${user}:--x`, '--', above.path])),
      ...(holds === 'output' ? [asOwner(owner, ['setfacl', '-m', `u:${user}:${may}`, '--', path])] : []),
      // Files made from now on inherit what the folders give, and with it no umask holds any more: others get nothing.
      ...(holds === 'captures' ? [asOwner(owner, ['setfacl', '-R', '-P', '-m', `u:${user}:${may},d:u:${user}:${may},d:g::---,d:o::---`, '--', path])] : []),
    ]
  })
}

/** And those that close them again. */
export function aclRemovals(folders: readonly FolderAccess[], user: string): [string, ...string[]][] {
  return folders.flatMap(({ path, owner, holds, closed }) => (owner ? [
    asOwner(owner, ['setfacl', ...(holds === 'captures' ? ['-R', '-P', '-k'] : []), '-x', `u:${user}`, '--', path]),
    ...closed.map((above) => asOwner(above.owner, ['setfacl', '-x', `u:${user}`, '--', above.path])),
  ] : []))
}

function asOwner({ uid, gid }: Owner, command: readonly [string, ...string[]]): [string, ...string[]] {
  return uid === 0 ? [...command] : ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--', ...command]
}
