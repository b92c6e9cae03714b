import { lstatSync, opendirSync, type BigIntStats, type Dir } from 'node:fs'
import { systemCode } from '../observe/error.ts'
import { Pace } from './pace.ts'
import { joined, locate, type PathKey } from './path-key.ts'

/** Directory entries read in one system call: large enough to matter, small enough not to hold the loop. */
const entriesPerRead = 256

export interface Sighted {
  readonly key: PathKey
  readonly stats: BigIntStats
}

export interface ScanHooks {
  /** Called before a folder is listed, so that a watch is in place before the first name is read. */
  readonly entering: (folder: PathKey) => void
  readonly listed: (folder: PathKey) => void
  readonly unreadable: (key: PathKey, errno: string, what: 'file' | 'folder') => void
}

/**
 * Every regular file at or below the folder `start` of `root`, and nothing else: links are not followed; devices,
 * sockets and fifos are passed over. Reads folders piece by piece, so memory does not grow with their size; a
 * file that is renamed meanwhile may be missed or seen twice.
 */
export async function* scan(root: string, start: PathKey, hooks: ScanHooks): AsyncGenerator<Sighted> {
  const pace = new Pace()
  const folders = [start]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    hooks.entering(folder)
    let dir: Dir | undefined
    try {
      dir = opendirSync(locate(root, folder), { encoding: 'latin1', bufferSize: entriesPerRead })
      for (let entry = dir.readSync(); entry; entry = dir.readSync()) {
        const key = joined(folder, entry.name)
        const stats = look(root, key, hooks)
        if (stats?.isDirectory()) folders.push(key)
        else if (stats?.isFile()) yield { key, stats }
        const rest = pace.breathe()
        if (rest) await rest
      }
      hooks.listed(folder)
    } catch (error) {
      // Only the file system's own errors: what the consumer of this generator throws never comes here.
      const errno = systemCode(error)
      if (errno === undefined) throw error
      if (!isAbsent(errno)) hooks.unreadable(folder, errno, 'folder')
    } finally {
      dir?.closeSync()
    }
  }
}

/** What is at `key` without following a link; undefined when there is nothing or it cannot be said. */
export function look(root: string, key: PathKey, hooks: Pick<ScanHooks, 'unreadable'>): BigIntStats | undefined {
  try {
    return lstatSync(locate(root, key), { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    const errno = systemCode(error) ?? 'EIO'
    if (!isAbsent(errno)) hooks.unreadable(key, errno, 'file')
    return undefined
  }
}

/** The path, or a folder on the way to it, is no longer there. */
export const isAbsent = (errno: string): boolean => errno === 'ENOENT' || errno === 'ENOTDIR'
