import { dirname, resolve } from 'node:path'

import { LineCounter, parseDocument } from 'yaml'

import { capName } from '../src/budget/cap.ts'
import type { Cap } from '../src/budget/cap.ts'
import { options } from './options.ts'
import type { Config } from './options.ts'
import { configInvalid, fileProblem, printable } from './problem.ts'
import type { Problem } from './problem.ts'
import { Reader } from './reader.ts'
import type { Origin } from './reader.ts'
import { checkRules } from './rules.ts'
import type { Environment, MapOption } from './schema.ts'

/** Largest config file in bytes: a hundred streams need a tenth of it, and nothing larger is worth parsing. */
export const maxConfigBytes = 256 << 10

/** A config together with where each of its values comes from, by key, in the order of the options table. */
export interface LoadedConfig {
  readonly config: Config
  readonly origins: ReadonlyMap<string, Origin>
}

/**
 * Reads the text of a config file. `fileName` is used in messages and as the start of relative paths. Throws
 * `config-invalid`.
 */
export function parseConfig(text: string, fileName: string, environment: Environment): LoadedConfig {
  const result = checkConfig(text, fileName, environment)
  if ('problems' in result) throw configInvalid(fileName, result.problems)
  return result
}

/** A config that is not one: what is wrong with it. */
export interface Refused {
  readonly problems: readonly Problem[]
}

/** As `parseConfig`, but returns the problems. */
export function checkConfig(text: string, fileName: string, environment: Environment): LoadedConfig | Refused {
  const read = readByTable(options, text, fileName, environment)
  if ('problems' in read) return read
  const { reader } = read
  const config = complete(read.value as FileConfig)
  checkRules(
    config,
    (key, found, allowed) => { reader.report(key, found, allowed) },
    {
      realPath: environment.realPath ?? ((path) => path),
      isWritten: (key) => (reader.origins.get(key)?.from ?? 'default') !== 'default',
    },
  )
  return reader.problems.length > 0 ? { problems: reader.problems } : { config, origins: reader.origins }
}

/** Reads the text of a YAML file by a table of options. The reader is there for what else is to be reported. */
export function readByTable(
  table: MapOption, text: string, fileName: string, environment: Environment,
): { readonly value: unknown; readonly reader: Reader } | Refused {
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > maxConfigBytes) {
    return { problems: [fileProblem(fileName, `found ${sizeBytes} bytes`, `allowed: at most ${maxConfigBytes}`)] }
  }
  const lines = new LineCounter()
  const document = parseDocument(text, {
    version: '1.2', schema: 'core', lineCounter: lines, prettyErrors: false, resolveKnownTags: false,
    uniqueKeys: false, // compares every pair of keys, minutes for a hostile file; the reader refuses double keys itself
  })
  const configFolder = dirname(resolve(environment.cwd, fileName))
  const reader = new Reader(document, lines, fileName, { ...environment, configFolder })
  for (const { message, pos } of [...document.errors, ...document.warnings]) {
    reader.report('yaml', printable(message.split('\n')[0] ?? '', 200), 'allowed: YAML 1.2', pos[0])
  }
  if (reader.problems.length > 0) return { problems: reader.problems }
  const value = reader.read(table, document.contents, '')
  return reader.problems.length > 0 ? { problems: reader.problems } : { value, reader }
}

type FileConfig = Omit<Config, 'caps'> & { readonly caps: readonly Omit<Cap, 'id'>[] }

/** Names the caps by what they limit, so that a cap keeps its name when the list is reordered or its limit changes. */
function complete(fileConfig: FileConfig): Config {
  return { ...fileConfig, caps: fileConfig.caps.map((cap) => ({ id: `policy-${capName(cap)}`, ...cap })) }
}
