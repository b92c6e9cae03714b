import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { json, root, runProcess, sandbox } from './run.ts'

const isRoot = process.getuid?.() === 0
const setpriv = '/usr/bin/setpriv'
const nobody = 65_534

describe.skipIf(process.platform === 'win32' || (isRoot && !existsSync(setpriv)))('run --once (skipped on Windows, and for root without setpriv)', () => {
  test('exits with 75 and says so when a file or a folder cannot be read, and with 0 once it can', async () => {
    using box = sandbox('conditions: { power: mains, network: free }\n')
    const captures = join(box.folder, 'captures')
    const [file, folder] = [join(captures, 'hidden'), join(captures, 'closed')]
    mkdirSync(folder, { recursive: true })
    for (const path of [file, join(captures, 'open')]) writeFileSync(path, 'text')
    // Root reads everything.
    if (isRoot) for (const path of [box.folder, captures, file, folder]) chownSync(path, nobody, nobody)
    for (const path of [file, folder]) chmodSync(path, 0)
    const once = (...more: string[]) => {
      const command = [process.execPath, join(root, 'cli/launch.mjs'), 'run', '--once', '--config', join(box.folder, 'sluice.yaml'), ...more]
      const become = isRoot ? [setpriv, `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'] : []
      const [program = '', ...parameters] = [...become, ...command]
      return runProcess(program, parameters)
    }
    const held = await once()
    expect(held.code).toBe(75)
    expect(held.stderr).toContain('held: 2 files or folders cannot be read; the next run tries again\n')
    expect(held.stdout).toContain('sent 1 pack')
    const told = await once('--json')
    expect(told.code).toBe(75)
    expect(json({ ...told, stderr: '' })).toMatchObject({ version: 1, unreadable: 2, backlogPacks: 0 })
    for (const path of [file, folder]) chmodSync(path, 0o700)
    expect(await once()).toMatchObject({ code: 0, stderr: '' })
  })
})
