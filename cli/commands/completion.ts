import { Argument, type Command } from 'commander'
import type { CommandNode, NameKind } from '../completion/tree.ts'
import type { ConfigOptions } from '../options.ts'
import type { Io } from '../output.ts'
import { nameKinds } from '../completion/tree.ts'
import { configFor, describe } from '../options.ts'

const shells = ['bash', 'zsh', 'fish'] as const

export function register(program: Command, io: Io): void {
  const group = program.command('completion').addArgument(new Argument('<shell>', 'whose').choices(shells))
  describe(group, 'Print what completes commands, options and names in a shell.', [
    ['sluice completion bash > ~/.local/share/bash-completion/completions/sluice', 'for bash'],
    ['sluice completion zsh > ~/.zfunc/_sluice', 'for zsh, with ~/.zfunc in $fpath'],
    ['sluice completion fish > ~/.config/fish/completions/sluice.fish', 'for fish'],
  ]).action((shell: (typeof shells)[number]) => print(program, shell))
  group.command('names', { hidden: true }).addArgument(new Argument('<kind>').choices(nameKinds)).action((kind: NameKind) => names(kind, io))
}

async function print(program: Command, shell: (typeof shells)[number]): Promise<void> {
  const [{ treeOf }, text] = await Promise.all([import('../completion/tree.ts'), textFor(shell)])
  process.stdout.write(text(treeOf(program)))
}

async function textFor(shell: (typeof shells)[number]): Promise<(tree: CommandNode) => string> {
  switch (shell) {
    case 'bash':
      return (await import('../completion/bash.ts')).bashCompletion
    case 'zsh':
      return (await import('../completion/zsh.ts')).zshCompletion
    case 'fish':
      return (await import('../completion/fish.ts')).fishCompletion
  }
}

/** One name a line; none where the config is missing or wrong, as nobody can be told of that in the middle of a line. */
async function names(kind: NameKind, io: Io): Promise<void> {
  const options: ConfigOptions = {}
  const found = await configFor(options).catch(() => undefined)
  if (!found) return
  io.result(false, {}, await namesOf(kind, found.config))
}

async function namesOf(kind: NameKind, { streams, stateFolder }: Awaited<ReturnType<typeof configFor>>['config']): Promise<string[]> {
  if (kind === 'streams') return streams.map(({ name }) => name)
  const { readSettings } = await import('../../src/journal/settings.ts')
  const { caps, networks } = readSettings(stateFolder)
  return kind === 'caps' ? caps.map(({ id }) => id) : ['current', ...networks.map(({ name }) => name)]
}
