import { lstatSync, opendirSync, type BigIntStats, type Dir } from 'node:fs'
import { systemCode } from '../observe/error.ts'
import { Pace } from './pace.ts'
import { joined, locate, type PathKey } from './path-key.ts'

/**
 * Names of a folder that are put in order before they are looked at: names mostly count up, and captures that follow each
 * other share most with each other. Sorting more would hold the loop for longer than 50 ms.
 */
const sortedNames = 20_000

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
 * sockets and fifos are passed over. Names come in order, in large folders in order by pieces, so that memory does not
 * grow with their size; a file that is renamed meanwhile may be missed or seen twice.
 */
export async function* scan(root: string, start: PathKey, hooks: ScanHooks): AsyncGenerator<Sighted> {
  const pace = new Pace()
  const folders = [start]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    hooks.entering(folder)
    let dir: Dir | undefined
    try {
      dir = opendirSync(locate(root, folder), { encoding: 'latin1', bufferSize: entriesPerRead })
      for (let names = nextNames(dir); names.length > 0; names = nextNames(dir)) {
        for (const name of names) {
          const key = joined(folder, name)
          const stats = look(root, key, hooks)
          if (stats?.isDirectory()) folders.push(key)
          else if (stats?.isFile()) yield { key, stats }
          const rest = pace.breathe()
          if (rest) await rest
        }
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

function nextNames(dir: Dir): string[] {
  const names: string[] = []
  while (names.length < sortedNames) {
    const entry = dir.readSync()
    if (!entry) break
    names.push(entry.name)
  }
  return names.sort()
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
