import { flat, type CommandNode, type Places } from './tree.ts'

/** The completion of zsh, with what each command and option does. Names are asked for when needed. Pure. */
export function zshCompletion(tree: CommandNode): string {
  const nodes = flat(tree)
  const commands = nodes.filter(({ path }) => path !== '').map(({ path }) => quoted(path)).join('|')
  const valued = [...new Set(nodes.flatMap(({ options }) => options.filter(({ value }) => value !== undefined).flatMap(({ flags }) => flags)))]
  const values = nodes.flatMap(({ path, options }) => options.flatMap(({ flags, takes }) =>
    takes ? [`    ${flags.map((flag) => quoted(`${path}:${flag}`)).join('|')}) ${complete(takes)}; return ;;`] : []))
  const places = nodes.flatMap(({ path, parameters }) => parameters.flatMap(({ takes }, index) =>
    takes ? [`    ${quoted(`${path}:${index}`)}) ${complete(takes)} ;;`] : []))
  return `#compdef sluice
# zsh completion for sluice. Written from the program itself; do not edit.

_sluice_names() {
  local -a found
  found=(\${(f)"$($words[1] completion names $1 2>/dev/null)"})
  compadd -a found
}

_sluice() {
  local previous=$words[CURRENT-1] cur=$words[CURRENT] path_of='' word
  local -i index count=0
  local -a told
  for ((index = 2; index < CURRENT; index++)); do
    word=$words[index]
    case $word in
      ${valued.map((flag) => `(${flag})`).join('|').replaceAll(/[()]/g, '')}) ((index++)); continue ;;
      -*) continue ;;
    esac
    case "\${path_of:+$path_of }$word" in
      ${commands}) path_of="\${path_of:+$path_of }$word" ;;
      *) ((count++)) ;;
    esac
  done
  case "$path_of:$previous" in
${values.join('\n')}
  esac
  if [[ $cur == -* ]]; then
    case $path_of in
${nodes.map(({ path, options }) => `      ${quoted(path)}) told=(${options.flatMap(({ flags, summary }) => flags.map((flag) => entry(flag, summary))).join(' ')}) ;;`).join('\n')}
    esac
    _describe option told
    return
  fi
  case $path_of in
${nodes.filter(({ children }) => children.length > 0).map(({ path, children }) => `    ${quoted(path)}) told=(${children.map((child) => entry(child.path.split(' ').at(-1) ?? '', child.summary)).join(' ')}); _describe command told ;;`).join('\n')}
  esac
  case "$path_of:$count" in
${places.join('\n')}
  esac
}

# Loaded by compinit, or read by hand.
if [[ $funcstack[1] == _sluice ]]; then _sluice "$@"; else compdef _sluice sluice; fi
`
}

function complete(takes: Places): string {
  if ('words' in takes) return `compadd -- ${takes.words.join(' ')}`
  return 'names' in takes ? `_sluice_names ${takes.names}` : '_files'
}

const entry = (word: string, summary: string): string => quoted(`${word.replaceAll(':', '\\:')}:${summary}`)

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
