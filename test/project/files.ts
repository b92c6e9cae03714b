import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

import ts from 'typescript'

export const root = join(import.meta.dirname, '../..')

const skipped = new Set(['node_modules', '.git', 'out'])

/** Every file of the project, relative to its root, with `/` between parts. */
export function projectFiles(): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !path.split('/').some((part) => skipped.has(part)))
}

export function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** What a file imports: project files by their path from the root, everything else as written. */
export function importsOf(path: string): string[] {
  return ts.preProcessFile(textOf(path), true, true).importedFiles
    .map(({ fileName }) => fileName.startsWith('.') ? join(dirname(path), fileName) : fileName)
}

/** As `importsOf`, without `import type`, which leaves nothing behind. */
export function runtimeImportsOf(path: string): string[] {
  const js = ts.transpileModule(
    textOf(path),
    { compilerOptions: { verbatimModuleSyntax: true, module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ESNext } },
  )
  return ts.preProcessFile(js.outputText, true, true).importedFiles
    .map(({ fileName }) => fileName.startsWith('.') ? join(dirname(path), fileName) : fileName)
}
