import { readFileSync, statSync, unwatchFile, watch, watchFile } from 'node:fs'
import { join } from 'node:path'

import { LowSync } from 'lowdb'
import type { SyncAdapter } from 'lowdb'

import type { Cap } from '../budget/cap.ts'
import type { NetworkClass } from '../scheduler/conditions.ts'
import { SluiceError, systemCode } from '../observe/error.ts'
import { makePrivateFolder, replaceFile } from './durable-file.ts'
import { takeExclusive } from './exclusive.ts'

/** A cap the worker set. Its id is its period and what it counts (`month-15`, `day.network.home`), so one limit for each. */
export type WorkerCap = Cap

/** Nothing is read or sent until `until`, or until the worker resumes. */
export interface Pause {
  readonly since: number
  readonly until?: number
  /** What becomes of captures written meanwhile: read afterwards, or never. */
  readonly captures: 'hold' | 'drop'
}

/** A network that the worker named. */
export interface NamedNetwork {
  /** As in `NetworkState`. */
  readonly id: string
  readonly name: string
  /** `auto`: what the system says. */
  readonly cost: NetworkClass | 'auto'
}

/** What the worker set. Times are milliseconds since the epoch. */
export interface Settings {
  readonly version: 1
  readonly pause?: Pause
  /** Pauses with `captures: drop` that are over and have not been applied yet; with `until` before `since` see `spanOf`. */
  readonly dropped: readonly { readonly since: number, readonly until: number }[]
  /** Those that were: a rebuilt journal has to be told of them again. */
  readonly droppedBefore: readonly { readonly since: number, readonly until: number }[]
  readonly sendNow?: { readonly since: number, readonly until: number }
  readonly caps: readonly WorkerCap[]
  readonly networks: readonly NamedNetwork[]
  readonly streamsOff: readonly { readonly stream: string, readonly since: number }[]
}

export const emptySettings: Settings = { version: 1, dropped: [], droppedBefore: [], caps: [], networks: [], streamsOff: [] }

const isName = (value: unknown): boolean => typeof value === 'string' && /^[a-z0-9][a-z0-9._-]{0,63}$/.test(value)

/** Most bytes that are read: some hundred times what the settings take. */
const maxSettingsBytes = 64 << 10

const maxWorkerCaps = 32

/** Of named networks, streams that are off, and pauses to apply. */
const maxEntries = 200

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
  const { version, pause, dropped = [], droppedBefore = [], sendNow, caps, networks = [], streamsOff = [], ...rest } = value
  if (typeof version === 'number' && version > 1) {
    throw new SluiceError(
      'state-newer',
      `${path} was written by a newer version of Sluice (settings version ${version}). Install that version again.`,
    )
  }
  if (version !== 1) throw damaged(path, '"version" is not 1')
  if (Object.keys(rest).length > 0) throw damaged(path, 'it has unknown keys')
  if (pause !== undefined && !isPause(pause)) throw damaged(path, '"pause" is no { since, until, captures }')
  if (sendNow !== undefined && !isSpan(sendNow)) throw damaged(path, '"sendNow" is no { since, until }')
  if (!isList(dropped, maxEntries, isSpan) || !isList(droppedBefore, maxEntries, isSpan)) {
    throw damaged(path, '"dropped" or "droppedBefore" is no list of { since, until }')
  }
  if (!isList(caps, maxWorkerCaps, isCap)) throw damaged(path, '"caps" is no list of caps')
  if (!isList(networks, maxEntries, isNamedNetwork)) throw damaged(path, '"networks" is no list of networks')
  if (!isList(streamsOff, maxEntries, isStreamOff)) throw damaged(path, '"streamsOff" is no list of { stream, since }')
  if (hasRepeats(caps.map(({ id }) => id))) throw damaged(path, 'two of its caps have the same id')
  if (hasRepeats(networks.map(({ name }) => name)) || hasRepeats(networks.map(({ id }) => id))) {
    throw damaged(path, 'two of its networks have the same name or id')
  }
  return {
    version, ...(pause && { pause: { ...pause, captures: pause.captures ?? 'hold' } }), dropped, droppedBefore,
    ...(sendNow && { sendNow }), caps, networks, streamsOff,
  }
}

function hasRepeats(values: readonly string[]): boolean {
  return new Set(values).size < values.length
}

function isList<T>(value: unknown, max: number, isItem: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.length <= max && value.every((item) => isItem(item))
}

/** `captures` is missing where an older version wrote it. */
function isPause(value: unknown): value is Omit<Pause, 'captures'> & Partial<Pick<Pause, 'captures'>> {
  if (!isRecord(value)) return false
  const { since, until, captures = 'hold', ...rest } = value
  return isTime(since) && (until === undefined || isTime(until)) && (captures === 'hold' || captures === 'drop')
    && Object.keys(rest).length === 0
}

function isSpan(value: unknown): value is { since: number, until: number } {
  if (!isRecord(value)) return false
  const { since, until, ...rest } = value
  return isTime(since) && isTime(until) && Object.keys(rest).length === 0
}

function isNamedNetwork(value: unknown): value is NamedNetwork {
  if (!isRecord(value)) return false
  const { id, name, cost, ...rest } = value
  return typeof id === 'string' && /^[0-9a-f]{12}$/.test(id) && isName(name)
    && (cost === 'free' || cost === 'metered' || cost === 'auto') && Object.keys(rest).length === 0
}

function isStreamOff(value: unknown): value is { stream: string, since: number } {
  if (!isRecord(value)) return false
  const { stream, since, ...rest } = value
  return isName(stream) && isTime(since) && Object.keys(rest).length === 0
}

function isCap(value: unknown): value is WorkerCap {
  if (!isRecord(value)) return false
  const { id, limitBytes, per, resetDay, days, network, on, stream, pace, ...rest } = value
  const isPeriod = per === 'day' || per === 'week' || per === 'month' || per === 'rolling'
  return typeof id === 'string' && /^[a-z0-9][a-z0-9._-]{0,255}$/.test(id)
    && Number.isSafeInteger(limitBytes) && Number(limitBytes) > 0 && isPeriod
    && (resetDay === undefined || (per === 'month' && isWhole(resetDay, 1, 31)))
    && (per === 'rolling' ? isWhole(days, 1, 366) : days === undefined)
    && (network === undefined || isName(network)) && (stream === undefined || isName(stream))
    && (on === undefined || on === 'free' || on === 'metered')
    && (pace === undefined || typeof pace === 'boolean')
    && Object.keys(rest).length === 0
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && Number(value) >= min && Number(value) <= max
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
    + 'Nothing is sent until the file is mended, or removed and pauses and caps set again. '
    + 'Removed while a pause with --drop held, what was captured until then is still never read, if the service saw it begin.',
    { cause, data: { path } },
  )
}
