import type { Settings } from '../journal/settings.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFile } from '../journal/durable-file.ts'
import { takeExclusive } from '../journal/exclusive.ts'
import { readSettings, updateSettings } from '../journal/settings.ts'
import { SluiceError, systemCode } from '../observe/error.ts'

/** What capture tools may know of the worker's pause: `paused.json` and `GET /v1/pause`. Times are milliseconds since the epoch. */
export interface PauseState {
  readonly version: 1
  /** From `until` on, if there is one, it is no longer so, whether or not the file says so yet. */
  readonly paused: boolean
  readonly since?: number
  readonly until?: number
  /** What becomes of what is captured all the same: read afterwards, or never. */
  readonly captures?: 'hold' | 'drop'
  /** Streams that the worker turned off, in order. */
  readonly streamsOff: readonly string[]
  /** When this was written. */
  readonly at: number
}

/** Longest wait for another process that writes settings. */
const lockWaitMs = 5000
/** What every user of the machine may know, if the worker opens the state folder to them. */
const readableByAll = 0o644

export function pauseStatePath(stateFolder: string): string {
  return join(stateFolder, 'paused.json')
}

export function pauseStateOf({ pause, streamsOff }: Pick<Settings, 'pause' | 'streamsOff'>, at: number): PauseState {
  const holds = pause && (pause.until === undefined || pause.until > at) ? pause : undefined
  return {
    version: 1,
    paused: holds !== undefined,
    ...(holds && { since: holds.since, ...(holds.until !== undefined && { until: holds.until }), captures: holds.captures }),
    streamsOff: streamsOff.map(({ stream }) => stream).sort(),
    at,
  }
}

/** Whether both say the same, whenever they were written. */
export function samePauseState(a: PauseState, b: PauseState): boolean {
  return JSON.stringify({ ...a, at: 0 }) === JSON.stringify({ ...b, at: 0 })
}

/**
 * Writes what the settings say now to `paused.json`, if that is news, and returns it. Any process may call this, one writes at
 * a time. Settings that cannot be read count as a pause, as they do for sending. Throws `state-unusable`.
 */
export function publishPause(stateFolder: string, now: number): PauseState {
  using lock = takeExclusive(join(stateFolder, 'settings.lock.sqlite'), lockWaitMs)
  if (!lock) {
    throw new SluiceError('state-unusable', `Another process has held the settings in ${stateFolder} for ${lockWaitMs / 1000} s. Try again.`, { transient: true })
  }
  const state = stateNow(stateFolder, now)
  const before = readPauseState(stateFolder)
  if (before && samePauseState(before, state)) return before
  const path = pauseStatePath(stateFolder)
  try {
    replaceFile(path, `${JSON.stringify(state)}\n`, readableByAll)
  } catch (error) {
    throw new SluiceError('state-unusable', `Cannot write ${path} (${systemCode(error)}). Check that its folder can be written and has room.`, { cause: error })
  }
  return state
}

/**
 * Changes the worker's settings, and tells capture tools what that means for them. `change` is told the time at which it is
 * the only one to change them, after the wait for others. Throws as `updateSettings` and `publishPause`.
 */
export function changeSettings(stateFolder: string, clock: () => number, change: (settings: Settings, now: number) => Settings): Settings {
  const settings = updateSettings(stateFolder, (old) => change(old, clock()))
  publishPause(stateFolder, clock())
  return settings
}

function stateNow(stateFolder: string, now: number): PauseState {
  try {
    return pauseStateOf(readSettings(stateFolder), now)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return { version: 1, paused: true, captures: 'hold', streamsOff: [], at: now }
  }
}

/** What `paused.json` says; undefined where it is missing or damaged. Only our own processes write it. */
function readPauseState(stateFolder: string): PauseState | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(pauseStatePath(stateFolder), 'utf8'))
    const isState = typeof value === 'object' && value !== null && 'version' in value && value.version === 1
    return isState ? (value as PauseState) : undefined
  } catch {
    return undefined
  }
}
