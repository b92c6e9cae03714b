import { lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { systemCode } from '../observe/error.ts'
import { fileClockStepMs } from './facts.ts'
import { Pace } from './pace.ts'
import type { FileFacts } from './take.ts'

/** Processes born while the list is read are looked for again, this often. */
const rounds = 4
const ownerMayWrite = 0o200

/** Which files were open for writing, in any process, at one moment. */
export interface Writers {
  /** Whether nobody was writing the file. False also when that cannot be known. */
  closed(facts: FileFacts): boolean
}

const cannotTell: Writers = { closed: () => false }

/**
 * Looks through /proc for files that are open for writing. Proves something only when every process can be seen: as
 * root, or where all are ours. A file shared with another machine or container is written by processes nobody sees here.
 */
export async function openForWriting(now: () => number, proc = '/proc'): Promise<Writers> {
  if (process.platform !== 'linux') return cannotTell
  const at = now()
  const pace = new Pace()
  const [seen, files] = [new Set<string>(), new Set<string>()]
  for (let round = 0; round < rounds; round++) {
    const fresh = processes(proc).filter((id) => !seen.has(id))
    if (round === 0 && !fresh.includes('1')) return cannotTell
    if (fresh.length === 0) {
      // The file's own clock runs in steps: a change must lie a whole step back to have come before this look.
      return { closed: ({ device, inode, changedUs }) => changedUs / 1000 + fileClockStepMs < at && !files.has(`${device}:${inode}`) }
    }
    for (const id of fresh) {
      seen.add(id)
      if (!addFiles(`${proc}/${id}/fd`, files)) return cannotTell
      await pace.breathe()
    }
  }
  return cannotTell
}

/** None where they cannot be listed. */
function processes(proc: string): string[] {
  try {
    return readdirSync(proc).filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

/** Returns false when the process hides its files. One that ended has none. */
function addFiles(folder: string, files: Set<string>): boolean {
  try {
    for (const name of readdirSync(folder)) addFile(`${folder}/${name}`, files)
    return true
  } catch (error) {
    return ended(error)
  }
}

function addFile(path: string, files: Set<string>): void {
  try {
    // The link's own mode tells how the file was opened (proc(5)); following it only then keeps clear of slow mounts.
    if ((lstatSync(path).mode & ownerMayWrite) === 0 || !readlinkSync(path).startsWith('/')) return
    const stats = statSync(path, { bigint: true })
    if (stats.isFile()) files.add(`${stats.dev}:${stats.ino}`)
  } catch (error) {
    if (!ended(error)) throw error
  }
}

const ended = (error: unknown): boolean => ['ENOENT', 'ESRCH'].includes(systemCode(error) ?? '')
