import type { Command, Option } from 'commander'

/** What may stand in a place of a command line, where that can be completed: words that are always the same, or names of a kind. */
export type Places = { readonly words: readonly string[] } | { readonly names: NameKind } | { readonly files: true }

/** What `sluice completion names KIND` lists. */
export const nameKinds = ['streams', 'caps', 'networks'] as const
export type NameKind = (typeof nameKinds)[number]

/** A command as its help tells it: what completions and man pages are made from. */
export interface CommandNode {
  /** Without the program: `cap set`; '' for the program itself. */
  readonly path: string
  readonly summary: string
  readonly usage: string
  readonly options: readonly OptionNode[]
  readonly parameters: readonly { readonly name: string; readonly summary: string; readonly takes?: Places }[]
  readonly children: readonly CommandNode[]
  /** What to type, and what that does. */
  readonly examples: readonly (readonly [string, string])[]
}

export interface OptionNode {
  /** `--json`, `-h`; the long one last. */
  readonly flags: readonly string[]
  /** The name of its value, as `<file>`, where it takes one. */
  readonly value?: string
  readonly takes?: Places
  readonly summary: string
}

/** What parameters take, by the command and their place in it. */
const parameterPlaces: Readonly<Record<string, readonly (Places | undefined)[]>> = {
  'stream on': [{ names: 'streams' }],
  'stream off': [{ names: 'streams' }],
  'cap remove': [{ names: 'caps' }],
  'network set': [{ names: 'networks' }, { words: ['metered', 'free', 'auto'] }],
  'config check': [{ files: true }],
  'completion': [{ words: ['bash', 'zsh', 'fish'] }],
  'pause': [{ words: ['30m', '1h', '2h', 'until'] }],
  'report': [{ files: true }],
}

/** What values of options take, by their flag or by the name of their value. */
const valuePlaces: Readonly<Record<string, Places>> = {
  '--stream': { names: 'streams' },
  '--network': { names: 'networks' },
  '--on': { words: ['metered', 'free'] },
  '<file>': { files: true },
  '<folder>': { files: true },
}

/** A program and all its commands, but those that are hidden. Pure but for the order in which commander was told of them. */
export function treeOf(command: Command, path = ''): CommandNode {
  const help = command.createHelp()
  const children = help.visibleCommands(command).filter((child) => child.name() !== 'help')
  return {
    path,
    summary: command.description(),
    usage: `sluice${path === '' ? '' : ` ${path}`} ${command.usage()}`,
    options: help.visibleOptions(command).map(optionNode),
    parameters: command.registeredArguments.map((argument, index) => {
      const takes = parameterPlaces[path]?.[Math.min(index, (parameterPlaces[path]?.length ?? 1) - 1)]
      return { name: argument.name(), summary: oneLine(argument.description), ...(takes && { takes }) }
    }),
    children: children.map((child) => treeOf(child, path === '' ? child.name() : `${path} ${child.name()}`)),
    examples: examplesOf(command),
  }
}

function optionNode({ short, long, flags, description, required, optional }: Option): OptionNode {
  const value = required || optional ? /[<[].*[>\]]$/.exec(flags)?.[0] : undefined
  const takes = valuePlaces[long ?? ''] ?? valuePlaces[value ?? '']
  return {
    flags: [short, long].filter((flag) => flag !== undefined), summary: oneLine(description),
    ...(value !== undefined && { value, ...(takes && { takes }) }),
  }
}

/** The command and all below it. */
export function flat(node: CommandNode): CommandNode[] {
  return [node, ...node.children.flatMap(flat)]
}

/** As its help ends with them. */
function examplesOf(command: Command): [string, string][] {
  let text = ''
  const before = command.configureOutput()
  command.configureOutput({ ...before, writeOut: (part) => { text += part } })
  command.outputHelp()
  command.configureOutput(before)
  const [, examples = ''] = text.split('\nExamples:\n')
  return [...examples.matchAll(/^ {2}(\S.*)\n {6}(\S.*)$/gm)].map(([, type = '', does = '']) => [type, does])
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim()
