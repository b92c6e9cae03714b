import type { Command } from 'commander'

import type { LoadedConfig } from '../config/parse.ts'

/** Gives a command its sentence and the examples that end its help: what to type, and what that does. */
export function describe(
  command: Command,
  sentence: string,
  examples: readonly (readonly [type: string, does: string])[],
): Command {
  const lines = examples.map(([type, does]) => `  ${type}\n      ${does}`)
  return command.description(sentence).addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
}

export interface OutputOptions {
  readonly json?: boolean
}

export interface ConfigOptions extends OutputOptions {
  readonly config?: string
}

export function addJson(command: Command): Command {
  return command.option('--json', 'print JSON')
}

export function addConfig(command: Command): Command {
  return command.option(
    '--config <file>',
    'the config file (default: $SLUICE_CONFIG,\n~/.config/sluice/config.yaml, /etc/sluice/config.yaml)',
  )
}

/** The config that the options, or the environment, name. Throws `config-missing` or `config-invalid`. */
export async function configFor({ config }: ConfigOptions): Promise<LoadedConfig & { readonly file: string }> {
  const [{ locateConfig }, { loadConfig }] = await Promise.all([
    import('../config/locate.ts'),
    import('../config/load.ts'),
  ])
  const file = locateConfig(config)
  return { ...await loadConfig(file), file }
}
