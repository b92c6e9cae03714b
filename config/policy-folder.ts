import { constants } from 'node:fs'
import type { Stats } from 'node:fs'
import { lstat, open, readdir, realpath } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

import { systemCode } from '../src/observe/error.ts'
import type { ConfigText, Refused } from './parse.ts'
import { fileProblem } from './problem.ts'
import type { Problem } from './problem.ts'
import { readText } from './read-text.ts'

/** More are a mistake, such as a folder of something else. */
const maxPolicies = 100
const writableByOthers = 0o022
/** Of a folder in which nobody can rename or remove what is another's. */
const sticky = 0o1000

/** Where IT's policies are: `chosen`, else `$SLUICE_POLICY_DIR`, else the machine's folder. */
export function policyFolder(chosen?: string): string {
  const { SLUICE_POLICY_DIR, ProgramData } = process.env
  if (chosen !== undefined) return resolve(chosen)
  if (SLUICE_POLICY_DIR) return resolve(SLUICE_POLICY_DIR)
  if (process.platform === 'darwin') return '/Library/Application Support/Sluice/policy.d'
  if (process.platform === 'win32') return join(ProgramData ?? 'C:\\ProgramData', 'Sluice', 'policy.d')
  return '/etc/sluice/policy.d'
}

/**
 * The policies of a folder in the order of their names; none where there is no such folder. Whoever could change one of them
 * could take the rights of IT, so all of them are refused where anybody could but root and `ownerId`, to whom the config
 * belongs. Windows tells nothing of that here.
 */
export async function readPolicies(folder: string, ownerId: number): Promise<readonly ConfigText[] | Refused> {
  const isTrusted = ({ uid }: Stats): boolean => uid === 0 || uid === ownerId
  try {
    await lstat(folder)
  } catch (error) {
    const isMissing = systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR'
    return isMissing ? [] : unreadable(folder, error)
  }
  let names: string[]
  try {
    const problem = process.platform === 'win32' ? undefined : await problemOfFolder(folder, isTrusted)
    if (problem) return { problems: [problem] }
    names = (await readdir(folder)).filter((name) => name.endsWith('.yaml') && !name.startsWith('.')).sort()
  } catch (error) {
    return unreadable(folder, error)
  }
  if (names.length > maxPolicies) return { problems: [fileProblem(folder, `found ${names.length} policies`, `allowed: at most ${maxPolicies}`)] }
  const read = await Promise.all(names.map((name) => readPolicy(join(folder, name), isTrusted)))
  const problems = read.flatMap((each) => ('problems' in each ? each.problems : []))
  return problems.length > 0 ? { problems } : read.filter((each) => 'text' in each)
}

async function readPolicy(path: string, isTrusted: (stats: Stats) => boolean): Promise<ConfigText | Refused> {
  try {
    // Not through a link, and without waiting for the other end of a pipe.
    await using file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
    const problem = process.platform === 'win32' ? undefined : problemOf(path, await file.stat(), isTrusted)
    return problem ? { problems: [problem] } : await readText(file, path)
  } catch (error) {
    if (systemCode(error) === 'ELOOP') return { problems: [fileProblem(path, 'found a link', 'allowed: the file itself')] }
    return unreadable(path, error)
  }
}

/** What is wrong with the folder, or with one of those through which it is reached, link by link and in truth. */
async function problemOfFolder(folder: string, isTrusted: (stats: Stats) => boolean): Promise<Problem | undefined> {
  const stats = await lstat(folder)
  if (stats.isSymbolicLink()) return fileProblem(folder, 'found a link', 'allowed: the folder itself')
  const above = new Set([...ancestors(folder), ...ancestors(await realpath(folder))])
  for (const path of above) {
    const parent = await lstat(path)
    const isOwn = parent.isSymbolicLink() ? parent.uid === 0 : isTrusted(parent)
    if (!isOwn) return fileProblem(path, 'found above the policies, and owned by another user', 'allowed: owned by root')
    if (!parent.isSymbolicLink() && (parent.mode & writableByOthers) !== 0 && (parent.mode & sticky) === 0) {
      return fileProblem(path, 'found above the policies, and writable by others', 'allowed: writable by its owner alone (chmod go-w)')
    }
  }
  return problemOf(folder, stats, isTrusted)
}

function problemOf(path: string, stats: Stats, isTrusted: (stats: Stats) => boolean): Problem | undefined {
  if (!isTrusted(stats)) return fileProblem(path, `found it owned by user ${stats.uid}`, 'allowed: owned by root (chown root)')
  if ((stats.mode & writableByOthers) === 0) return undefined
  const mode = (stats.mode & 0o777).toString(8)
  return fileProblem(path, `found it writable by others (mode ${mode})`, 'allowed: writable by its owner alone (chmod go-w)')
}

function ancestors(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [...ancestors(parent), parent]
}

function unreadable(path: string, error: unknown): Refused {
  return { problems: [fileProblem(path, `it cannot be read (${systemCode(error) ?? 'unknown'})`, 'allowed: readable by all who use Sluice')] }
}
