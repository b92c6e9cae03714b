import { closeSync, existsSync, fchmodSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

import { SluiceError, systemCode } from '../observe/error.ts'

/** Bits of a mode by which others than the owner may write. */
const othersMayWrite = 0o022

/**
 * Makes a folder, and those around it, for its owner alone. One that is there is left as it is, and refused where another
 * user could put files of theirs in it: a pause ends when its file is replaced. Throws `state-unusable`.
 */
export function makePrivateFolder(path: string): void {
  try {
    makeFolders(path, 0o700)
  } catch (error) {
    throw new SluiceError(
      'state-unusable',
      `Cannot make the folder ${path} (${systemCode(error)}). Check the path and its permissions.`,
      { cause: error },
    )
  }
  const why = whyOpenToOthers(path)
  if (why) throw new SluiceError('state-unusable', `Cannot use the folder ${path}: ${why}.`)
}

/** Where there are no owners and modes of this kind, nobody else is found. */
function whyOpenToOthers(path: string): string | undefined {
  if (process.getuid === undefined) return undefined
  const { uid, mode } = statSync(path)
  if (uid !== process.getuid()) return 'another user owns it, who could end your pauses. Choose a folder of your own'
  if ((mode & othersMayWrite) === 0) return undefined
  return `other users may write to it, and could end your pauses. To mend that: chmod go-w ${path}`
}

/**
 * Makes a folder and those around it, one by one. Node’s own way never ends under /proc, where nothing can be made and the
 * system says that the folder around it is missing. Throws the system’s error.
 */
export function makeFolders(path: string, mode = 0o777): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
  const parent = dirname(path)
  if (!existsSync(parent)) makeFolders(parent, mode)
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    // Another process may have made it just now.
    if (systemCode(error) !== 'EEXIST' || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}

/**
 * Replaces the file at `path` by `text`, with these permission bits, by default for its owner alone: after a crash it is the
 * old one or the new one. The caller holds a lock, so a temporary file that is left by a crash is nobody else’s and is
 * overwritten.
 */
export function replaceFile(path: string, text: string, mode = 0o600): void {
  const temporary = `${path}.tmp`
  try {
    const file = openSync(temporary, 'w', mode)
    try {
      writeFileSync(file, text)
      // Whatever the umask took away, or an older file had.
      fchmodSync(file, mode)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
