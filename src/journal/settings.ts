import { readFileSync, statSync, unwatchFile, watch, watchFile } from 'node:fs'
import { join } from 'node:path'

import { LowSync } from 'lowdb'
import type { SyncAdapter } from 'lowdb'

import type { Cap } from '../budget/cap.ts'
import { SluiceError, systemCode } from '../observe/error.ts'
import { makePrivateFolder, replaceFile } from './durable-file.ts'
import { takeExclusive } from './exclusive.ts'

/** A cap the worker set. Its id is its period (`day`, `week`, `month`, `month-15`), so one limit per period. */
export type WorkerCap = Cap

/** What the worker set. Times are milliseconds since the epoch. */
export interface Settings {
  readonly version: 1
  /** Nothing is sent until `until`, or until the worker resumes. */
  readonly pause?: { readonly since: number, readonly until?: number }
  readonly caps: readonly WorkerCap[]
}

export const emptySettings: Settings = { version: 1, caps: [] }

/** Most bytes that are read: some hundred times what the settings take. */
const maxSettingsBytes = 64 << 10

const maxWorkerCaps = 32

/** Longest wait for another process's update, which takes milliseconds. */
const updateWaitMs = 5000

/** How soon a change is seen where the folder cannot be watched. */
const pollMs = 1000

/**
 * The worker's settings in a state folder; none are `emptySettings`. Throws `settings-damaged` (send nothing then: a pause
 * may be what was lost), `state-newer` or `state-unusable`.
 */
export function readSettings(stateFolder: string): Settings {
  const database = new LowSync(settingsFile(stateFolder), emptySettings)
  database.read()
  return database.data
}

/** Replaces the settings by `change` of them. Updates from any number of processes happen one after the other. */
export function updateSettings(stateFolder: string, change: (settings: Settings) => Settings): Settings {
  using lock = takeExclusive(join(stateFolder, 'settings.lock.sqlite'), updateWaitMs)
  if (!lock) {
    throw new SluiceError(
      'state-unusable',
      `Another process has held the settings in ${stateFolder} for ${updateWaitMs / 1000} s. Try again.`,
      { transient: true },
    )
  }
  const database = new LowSync(settingsFile(stateFolder), emptySettings)
  database.read()
  database.data = change(database.data)
  database.write()
  return database.data
}

/**
 * Calls `onChange` soon after the settings may have changed, until disposed of. Start watching first and read then, or a
 * change in between is missed.
 */
export function watchSettings(stateFolder: string, onChange: () => void): Disposable {
  makePrivateFolder(stateFolder)
  const path = settingsPath(stateFolder)
  try {
    const watcher = watch(stateFolder, { persistent: false }, (_, name) => {
      if (name === null || name === 'settings.json') onChange()
    })
    watcher.on('error', onChange)
    return { [Symbol.dispose]: () => { watcher.close() } }
  } catch {
    // The system's limit of watches is reached.
    watchFile(path, { persistent: false, interval: pollMs }, onChange)
    return { [Symbol.dispose]: () => { unwatchFile(path, onChange) } }
  }
}

/** lowdb's own adapter renames without fsync: a power cut could leave an empty file, and the pause would be lost. */
function settingsFile(stateFolder: string): SyncAdapter<Settings> {
  const path = settingsPath(stateFolder)
  return {
    read() {
      const text = readText(path)
      return text === undefined ? null : validSettings(text, path)
    },
    write(settings) {
      try {
        replaceFile(path, `${JSON.stringify(validSettings(JSON.stringify(settings), path), undefined, 2)}\n`)
      } catch (error) {
        if (error instanceof SluiceError) throw error
        throw new SluiceError(
          'state-unusable',
          `Cannot write ${path} (${systemCode(error)}). Check that its folder can be written and has room.`,
          { cause: error },
        )
      }
    },
  }
}

function settingsPath(stateFolder: string): string {
  return join(stateFolder, 'settings.json')
}

function readText(path: string): string | undefined {
  try {
    if (statSync(path).size > maxSettingsBytes) throw damaged(path, `it is larger than ${maxSettingsBytes} bytes`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof SluiceError) throw error
    if (systemCode(error) === 'ENOENT') return undefined
    throw new SluiceError(
      'state-unusable',
      `Cannot read ${path} (${systemCode(error)}). Check its permissions.`,
      { cause: error },
    )
  }
}

function validSettings(text: string, path: string): Settings {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw damaged(path, 'it is no JSON', error)
  }
  if (!isRecord(value)) throw damaged(path, 'it is no JSON object')
  const { version, pause, caps, ...rest } = value
  if (typeof version === 'number' && version > 1) {
    throw new SluiceError(
      'state-newer',
      `${path} was written by a newer version of Sluice (settings version ${version}). Install that version again.`,
    )
  }
  if (version !== 1) throw damaged(path, '"version" is not 1')
  if (Object.keys(rest).length > 0) throw damaged(path, 'it has unknown keys')
  if (pause !== undefined && !isPause(pause)) throw damaged(path, '"pause" is no { since, until }')
  if (!Array.isArray(caps) || caps.length > maxWorkerCaps || !caps.every(isCap)) {
    throw damaged(path, '"caps" is no list of caps')
  }
  if (new Set(caps.map(({ id }) => id)).size < caps.length) throw damaged(path, 'two of its caps have the same id')
  return { version, ...(pause === undefined ? {} : { pause }), caps }
}

function isPause(value: unknown): value is NonNullable<Settings['pause']> {
  if (!isRecord(value)) return false
  const { since, until, ...rest } = value
  return isTime(since) && (until === undefined || isTime(until)) && Object.keys(rest).length === 0
}

function isCap(value: unknown): value is WorkerCap {
  if (!isRecord(value)) return false
  const { id, limitBytes, per, resetDay, ...rest } = value
  return typeof id === 'string' && /^[a-z0-9][a-z0-9._-]{0,63}$/.test(id)
    && Number.isSafeInteger(limitBytes) && Number(limitBytes) > 0
    && (per === 'day' || per === 'week' || per === 'month')
    && (resetDay === undefined || (per === 'month' && isDayOfMonth(resetDay)))
    && Object.keys(rest).length === 0
}

function isDayOfMonth(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 31
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function damaged(path: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError(
    'settings-damaged',
    `The worker’s settings in ${path} cannot be used: ${why}. `
    + 'Nothing is sent until the file is mended, or removed and pauses and caps set again.',
    { cause, data: { path } },
  )
}
