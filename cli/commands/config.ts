import { basename } from 'node:path'

import type { Command } from 'commander'

import type { EffectiveConfig } from '../../config/load.ts'
import type { Refused } from '../../config/parse.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { capInWords } from '../cap-words.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import type { ConfigOptions, OutputOptions } from '../options.ts'
import { columns, counted } from '../output.ts'
import type { Io } from '../output.ts'

interface CheckOptions extends OutputOptions {
  readonly policy: readonly string[]
}

export function register(program: Command, io: Io): void {
  const group = describe(program.command('config'), 'Check a config file, or show what is in effect.', [
    ['sluice config check sluice.yaml', 'every problem of the file, with line and key'],
    ['sluice config show', 'every value in effect and where it comes from'],
  ])
  const collect = (file: string, before: readonly string[]): readonly string[] => [...before, file]
  const checking = group.command('check').argument('[file]', 'the config file; without one the config in use,\nwith the policies of this machine')
    .option('--policy <file>', 'a policy, checked over the file, or by itself;\nmay be given several times', collect, [])
  describe(addJson(checking), 'Check a config file, or a policy.', [
    ['sluice config check /etc/sluice/config.yaml', 'exits with 0 when it is valid, with 2 when it is not'],
    ['sluice config check', 'what is in use, and whether others could change a policy'],
    ['sluice config check --policy 10-fleet.yaml', 'a policy that is to be rolled out'],
  ]).action((file: string | undefined, options: CheckOptions) => check(file, options, io))
  describe(addJson(addConfig(group.command('show'))), 'Show every value in effect and where it comes from.', [
    ['sluice config show', 'the config the service would use, policies and what you set'],
    ['sluice config show --config sluice.yaml --json', 'for a program'],
  ]).action((options: ConfigOptions) => show(options, io))
}

async function check(file: string | undefined, { json, policy }: CheckOptions, io: Io): Promise<void> {
  const { configInvalid } = await import('../../config/problem.ts')
  const { result, what } = await checked(file, policy)
  const named = { file: file ?? what, ...(policy.length > 0 && { policies: policy }) }
  if ('problems' in result) {
    if (!json) throw configInvalid([...new Set(result.problems.map((problem) => problem.file))].join(' and '), result.problems)
    io.result(json, { version: 1, ...named, valid: false, problems: result.problems }, [])
    io.exit(2)
    return
  }
  io.result(json, { version: 1, ...named, valid: true, problems: [] }, [`${what} ${result.says}`])
}

/** What is wrong with what was asked for, or what it says. */
async function checked(file: string | undefined, policies: readonly string[]): Promise<{ readonly what: string; readonly result: Refused | { readonly says: string } }> {
  const { checkDrafts, checkEffective, checkPolicyFiles } = await import('../../config/load.ts')
  if (file === undefined && policies.length > 0) {
    const problems = await checkPolicyFiles(policies)
    const says = `${policies.length === 1 ? 'is' : 'are'} valid over any config that it fits; to try: sluice config check CONFIG --policy FILE`
    return { what: policies.join(', '), result: problems.length > 0 ? { problems } : { says } }
  }
  const [{ locateConfig }, { policyFolder }] = await Promise.all([import('../../config/locate.ts'), import('../../config/policy-folder.ts')])
  const what = file ?? locateConfig(undefined)
  const loaded = await checkConnection(file === undefined ? await checkEffective(what, policyFolder()) : await checkDrafts(file, policies))
  if ('problems' in loaded) return { what, result: loaded }
  const over = loaded.policies.length === 0 ? '' : ` with ${loaded.policies.length === 1 ? '1 policy' : `${loaded.policies.length} policies`}`
  return { what, result: { says: `is valid${over}: ${counted(loaded.config.streams.length, 'stream')} to ${loaded.config.destination}` } }
}

/** Looks at the files that lead to the destination too: the service reads them when it starts. */
async function checkConnection(result: EffectiveConfig | Refused): Promise<EffectiveConfig | Refused> {
  if ('problems' in result) return result
  const [{ readConnection }, { problemAt }] = await Promise.all([import('../../daemon/connection.ts'), import('../../config/load.ts')])
  try {
    await readConnection(result.config.connection, {})
    return result
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    const [, key = 'connection', found = error.message] = /^(connection\.\w+): (.*)\.$/.exec(error.message) ?? []
    return { problems: [problemAt(result, key, found, 'allowed: a file as in docs/connection.md')] }
  }
}

/** One line of `config show`. */
interface Shown {
  readonly key: string
  readonly value: string
  /** `default`, `FILE:LINE`, or the command that sets it. */
  readonly from: string
}

async function show(options: ConfigOptions, io: Io): Promise<void> {
  const loaded = await configFor(options)
  const { file, policies, origins } = loaded
  const values: Shown[] = [...[...origins].map(([key, { value, from }]) => ({ key, value, from })), ...await chosen(loaded, io)]
  const rows = values.map(({ key, value, from }) => [key, value, shortly(from, file)])
  io.result(options.json, { version: 1, file, policies, values }, [
    `config  ${file}`, ...policies.map((policy) => `policy  ${policy}`), '',
    ...columns([['key', 'value', 'from'], ...rows], [28, 30, 18]),
  ])
}

/** `line 4` of the config, `10-fleet.yaml:4` of a policy. */
function shortly(from: string, file: string): string {
  if (from.startsWith(`${file}:`)) return `line ${from.slice(file.length + 1)}`
  return /:\d+$/.test(from) ? basename(from) : from
}

/** What the worker set, which only tightens what is above it. */
async function chosen({ config }: EffectiveConfig, io: Io): Promise<Shown[]> {
  const [{ readSettings }, { timeInWords }] = await Promise.all([import('../../src/journal/settings.ts'), import('../../src/scheduler/words.ts')])
  const clock = { now: io.now(), timeZone: config.timeZone }
  const { pause, sendNow, caps, streamsOff, networks } = readSettings(config.stateFolder)
  const until = (end: number | undefined): string => (end === undefined ? 'until you resume' : `until ${timeInWords(end, clock)}`)
  const holds = (span: { readonly until?: number } | undefined): boolean => span !== undefined && (span.until ?? Infinity) > clock.now
  return [
    ...(pause && holds(pause) ? [{ key: 'your pause', value: until(pause.until), from: 'sluice pause' }] : []),
    ...(sendNow && holds(sendNow) ? [{ key: 'your send-now', value: until(sendNow.until), from: 'sluice send-now' }] : []),
    ...caps.map((cap) => ({ key: `your cap ${cap.id}`, value: capInWords(cap), from: 'sluice cap set' })),
    ...streamsOff.map(({ stream }) => ({ key: `your stream ${stream}`, value: 'off', from: 'sluice stream off' })),
    ...networks.map(({ name, cost }) => ({ key: `your network ${name}`, value: cost, from: 'sluice network set' })),
  ]
}
