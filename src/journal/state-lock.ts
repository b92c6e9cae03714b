import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { SluiceError, systemCode } from '../observe/error.ts'
import { replaceFile } from './durable-file.ts'
import { takeExclusive } from './exclusive.ts'

/**
 * Makes this process the one service of a state folder until it is disposed of or the process ends. `now` is in
 * milliseconds. Throws `state-locked` when another process is that service, `state-unusable` when the folder is.
 */
export function lockState(stateFolder: string, now: number): Disposable {
  const lock = takeExclusive(join(stateFolder, 'service.lock.sqlite'), 0)
  if (!lock) throw alreadyRunning(stateFolder)
  const note = noteOf(stateFolder)
  try {
    replaceFile(note, JSON.stringify({ pid: process.pid, startedAt: now }))
  } catch (error) {
    lock[Symbol.dispose]()
    if (['ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '')) {
      throw new SluiceError('state-full', `the disk that holds ${note} is full: free some space`, { transient: true, cause: error })
    }
    throw new SluiceError(
      'state-unusable',
      `Cannot write ${note}. Check that its folder can be written and has room.`,
      { cause: error },
    )
  }
  return {
    [Symbol.dispose]() {
      rmSync(note, { force: true })
      lock[Symbol.dispose]()
    },
  }
}

function alreadyRunning(stateFolder: string): SluiceError {
  const pid = serviceNote(stateFolder)?.pid
  const who = pid === undefined ? 'Another process' : `Process ${pid}`
  return new SluiceError(
    'state-locked',
    `${who} is already running on ${stateFolder}. Stop it first, or set another state folder.`,
    { data: { stateFolder, ...(pid === undefined ? {} : { pid }) } },
  )
}

/** What the service of a state folder wrote about itself: for messages only, it may be stale or not yet written. */
export function serviceNote(stateFolder: string): { readonly pid: number, readonly startedAt: number } | undefined {
  try {
    const note: unknown = JSON.parse(readFileSync(noteOf(stateFolder), 'utf8'))
    if (typeof note !== 'object' || note === null || !('pid' in note) || !('startedAt' in note)) return undefined
    const [pid, startedAt] = [Number(note.pid), Number(note.startedAt)]
    return Number.isSafeInteger(pid) && Number.isSafeInteger(startedAt) ? { pid, startedAt } : undefined
  } catch {
    return undefined
  }
}

function noteOf(stateFolder: string): string {
  return join(stateFolder, 'service.json')
}
