import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { root, runProcess, sandbox, type Sandbox } from './run.ts'

let box: Sandbox
beforeAll(() => {
  box = sandbox()
  const folder = join(box.folder, 'bin')
  mkdirSync(folder)
  const program = join(folder, 'sluice')
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'cli/launch.mjs')}" "$@"\n`)
  chmodSync(program, 0o755)
})
afterAll(() => box[Symbol.dispose]())

/** What is typed, the last word unfinished, and what it may become. */
const cases: readonly [string, string[]][] = [
  ['sluice st', ['status', 'stream']],
  ['sluice cap ', ['list', 'remove', 'set']],
  ['sluice cap set --re', ['--reset-day']],
  ['sluice stream off ', ['a']],
  ['sluice cap set 5GB/month --stream ', ['a']],
  ['sluice network set home ', ['auto', 'free', 'metered']],
  ['sluice completion ', ['bash', 'fish', 'zsh']],
  ['sluice stream off --config x ', ['a']],
]

const isThere = (program: string): boolean => ['/usr/bin', '/bin'].some((folder) => existsSync(join(folder, program)))

async function completed(shell: string, parameters: string[]): Promise<string[]> {
  const PATH = `${join(box.folder, 'bin')}:${process.env['PATH'] ?? ''}`
  const { stdout, stderr } = await runProcess(shell, parameters, { PATH, SLUICE_CONFIG: join(box.folder, 'sluice.yaml'), XDG_CONFIG_HOME: box.folder })
  expect(stderr).toBe('')
  return stdout.split('\n').map((line) => line.split('\t')[0] ?? '').filter(Boolean).sort()
}

describe.each(['bash', 'fish'])('%s completes', (shell) => {
  test.skipIf(!isThere(shell)).each(cases)('%j (skipped without the shell)', async (typed, expected) => {
    const words = typed.split(' ').map((word) => `'${word}'`).join(' ')
    const script = shell === 'bash'
      ? `source ${root}/completions/sluice.bash; COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _sluice; printf '%s\\n' "\${COMPREPLY[@]}"`
      : `source ${root}/completions/sluice.fish; complete -C '${typed}'`
    expect(await completed(shell, ['-c', script])).toEqual(expected)
  })
})

describe('zsh completes', () => {
  // Completion of zsh runs only inside its line editor: what it offers is written down in place of shown.
  test.skipIf(!isThere('zsh')).each(cases)('%j (skipped without the shell)', async (typed, expected) => {
    const words = typed.split(' ').map((word) => `'${word}'`).join(' ')
    const script = `
      compdef() {}
      compadd() { while [[ $1 == -* && $1 != -- ]]; do if [[ $1 == -a ]]; then shift; print -l -- "\${(P@)1}"; return; fi; shift; done; [[ $1 == -- ]] && shift; print -l -- "$@" }
      _describe() { local -a its=("\${(P@)2}"); print -l -- "\${its[@]%%:*}" }
      _files() {}
      source ${root}/completions/_sluice
      words=(${words}); CURRENT=$#words
      _sluice | while read -r found; do [[ $found == "\${words[CURRENT]}"* ]] && print -r -- $found; done; true`
    expect(await completed('zsh', ['-f', '-c', script])).toEqual(expected)
  })
})

test.skipIf(!isThere('groff'))('every man page is written as groff wants it (skipped without groff)', async () => {
  const pages = readdirSync(join(root, 'docs/man'))
  expect(pages).toContain('sluice-status.1')
  const { code, stderr } = await runProcess('groff', ['-man', '-ww', '-Tutf8', '-z', ...pages.map((page) => join(root, 'docs/man', page))])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})
