import { dirname, resolve } from 'node:path'

import { LineCounter, parseDocument } from 'yaml'
import type { YAMLError } from 'yaml'

import { capName } from '../src/budget/cap.ts'
import type { Cap } from '../src/budget/cap.ts'
import { options } from './options.ts'
import type { Config } from './options.ts'
import { configInvalid, fileProblem, maxProblems, printable } from './problem.ts'
import type { Problem } from './problem.ts'
import { Reader } from './reader.ts'
import type { Origin, Source } from './reader.ts'
import { checkRules } from './rules.ts'
import type { Environment, MapOption } from './schema.ts'

/** Largest config file in bytes: a hundred streams need a tenth of it, and nothing larger is worth parsing. */
export const maxConfigBytes = 256 << 10

/** A config together with where each of its values comes from, by key, in the order of the options table. */
export interface LoadedConfig {
  readonly config: Config
  readonly origins: ReadonlyMap<string, Origin>
  /** Every value that the files or defaults say, by key, to compare two configs. */
  readonly values: ReadonlyMap<string, unknown>
}

/** The text of one file of a config. */
export interface ConfigText {
  readonly file: string
  readonly text: string
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
  return checkWithPolicies({ file: fileName, text }, [], environment)
}

/** A config with IT's policies over it, later ones over earlier ones, or all that is wrong with any of them. */
export function checkWithPolicies(file: ConfigText, policies: readonly ConfigText[], environment: Environment): LoadedConfig | Refused {
  const read = readSources(options, [file, ...policies], environment)
  if ('problems' in read) return read
  const { reader } = read
  const config = complete(read.value as FileConfig)
  checkRules(
    config,
    (key, found, allowed) => { reader.report(key, found, allowed) },
    {
      realPath: environment.realPath ?? ((path) => path),
      fileOf: (key) => reader.fileOf(key),
    },
  )
  return reader.problems.length > 0 ? { problems: reader.problems } : { config, origins: reader.origins, values: reader.values }
}

/** What is wrong with a policy by itself, whatever config it is put over. */
export function checkPolicy(policy: ConfigText, environment: Environment): readonly Problem[] {
  const nothing = { file: policy.file, text: '{}' }
  const read = readSources(options, [nothing, policy], environment, true)
  return 'problems' in read ? read.problems : []
}

/** Reads the text of a YAML file by a table of options. The reader is there for what else is to be reported. */
export function readByTable(
  table: MapOption, text: string, fileName: string, environment: Environment,
): { readonly value: unknown; readonly reader: Reader } | Refused {
  return readSources(table, [{ file: fileName, text }], environment)
}

/** The first file is the config, the others are policies. */
function readSources(
  table: MapOption, [first, ...policies]: readonly [ConfigText, ...ConfigText[]], environment: Environment, isPartial = false,
): { readonly value: unknown; readonly reader: Reader } | Refused {
  const base = readSource(first, environment, false)
  const over = policies.map((policy) => readSource(policy, environment, true))
  const problems = [base, ...over].flatMap((each) => ('problems' in each ? each.problems : []))
  const sources = over.filter((each): each is Source => !('problems' in each))
  if ('problems' in base || problems.length > 0) return { problems: problems.slice(0, maxProblems) }
  const reader = new Reader([base, ...sources], isPartial)
  const value = reader.readAll(table)
  return reader.problems.length > 0 ? { problems: reader.problems } : { value, reader }
}

function readSource({ file, text }: ConfigText, environment: Environment, isPolicy: boolean): Source | Refused {
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > maxConfigBytes) {
    return { problems: [fileProblem(file, `found ${sizeBytes} bytes`, `allowed: at most ${maxConfigBytes}`)] }
  }
  const lines = new LineCounter()
  const document = parseDocument(text, {
    version: '1.2', schema: 'core', lineCounter: lines, prettyErrors: false, resolveKnownTags: false,
    uniqueKeys: false, // compares every pair of keys, minutes for a hostile file; the reader refuses double keys itself
  })
  const wrong = [...document.errors, ...document.warnings]
  if (wrong.length > 0) return { problems: wrong.slice(0, maxProblems).map((error) => yamlProblem(error, file, lines)) }
  return { file, document, lines, isPolicy, context: { ...environment, configFolder: dirname(resolve(environment.cwd, file)) } }
}

function yamlProblem({ message, pos }: YAMLError, file: string, lines: LineCounter): Problem {
  const { line, col } = lines.linePos(pos[0])
  const found = printable(message.split('\n')[0] ?? '', 200)
  return { file, line: Math.max(line, 1), column: Math.max(col, 1), key: 'yaml', found, allowed: 'allowed: YAML 1.2' }
}

type FileConfig = Omit<Config, 'caps'> & { readonly caps: readonly Omit<Cap, 'id'>[] }

/**
 * Names the caps by what they limit, so that a cap keeps its name when the list is reordered or its limit changes. Where
 * several files limit the same bytes, each limit is a cap.
 */
function complete(fileConfig: FileConfig): Config {
  const named = fileConfig.caps.map((cap) => ({ id: `policy-${capName(cap)}`, ...cap }))
  const caps = named.map((cap, index) => {
    const before = named.slice(0, index).filter(({ id }) => id === cap.id).length
    return before === 0 ? cap : { ...cap, id: `${cap.id}+${before + 1}` }
  })
  return { ...fileConfig, caps }
}
