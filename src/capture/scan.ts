import { lstatSync, opendirSync, type BigIntStats, type Dir } from 'node:fs'
import { systemCode } from '../observe/error.ts'
import { Pace } from './pace.ts'
import { joined, locate, type PathKey } from './path-key.ts'

/** Names that are sorted in one go: more would hold the loop for longer than 50 ms. */
const namesPerRun = 20_000
/**
 * Runs of names that are merged before they are looked at: names mostly count up, captures that follow each other share
 * most with each other, and cursors are found quickest in order. A hundred thousand names take some 6 MB.
 */
const runsAtOnce = 5

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
  /** Whether a regular file is not worth handing out: asked for each, and a fraction of what handing out costs. */
  readonly passesOver?: (key: PathKey, stats: BigIntStats) => boolean
}

/**
 * Every regular file at or below the folder `start` of `root`, and nothing else: links are not followed; devices,
 * sockets and fifos are passed over. A folder's own files come before those in its folders, names in order, in large
 * folders in order by pieces, so that memory does not grow with their size; a file that is renamed meanwhile may be
 * missed or seen twice.
 */
export async function* scan(root: string, start: PathKey, hooks: ScanHooks): AsyncGenerator<Sighted> {
  const pace = new Pace()
  const folders = [start]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    hooks.entering(folder)
    let dir: Dir | undefined
    const below: PathKey[] = []
    try {
      dir = opendirSync(locate(root, folder), { encoding: 'latin1', bufferSize: entriesPerRead })
      for (let runs = await nextRuns(dir, pace); runs.length > 0; runs = await nextRuns(dir, pace)) {
        for (const name of merged(runs)) {
          const key = joined(folder, name)
          const stats = look(root, key, hooks)
          if (stats?.isDirectory()) below.push(key)
          else if (stats?.isFile() && !hooks.passesOver?.(key, stats)) yield { key, stats }
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
    for (const key of below.reverse()) folders.push(key)
  }
}

/** The next names of a folder, in runs that are sorted each; none at its end. */
async function nextRuns(dir: Dir, pace: Pace): Promise<string[][]> {
  const runs: string[][] = []
  while (runs.length < runsAtOnce) {
    const names = nextNames(dir)
    if (names.length > 0) runs.push(names)
    if (names.length < namesPerRun) break
    await pace.breathe()
  }
  return runs
}

function nextNames(dir: Dir): string[] {
  const names: string[] = []
  while (names.length < namesPerRun) {
    const entry = dir.readSync()
    if (!entry) break
    names.push(entry.name)
  }
  return names.sort()
}

/** The names of sorted runs in one order. */
function* merged(runs: readonly (readonly string[])[]): Iterable<string> {
  const heads = runs.map((names) => ({ names, at: 0 }))
  for (;;) {
    let first: { readonly names: readonly string[]; at: number } | undefined
    for (const head of heads) {
      const name = head.names[head.at]
      if (name !== undefined && (first === undefined || name < (first.names[first.at] as string))) first = head
    }
    if (!first) return
    yield first.names[first.at++] as string
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
