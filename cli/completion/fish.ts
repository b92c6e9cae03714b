import { flat, type CommandNode, type Places } from './tree.ts'

/** The completion of fish, with what each command and option does. Names are asked for when needed. Pure. */
export function fishCompletion(tree: CommandNode): string {
  const nodes = flat(tree)
  const commands = nodes.filter(({ path }) => path !== '').map(({ path }) => quoted(path)).join(' ')
  const valued = [...new Set(nodes.flatMap(({ options }) => options.filter(({ value }) => value !== undefined).flatMap(({ flags }) => flags)))]
  return `# fish completion for sluice. Written from the program itself; do not edit.

# Prints the command that is typed so far, and how many parameters follow it.
function __sluice_place
    set -l path
    set -l count 0
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
            continue
        end
        if contains -- $word ${valued.join(' ')}
            set skip 1
            continue
        end
        string match -q -- '-*' $word; and continue
        set -l longer (string trim -- "$path $word")
        if contains -- $longer ${commands}
            set path $longer
        else
            set count (math $count + 1)
        end
    end
    echo "$path:$count"
end

function __sluice_at
    string match -q -- "$argv[1]:*" (__sluice_place)
end

function __sluice_is
    test "$argv[1]" = (__sluice_place)
end

function __sluice_names
    set -l program (commandline -opc)[1]
    $program completion names $argv[1] 2>/dev/null
end

complete -c sluice -f
${nodes.flatMap((node) => lines(node)).join('\n')}
`
}

function lines({ path, options, parameters, children }: CommandNode): string[] {
  const at = `complete -c sluice -n ${quoted(`__sluice_at ${quoted(path)}`)}`
  return [
    ...children.map((child) => `complete -c sluice -n ${quoted(`__sluice_is ${quoted(`${path}:0`)}`)} -a ${child.path.split(' ').at(-1)} -d ${quoted(child.summary)}`),
    ...options.map(({ flags, value, takes, summary }) => {
      const names = flags.map((flag) => flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`).join(' ')
      return `${at} ${names}${value === undefined ? '' : ` ${takes ? complete(takes) : '-x'}`} -d ${quoted(summary)}`
    }),
    ...parameters.flatMap(({ takes }, index) => takes ? [`complete -c sluice -n ${quoted(`__sluice_is ${quoted(`${path}:${index}`)}`)} ${complete(takes, 'parameter')}`] : []),
  ]
}

function complete(takes: Places, of: 'value' | 'parameter' = 'value'): string {
  if ('files' in takes) return of === 'value' ? '-r -F' : '-F'
  const words = 'words' in takes ? takes.words.join(' ') : `(__sluice_names ${takes.names})`
  return `${of === 'value' ? '-x ' : ''}-a ${quoted(words)}`
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
