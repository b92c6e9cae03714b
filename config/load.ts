import { realpathSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'

import { SluiceError, systemCode } from '../src/observe/error.ts'
import { checkConfig, maxConfigBytes } from './parse.ts'
import type { LoadedConfig, Refused } from './parse.ts'
import { configInvalid, fileProblem } from './problem.ts'
import type { Environment } from './schema.ts'

/** Reads the config file at `path`. Throws `config-missing` or `config-invalid`. */
export async function loadConfig(path: string): Promise<LoadedConfig> {
  return await loadBy(path, checkConfig)
}

/** As `loadConfig`, but returns the problems of a file that is there. */
export async function checkConfigFile(path: string): Promise<LoadedConfig | Refused> {
  return await checkFile(path, checkConfig)
}

/** Reads the config file at `path` by the check of its kind. Throws `config-missing` or `config-invalid`. */
export async function loadBy<T extends object>(path: string, check: FileCheck<T>): Promise<T> {
  const result = await checkFile(path, check)
  if ('problems' in result) throw configInvalid(path, result.problems)
  return result
}

/** As `loadBy` for a text that comes from no file; relative paths begin at the working directory. */
export function readBy<T extends object>(text: string, source: string, check: FileCheck<T>): T {
  const result = check(text, source, machineEnvironment())
  if ('problems' in result) throw configInvalid(source, result.problems)
  return result
}

/** What a text says, or what is wrong with it. */
type FileCheck<T> = (text: string, fileName: string, environment: Environment) => T | Refused

async function checkFile<T extends object>(path: string, check: FileCheck<T>): Promise<T | Refused> {
  const bytes = await readBounded(path)
  const problem = (found: string, allowed: string) => ({ problems: [fileProblem(path, found, allowed)] })
  if (bytes === 'no-file') return problem('found something that is no regular file', 'allowed: a YAML file')
  if (bytes.length > maxConfigBytes) {
    return problem(`found more than ${maxConfigBytes} bytes`, `allowed: at most ${maxConfigBytes}`)
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return problem('found bytes that are no UTF-8', 'allowed: YAML in UTF-8')
  }
  return check(text, path, machineEnvironment())
}

/** At most one byte more than allowed, so that an endless file ends here. */
async function readBounded(path: string): Promise<Uint8Array | 'no-file'> {
  try {
    await using file = await open(path, 'r')
    if (!(await file.stat()).isFile()) return 'no-file'
    const buffer = new Uint8Array(maxConfigBytes + 1)
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length)
      length += bytesRead
      if (bytesRead === 0 || length === buffer.length) return buffer.subarray(0, length)
    }
  } catch (error) {
    if (systemCode(error) === 'EISDIR') return 'no-file'
    const why = systemCode(error) === 'ENOENT' ? 'there is no such file' : `it cannot be read (${systemCode(error)})`
    throw new SluiceError(
      'config-missing',
      `No config at ${path}: ${why}. Name one with --config FILE.`,
      { cause: error, data: { file: path } },
    )
  }
}

function machineEnvironment(): Environment {
  const { XDG_STATE_HOME } = process.env
  return {
    home: homedir(),
    hostname: hostname(),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    cwd: process.cwd(),
    // The XDG base directory specification: a relative path is invalid and to be ignored.
    ...(XDG_STATE_HOME?.startsWith('/') ? { xdgStateHome: XDG_STATE_HOME } : {}),
    realPath,
  }
}

/** `path` with links followed as far as it exists; what does not exist yet is kept as written. */
function realPath(path: string): string {
  try {
    return realpathSync.native(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(realPath(parent), basename(path))
  }
}
