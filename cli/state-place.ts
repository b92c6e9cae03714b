import { existsSync, readFileSync, statSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { dirname, join, resolve } from 'node:path'

import type { Command } from 'commander'

import type { Config } from '../config/options.ts'

import type { ConfigOptions } from './options.ts'
import { addConfig, configFor } from './options.ts'
import type { Io } from './output.ts'
import { SluiceError } from '../src/observe/error.ts'

export interface StateOptions extends ConfigOptions {
  readonly state?: string
}

/** Where the worker’s settings are, and the clock that the worker’s times are on. */
interface StatePlace {
  readonly stateFolder: string
  readonly timeZone: string
  /** Who else may ask the service, where a config says so. */
  readonly control?: Config['control']
  /** Of a single pause, where a policy says so. */
  readonly longestPauseMs?: number
}

export function addState(command: Command): Command {
  return addConfig(command).option('--state <folder>', 'the state folder, should the config be out of order')
}

/**
 * What a pause needs to know. A config that is missing or wrong never stands in its way: the folder is then the one given,
 * the one that the wrong file still names, or the default one, and a note says which.
 */
export async function statePlace(options: StateOptions, io: Io): Promise<StatePlace> {
  try {
    const { config: { stateFolder, timeZone, control, pause: { longestMs } } } = await configFor(options)
    return {
      stateFolder: options.state === undefined ? stateFolder : await named(options.state, io), timeZone, control,
      ...(longestMs !== undefined && { longestPauseMs: longestMs }),
    }
  } catch (error) {
    const isExpected = error instanceof SluiceError && (error.code === 'config-invalid' || error.code === 'config-missing')
    if (!isExpected) throw error
    return await withoutConfig(options, error, io)
  }
}

/** The folder that was given. A slip in it must not pass for a pause: throws `usage` where nothing of Sluice’s is. */
async function named(state: string, io: Io): Promise<string> {
  const folder = resolve(state)
  if (!['service.lock.sqlite', 'settings.lock.sqlite', 'journal.sqlite', 'settings.json'].some((name) => existsSync(join(folder, name)))) {
    throw new SluiceError('usage', `${folder} is no state folder of Sluice, so nothing was changed. Which one is in use says: sluice config show`)
  }
  if (!await isServed(folder)) io.note(`note: no Sluice runs on the state folder ${folder} now.`)
  return folder
}

async function isServed(stateFolder: string): Promise<boolean> {
  const { runningService } = await import('../src/control/status.ts')
  return runningService(stateFolder) !== undefined
}

async function withoutConfig({ config, state }: StateOptions, error: SluiceError, io: Io): Promise<StatePlace> {
  const inConfig = await namedInWrongConfig(config)
  const timeZone = inConfig.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
  io.note(error.message)
  if (state !== undefined) return { stateFolder: await named(state, io), timeZone }
  const stateFolder = inConfig.stateFolder ?? defaultFolder()
  const served = await isServed(stateFolder)
  io.note(`note: without a valid config this goes to the state folder ${stateFolder}${served ? '' : ', where no Sluice runs now'}.`)
  if (!served) io.note('note: if Sluice keeps its state elsewhere, add: --state FOLDER')
  return { stateFolder, timeZone }
}

/** What a config that was refused for something else says of the two. */
async function namedInWrongConfig(file: string | undefined): Promise<Partial<StatePlace>> {
  const [{ parseDocument }, { locateConfig }, { maxConfigBytes }, types] = await Promise.all([
    import('yaml'), import('../config/locate.ts'), import('../config/parse.ts'), import('../config/types.ts'),
  ])
  try {
    const path = locateConfig(file)
    if (!statSync(path).isFile() || statSync(path).size > maxConfigBytes) return {}
    const document = parseDocument(readFileSync(path, 'utf8'), { version: '1.2', schema: 'core', uniqueKeys: false })
    const said = (key: string): string => {
      const value = document.get(key)
      return typeof value === 'string' ? value : ''
    }
    const context = readingContext(path)
    const [stateFolder, timeZone] = [types.folder.parse(said('state'), context), types.timeZone.parse(said('timeZone'), context)]
    return { ...(stateFolder !== undefined && { stateFolder }), ...(timeZone !== undefined && { timeZone }) }
  } catch {
    return {} // not there, or nothing like a config
  }
}

function readingContext(path: string) {
  const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone
  return { home: homedir(), hostname: hostname(), timeZone, cwd: process.cwd(), configFolder: dirname(resolve(path)) }
}

function defaultFolder(): string {
  const { XDG_STATE_HOME } = process.env
  return join(XDG_STATE_HOME?.startsWith('/') ? XDG_STATE_HOME : join(homedir(), '.local/state'), 'sluice')
}
