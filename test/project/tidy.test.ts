import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { expect, test } from 'vitest'

import { importsOf, projectFiles, root, textOf } from './files.ts'

const files = projectFiles()
const code = files.filter((path) => /\.(ts|mjs|js)$/.test(path))
const self = 'test/project/tidy.test.ts'

/** Program files that something other than an import starts. */
const entries = new Set(['src/workers/thread.ts', 'cli/main.ts', 'config/generate-docs.ts', 'bench/main.ts', 'daemon/main.ts'])

/** Implementations beside the one that runs: the tests hold them to the same suite, and readers elsewhere use them. */
const standIns = new Set(['src/transfer/memory.ts', 'src/compress/zstd-portable.ts'])

/** `path:line` of every line that matches, in all files but this one. */
function linesThatMatch(paths: readonly string[], pattern: RegExp): string[] {
  return paths.filter((path) => path !== self).flatMap((path) =>
    textOf(path).split('\n').flatMap((line, index) => pattern.test(line) ? [`${path}:${index + 1}`] : []))
}

test('nothing is left to do later', () => {
  expect(linesThatMatch(
    files.filter((path) => /\.(ts|mjs|md|ya?ml)$/.test(path)),
    /\b(TODO|FIXME|XXX|HACK)\b/,
  )).toEqual([])
})

test('no test runs alone', () => {
  expect(linesThatMatch(code, /\b(test|describe|it)\.only\b/)).toEqual([])
})

test('nothing prints but through cli/output.ts', () => {
  expect(linesThatMatch(code.filter((path) => path !== 'cli/output.ts'), /\bconsole\.\w+\(/)).toEqual([])
})

test('no file has more than 400 lines', () => {
  expect(code.filter((path) => textOf(path).trimEnd().split('\n').length > 400)).toEqual([])
})

test('there are no barrel files', () => {
  expect(code.filter((path) => /(^|\/)index\.(ts|mjs|js)$/.test(path))).toEqual([])
})

test('every program file is imported by another one', () => {
  const imported = new Set(code.filter((path) => !path.startsWith('test/')).flatMap(importsOf))
  const program = code.filter(
    (path) => /^(src|cli|config|daemon)\/.*(?<!\.d)\.ts$/.test(path) && !entries.has(path) && !standIns.has(path),
  )
  expect(program.filter((path) => !imported.has(path))).toEqual([])
})

test('there are no leftovers', () => {
  expect(files.filter((path) => /(\.orig|\.rej|\.bak|\.tmp|\.log|\.swp|~|\.tgz)$|\.DS_Store$/.test(path))).toEqual([])
})

test('every relative link in the docs leads somewhere', () => {
  const broken = files.filter((path) => path.endsWith('.md')).flatMap((path) => {
    const text = textOf(path).replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, '')
    return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
      if (/^[a-z]+:/.test(target)) return []
      const [file = '', anchor] = target.split('#')
      const found = file === '' ? path : join(dirname(path), decodeURIComponent(file))
      if (!existsSync(join(root, found))) return [`${path} → ${target}`]
      return anchor === undefined || !found.endsWith('.md') || anchorsOf(found).has(anchor) ? [] : [`${path} → ${target}`]
    })
  })
  expect(broken).toEqual([])
})

/** The anchors of a page's headings, as code hosts make them. */
function anchorsOf(path: string): Set<string> {
  const headings = [...textOf(path).matchAll(/^#{1,6} +(.*)$/gm)].map(([, heading = '']) => heading)
  return new Set(headings.map(
    (heading) => heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').trim().replaceAll(' ', '-'),
  ))
}
