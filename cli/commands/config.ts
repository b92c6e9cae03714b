import type { Command } from 'commander'

import type { LoadedConfig, Refused } from '../../config/parse.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import type { ConfigOptions, OutputOptions } from '../options.ts'
import { table } from '../output.ts'
import type { Io } from '../output.ts'

export function register(program: Command, io: Io): void {
  const group = describe(program.command('config'), 'Check a config file, or show what is in effect.', [
    ['sluice config check sluice.yaml', 'every problem of the file, with line and key'],
    ['sluice config show', 'every value in effect and where it comes from'],
  ])
  describe(addJson(group.command('check').argument('<file>', 'the config file')), 'Check a config file.', [
    ['sluice config check /etc/sluice/config.yaml', 'exits with 0 when it is valid, with 2 when it is not'],
  ]).action((file: string, options: OutputOptions) => check(file, options, io))
  describe(addJson(addConfig(group.command('show'))), 'Show every value in effect and where it comes from.', [
    ['sluice config show', 'the config the service would use'],
    ['sluice config show --config sluice.yaml --json', 'for a program'],
  ]).action((options: ConfigOptions) => show(options, io))
}

async function check(file: string, { json }: OutputOptions, io: Io): Promise<void> {
  const [{ checkConfigFile }, { configInvalid }] = await Promise.all([
    import('../../config/load.ts'),
    import('../../config/problem.ts'),
  ])
  const result = await checkConnection(await checkConfigFile(file), file)
  if ('problems' in result) {
    if (!json) throw configInvalid(file, result.problems)
    io.result(json, { version: 1, file, valid: false, problems: result.problems }, [])
    io.exit(2)
    return
  }
  const { streams, destination } = result.config
  const captured = streams.length === 1 ? '1 stream' : `${streams.length} streams`
  io.result(json, { version: 1, file, valid: true, problems: [] }, [`${file} is valid: ${captured} to ${destination}`])
}

/** Looks at the files that lead to the destination too: the service reads them when it starts. */
async function checkConnection(result: LoadedConfig | Refused, file: string): Promise<LoadedConfig | Refused> {
  if ('problems' in result) return result
  const { readConnection } = await import('../../daemon/connection.ts')
  try {
    await readConnection(result.config.connection, {})
    return result
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    const [, key = 'connection', found = error.message] = /^(connection\.\w+): (.*)\.$/.exec(error.message) ?? []
    const line = Number(result.origins.get(key)?.from.slice(file.length + 1) ?? 1)
    return { problems: [{ file, line, column: 1, key, found, allowed: 'allowed: a file as in docs/connection.md' }] }
  }
}

async function show(options: ConfigOptions, io: Io): Promise<void> {
  const { file, origins } = await configFor(options)
  const values = [...origins].map(([key, { value, from }]) => ({ key, value, from }))
  const rows = values.map(({ key, value, from }) => [
    key,
    value,
    from === 'default' ? from : `line ${from.slice(file.length + 1)}`,
  ])
  io.result(options.json, { version: 1, file, values }, [file, '', ...table([['key', 'value', 'from'], ...rows])])
}
