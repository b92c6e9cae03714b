import { realpathSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

import { SluiceError, systemCode } from '../src/observe/error.ts'
import { checkConfig, checkPolicy, checkWithPolicies } from './parse.ts'
import type { ConfigText, LoadedConfig, Refused } from './parse.ts'
import { readPolicies } from './policy-folder.ts'
import { configInvalid, fileProblem } from './problem.ts'
import type { Problem } from './problem.ts'
import { readText } from './read-text.ts'
import type { Environment } from './schema.ts'

/** How often, and after how long, files are read again that change while they are read. */
const maxRereads = 5
const rereadMs = 20

/** Reads the config file at `path`. Throws `config-missing` or `config-invalid`. */
export async function loadConfig(path: string): Promise<LoadedConfig> {
  return await loadBy(path, checkConfig)
}

/** A config with the policies over it. */
export interface EffectiveConfig extends LoadedConfig {
  readonly file: string
  /** The policies, in the order in which they were put over it. */
  readonly policies: readonly string[]
}

/** The config file at `path` with IT's policies over it. Throws `config-missing` or `config-invalid`. */
export async function loadEffective(path: string, policyFolder: string): Promise<EffectiveConfig> {
  const result = await checkEffective(path, policyFolder)
  if (!('problems' in result)) return result
  const files = new Set(result.problems.map(({ file }) => file))
  throw configInvalid([...files].join(' and '), result.problems)
}

/** As `loadEffective`, but returns the problems of files that are there. Never a mix of files from before a change and after it. */
export async function checkEffective(path: string, policyFolder: string): Promise<EffectiveConfig | Refused> {
  const texts = await readUnchanging(() => readTexts(path, policyFolder))
  return 'problems' in texts ? texts : checkTexts(texts)
}

/** A problem at the place that says what `key` is, or of the config as a whole where none does. */
export function problemAt({ file, origins }: EffectiveConfig, key: string, found: string, allowed: string): Problem {
  const [, from = file, line = '1'] = /^(.+):(\d+)$/.exec(origins.get(key)?.from ?? '') ?? []
  return { file: from, line: Number(line), column: 1, key, found, allowed }
}

/** As `checkEffective` for policies that are files somewhere, of anybody. */
export async function checkDrafts(path: string, policyFiles: readonly string[]): Promise<EffectiveConfig | Refused> {
  const texts = await Promise.all([path, ...policyFiles].map(async (file) => (await readFile(file)).read))
  return joined(texts, checkTexts)
}

/** What is wrong with policies by themselves. Throws `config-missing`. */
export async function checkPolicyFiles(files: readonly string[]): Promise<readonly Problem[]> {
  const texts = await Promise.all(files.map(async (file) => (await readFile(file)).read))
  return texts.flatMap((text) => ('problems' in text ? text.problems : checkPolicy(text, machineEnvironment())))
}

function joined<T>(texts: readonly (ConfigText | Refused)[], use: (texts: readonly ConfigText[]) => T): T | Refused {
  const problems = texts.flatMap((text) => ('problems' in text ? text.problems : []))
  return problems.length > 0 ? { problems } : use(texts.filter((text) => 'text' in text))
}

function checkTexts([config, ...policies]: readonly ConfigText[]): EffectiveConfig | Refused {
  if (!config) throw new Error('no config was read')
  const result = checkWithPolicies(config, policies, machineEnvironment())
  return 'problems' in result ? result : { ...result, file: config.file, policies: policies.map(({ file }) => file) }
}

/** The config first, then its policies. */
async function readTexts(path: string, policyFolder: string): Promise<readonly ConfigText[] | Refused> {
  const { read, ownerId } = await readFile(path)
  const policies = await readPolicies(policyFolder, ownerId)
  const problems = [read, policies].flatMap((each) => ('problems' in each ? each.problems : []))
  return 'problems' in read || 'problems' in policies ? { problems } : [read, ...policies]
}

/** What two readings in a row agree on; somebody who replaces several files needs a moment. */
async function readUnchanging<T>(read: () => Promise<T>): Promise<T> {
  let before = await read()
  for (let tries = 0; tries < maxRereads; tries++) {
    const after = await read()
    if (isDeepStrictEqual(before, after)) break
    before = after
    await sleep(rereadMs)
  }
  return before
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
  const { read } = await readFile(path)
  return 'problems' in read ? read : check(read.text, path, machineEnvironment())
}

/** The text of a config file, and to whom it belongs. Throws `config-missing`. */
async function readFile(path: string): Promise<{ readonly read: ConfigText | Refused, readonly ownerId: number }> {
  try {
    await using file = await open(path, 'r')
    return { read: await readText(file, path), ownerId: (await file.stat()).uid }
  } catch (error) {
    if (systemCode(error) === 'EISDIR') return { read: { problems: [fileProblem(path, 'found something that is no regular file', 'allowed: a YAML file')] }, ownerId: 0 }
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
