import { flat, type CommandNode, type Places } from './tree.ts'

/** The completion of bash: after a command its own commands, options and parameters. Names are asked for when needed. Pure. */
export function bashCompletion(tree: CommandNode): string {
  const nodes = flat(tree)
  const commands = nodes.filter(({ path }) => path !== '').map(({ path }) => quoted(path)).join('|')
  const valued = [...new Set(nodes.flatMap(({ options }) => options.filter(({ value }) => value !== undefined).flatMap(({ flags }) => flags)))]
  const values = nodes.flatMap(({ path, options }) => options.flatMap(({ flags, takes }) =>
    takes ? [`    ${flags.map((flag) => quoted(`${path}:${flag}`)).join('|')}) ${complete(takes)}; return ;;`] : []))
  const places = nodes.flatMap(({ path, parameters }) => parameters.flatMap(({ takes }, index) =>
    takes ? [`    ${quoted(`${path}:${index}`)}) ${complete(takes)} ;;`] : []))
  return `# bash completion for sluice. Written from the program itself; do not edit.

_sluice_words() { while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$1" -- "$cur"); }
_sluice_names() { _sluice_words "$("\${COMP_WORDS[0]}" completion names "$1" 2>/dev/null)"; }
_sluice_files() { compopt -o filenames 2>/dev/null; while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur"); }

_sluice() {
  local cur=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path='' count=0 index word
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    case $word in
      ${valued.join('|')}) ((index++)); continue ;;
      -*) continue ;;
    esac
    case "\${path:+$path }$word" in
      ${commands}) path="\${path:+$path }$word" ;;
      *) ((count++)) ;;
    esac
  done
  case "$path:$previous" in
${values.join('\n')}
  esac
  if [[ $cur == -* ]]; then
    case $path in
${nodes.map(({ path, options }) => `      ${quoted(path)}) _sluice_words ${quoted(options.flatMap(({ flags }) => flags).join(' '))} ;;`).join('\n')}
    esac
    return
  fi
  case $path in
${nodes.filter(({ children }) => children.length > 0).map(({ path, children }) => `    ${quoted(path)}) _sluice_words ${quoted(children.map(lastWord).join(' '))} ;;`).join('\n')}
  esac
  case "$path:$count" in
${places.join('\n')}
  esac
}

complete -F _sluice sluice
`
}

function complete(takes: Places): string {
  if ('words' in takes) return `_sluice_words ${quoted(takes.words.join(' '))}`
  return 'names' in takes ? `_sluice_names ${takes.names}` : '_sluice_files'
}

const lastWord = ({ path }: CommandNode): string => path.split(' ').at(-1) ?? ''

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
