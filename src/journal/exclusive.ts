import { chmodSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { SluiceError, systemCode } from '../observe/error.ts'
import { makePrivateFolder } from './durable-file.ts'

const sqliteBusy = 5
const sqliteFull = 13

/** Open locks by their connection: a connection that nobody refers to is collected, and its lock silently with it. */
const held = new Set<DatabaseSync>()

/**
 * Takes the lock that is the file at `path`, waiting up to `waitMs` (the thread stands still meanwhile), and returns what
 * gives it back; undefined when another holds it. The lock is SQLite's own on an open exclusive transaction: the kernel
 * frees it with the process, however that ends, and a stopped process keeps it. Throws `state-unusable`.
 *
 * The file itself must not be opened by anything else in this process: closing any handle of a file drops a process's
 * POSIX locks on it.
 */
export function takeExclusive(path: string, waitMs: number): Disposable | undefined {
  makePrivateFolder(dirname(path))
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: waitMs })
    chmodSync(path, 0o600)
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    if (sqliteCode(error) === sqliteBusy) return undefined
    if (sqliteCode(error) === sqliteFull) {
      throw new SluiceError('state-full', `the disk that holds ${path} is full: free some space`, { transient: true, cause: error })
    }
    const why = systemCode(error) === 'ERR_SQLITE_ERROR' && error instanceof Error ? error.message : systemCode(error)
    throw new SluiceError(
      'state-unusable',
      `Cannot lock ${path} (${why}). Check that its folder can be written and is on a local disk.`,
      { cause: error },
    )
  }
  return holding(database)
}

function holding(database: DatabaseSync): Disposable {
  held.add(database)
  return {
    [Symbol.dispose]() {
      if (!held.delete(database)) return
      database.close() // ends the transaction, and the lock with it
    },
  }
}

function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined
}
