import { flat, type CommandNode, type OptionNode } from './completion/tree.ts'

/** The man pages of a program by their file names: one of its own and one for each command. Pure. */
export function manPages(tree: CommandNode, version: string): Readonly<Record<string, string>> {
  const others = tree.children.map(({ path }) => `sluice-${path}`)
  return Object.fromEntries([
    ['sluice.1', programPage(tree, version)],
    ...tree.children.map((node): [string, string] => [`sluice-${node.path}.1`, commandPage(node, version, others)]),
  ])
}

function programPage(tree: CommandNode, version: string): string {
  return page('sluice', tree.summary, version, [
    '.SH SYNOPSIS', `.B sluice\n.I command\n${roff('…')}`,
    '.SH DESCRIPTION', roff('Packs what capture tools write as small as it can, and uploads it when battery, network cost and data caps allow. Every command that prints takes --json.'),
    '.SH COMMANDS', ...tree.children.map(({ path, summary }) => tagged(bold(`sluice ${path}`), `${roff(summary)} See\n.BR ${roff(`sluice-${path}`)} (1).`)),
    ...optionSection(tree), ...exampleSection(tree),
    '.SH FILES',
    tagged(italic('~/.config/sluice/config.yaml'), roff('The person’s config; /etc/sluice/config.yaml is the machine’s.')),
    tagged(italic('/etc/sluice/policy.d/*.yaml'), roff('Policies over it.')),
    tagged(italic('~/.local/state/sluice'), roff('Journal, spool, settings and the socket of the running service.')),
    '.SH ENVIRONMENT',
    tagged(bold('SLUICE_CONFIG'), roff('The config file, where --config names none.')),
    tagged(bold('NO_COLOR'), roff('Print without colours.')),
    '.SH EXIT STATUS',
    tagged('0', roff('Done.')), tagged('1', roff('An error.')), tagged('2', roff('The command line or the config is wrong.')), tagged('75', roff('Something is held, and will leave later.')),
  ])
}

function commandPage(node: CommandNode, version: string, others: readonly string[]): string {
  const parts = flat(node)
  return page(`sluice-${node.path}`, node.summary, version, [
    '.SH SYNOPSIS', ...(node.children.length > 0 ? node.children : parts).flatMap((part, index) => [...(index > 0 ? ['.br'] : []), bold(part.usage)]),
    '.SH DESCRIPTION', roff(node.summary),
    ...(node.children.length === 0 ? [...parameterSection(node), ...optionSection(node)] : node.children.flatMap((child) => [
      `.SS ${roff(`sluice ${child.path}`)}`, roff(child.summary), ...child.parameters.map(parameter), ...child.options.map(option),
    ])),
    ...exampleSection({ ...node, examples: parts.flatMap(({ examples }) => examples) }),
    '.SH SEE ALSO', ['sluice', ...others.filter((name) => name !== `sluice-${node.path}`)].map((name) => `.BR ${roff(name)} (1)`).join(' ,\n'),
  ])
}

function page(name: string, summary: string, version: string, parts: readonly string[]): string {
  return [
    '.\\" Written from the program itself; do not edit.',
    `.TH ${roff(name.toUpperCase())} 1 "" "Sluice ${version}" "Sluice"`,
    '.SH NAME', `${roff(name)} \\- ${roff(summary.replace(/\.$/, ''))}`, ...parts, '',
  ].join('\n')
}

function parameterSection({ parameters }: CommandNode): string[] {
  return parameters.length === 0 ? [] : ['.SH PARAMETERS', ...parameters.map(parameter)]
}

function parameter({ name, summary }: CommandNode['parameters'][number]): string {
  return tagged(italic(name), roff(summary))
}

function optionSection({ options }: CommandNode): string[] {
  return options.length === 0 ? [] : ['.SH OPTIONS', ...options.map(option)]
}

function option({ flags, value, summary }: OptionNode): string {
  return tagged(bold(`${flags.join(', ')}${value === undefined ? '' : ` ${value}`}`), roff(summary))
}

function exampleSection({ examples }: Pick<CommandNode, 'examples'>): string[] {
  const told = [...new Map(examples)]
  return told.length === 0 ? [] : ['.SH EXAMPLES', ...told.map(([type, does]) => tagged(bold(type), roff(`${does.charAt(0).toUpperCase()}${does.slice(1)}.`)))]
}

const tagged = (tag: string, text: string): string => `.TP\n${tag}\n${text}`
const bold = (text: string): string => `\\fB${roff(text)}\\fR`
const italic = (text: string): string => `\\fI${roff(text)}\\fR`

/** Text that means itself to roff. */
function roff(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll("'", '\\(aq').replaceAll('~', '\\(ti').replaceAll('^', '\\(ha').replaceAll('`', '\\(ga').replaceAll('"', '\\(dq')
  const plain = escaped.replaceAll(/[\u0080-\uffff]/g, (sign) => `\\[u${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`)
  return plain.startsWith('.') ? `\\&${plain}` : plain
}
