import { bashCompletion } from './completion/bash.ts'
import { fishCompletion } from './completion/fish.ts'
import { treeOf } from './completion/tree.ts'
import { zshCompletion } from './completion/zsh.ts'
import { programFor } from './main.ts'
import { manPages } from './man-page.ts'
import { processIo } from './process-io.ts'
import { programVersion } from '../daemon/version.ts'

/** Man pages and completions by their path in the package. */
export function writtenPages(): Readonly<Record<string, string>> {
  const tree = treeOf(programFor(processIo()))
  const pages = Object.entries(manPages(tree, programVersion())).map(([name, text]): [string, string] => [`docs/man/${name}`, text])
  return {
    ...Object.fromEntries(pages),
    'completions/sluice.bash': bashCompletion(tree), 'completions/_sluice': zshCompletion(tree), 'completions/sluice.fish': fishCompletion(tree),
  }
}
