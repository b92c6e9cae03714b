import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SluiceError, systemCode } from '../observe/error.ts'

const secretBytes = 32

/**
 * The secret that network identities of this state folder are made with; the folder exists, the secret is made at the
 * first call. Two processes that make it at once agree. Without it the worker’s networks would be strangers: it is
 * durable, and for its owner alone (0600). Throws `state-unusable`.
 */
export function networkSecret(stateFolder: string): Uint8Array {
  const path = join(stateFolder, 'network.key')
  try {
    const known = readSecret(path)
    if (known) return known
    write(path)
    const made = readSecret(path)
    if (made) return made
    throw new Error('it is not what was written')
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw new SluiceError(
      'state-unusable',
      `Cannot read or make ${path} (${systemCode(error) ?? String(error)}). Check the folder and its permissions.`,
      { cause: error },
    )
  }
}

function readSecret(path: string): Uint8Array | undefined {
  try {
    const bytes = readFileSync(path)
    return bytes.length === secretBytes ? bytes : undefined
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** A whole file appears under the name, or none; whoever is second leaves the first one’s in place. */
function write(path: string): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    const file = openSync(temporary, 'wx', 0o600)
    try {
      writeFileSync(file, randomBytes(secretBytes))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    place(temporary, path)
  } finally {
    rmSync(temporary, { force: true })
  }
  if (process.platform === 'win32') return
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

function place(temporary: string, path: string): void {
  try {
    linkSync(temporary, path)
  } catch (error) {
    // Somebody’s whole file is kept. A damaged one is replaced, and so is a missing one where there are no hard links.
    if (systemCode(error) !== 'EEXIST' || !readSecret(path)) renameSync(temporary, path)
  }
}
