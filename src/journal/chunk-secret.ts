import { readFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { SluiceError, systemCode } from '../observe/error.ts'
import { replaceFile } from './durable-file.ts'

const secretPattern = /^[0-9a-f]{64}\n$/

/**
 * The secret from which chunk names of encrypted packs are made, in a file of its own: a copy of the journal without it does
 * not tell which contents were captured. Made where it is missing or damaged; the caller holds the lock. Throws `state-unusable`.
 */
export function chunkSecret(stateFolder: string): Uint8Array {
  const path = join(stateFolder, 'chunk.key')
  try {
    const known = read(path)
    if (known !== undefined && secretPattern.test(known)) return Buffer.from(known.trim(), 'hex')
    const secret = randomBytes(32)
    replaceFile(path, `${secret.toString('hex')}\n`)
    return secret
  } catch (error) {
    throw new SluiceError('state-unusable', `Cannot read or make ${path} (${systemCode(error)}). Check the folder and its permissions.`, { cause: error })
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}
