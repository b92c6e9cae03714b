import type { Command } from 'commander'

import type { EffectiveConfig } from '../config/load.ts'

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

/** The config that the options, or the environment, name, with the policies over it. Throws `config-missing` or `config-invalid`. */
export async function configFor({ config }: ConfigOptions): Promise<EffectiveConfig> {
  const [{ locateConfig }, { loadEffective }, { policyFolder }] = await Promise.all([
    import('../config/locate.ts'), import('../config/load.ts'), import('../config/policy-folder.ts'),
  ])
  return await loadEffective(locateConfig(config), policyFolder())
}
