import { closeSync, fchmodSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

import { SluiceError, systemCode } from '../observe/error.ts'

/**
 * Makes a folder, and those around it, for its owner alone. One that is there is left as it is. Throws
 * `state-unusable`.
 */
export function makePrivateFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new SluiceError(
      'state-unusable',
      `Cannot make the folder ${path} (${systemCode(error)}). Check the path and its permissions.`,
      { cause: error },
    )
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
