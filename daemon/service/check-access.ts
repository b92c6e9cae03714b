import type { FolderAccess } from './folder-access.ts'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** What keeps the service from a folder, and how to mend it. */
export interface AccessProblem {
  readonly folder: string
  readonly problem: 'missing' | 'closed' | 'not-writable' | 'closed-files'
  readonly sentence: string
}

const limitMs = 60_000
const run = promisify(execFile)

/**
 * Tries, as the service's user, what the service will do; undefined where only root, or that user, could try. `uid`: of that
 * user, by default who runs this.
 */
export async function checkAccess(folders: readonly FolderAccess[], { uid, gid, ownUid }: { readonly uid: number; readonly gid: number; readonly ownUid: number }): Promise<AccessProblem[] | undefined> {
  if (ownUid !== 0 && ownUid !== uid) return undefined
  const become = ownUid === uid ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--']
  const can = async (...command: readonly string[]): Promise<string | undefined> => {
    const [program = '', ...parameters] = [...become, ...command]
    return await run(program, parameters, { timeout: limitMs }).then(({ stdout }) => stdout, () => undefined)
  }
  const found = await Promise.all(folders.map(async (folder) => await checkOne(folder, can)))
  return found.flat()
}

async function checkOne({ path, owner, holds, isWritten }: FolderAccess, can: (...command: readonly string[]) => Promise<string | undefined>): Promise<AccessProblem[]> {
  const again = 'To mend that: sudo sluice service install'
  if (!owner) return [{ folder: path, problem: 'missing', sentence: `${path} is not there. Once it is: sudo sluice service install` }]
  if (await can('test', '-r', path, '-a', '-x', path) === undefined) {
    return [{ folder: path, problem: 'closed', sentence: `The service cannot read ${path}. ${again}` }]
  }
  if (isWritten && await can('test', '-w', path) === undefined) {
    return [{ folder: path, problem: 'not-writable', sentence: `The service cannot delete or write in ${path}. ${again}` }]
  }
  if (holds === 'output') return []
  // Whoever makes a file for its owner alone shuts out everybody whom the folder would let in.
  const closed = await can('find', path, '-xdev', '-type', 'f', '!', '-readable', '-print', '-quit')
  if (closed === undefined || closed === '') return []
  return [{ folder: path, problem: 'closed-files', sentence: `The service cannot read some files in ${path}: what captures makes them for its owner alone. Let it make them with mode 0640.` }]
}

/** A user's numbers, undefined where there is no such user. */
export async function numbersOf(user: string): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  const ask = async (which: string): Promise<number> => Number((await run('id', [which, user])).stdout)
  return await Promise.all([ask('-u'), ask('-g')]).then(([uid, gid]) => ({ uid, gid }), () => undefined)
}
