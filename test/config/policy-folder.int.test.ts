import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { loadEffective } from '../../config/load.ts'
import { readPolicies } from '../../config/policy-folder.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { smallest } from './sample.ts'

const ownerId = process.getuid?.() ?? 0
const noOwners = process.platform === 'win32' ? ' (no owners here)' : ''
const noRoot = ownerId === 0 ? '' : ' (needs root)'

/** A folder of policies inside of one that is trusted. */
async function policyFolder(files: Readonly<Record<string, string>> = { '10.yaml': 'effort: 3\n' }): Promise<string> {
  const folder = join(await temporaryFolder(), 'etc/policy.d')
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o644 })
  return folder
}

async function found(folder: string): Promise<readonly string[]> {
  const read = await readPolicies(folder, ownerId)
  return 'problems' in read ? read.problems.map(({ file, found: what }) => `${file.slice(folder.length - 'etc/policy.d'.length)}: ${what}`) : read.map(({ text }) => text.trim())
}

test('policies are read in the order of their names; other files and a missing folder are none', async () => {
  const folder = await policyFolder({ '20.yaml': 'second', '10.yaml': 'first', '9.yaml': 'last', '30.yaml.bak': 'x', 'README': 'x', '.40.yaml': 'x' })
  expect(await found(folder)).toEqual(['first', 'second', 'last'])
  expect(await found(join(folder, 'missing'))).toEqual([])
})

describe.skipIf(noOwners !== '')(`what others could change is refused${noOwners}`, () => {
  test.each([0o666, 0o664, 0o646, 0o777].map((mode) => [mode.toString(8), mode] as const))('a file of mode %s', async (_, mode) => {
    const folder = await policyFolder({ '10.yaml': 'effort: 3', '20.yaml': 'effort: 4' })
    chmodSync(join(folder, '20.yaml'), mode)
    expect(await found(folder)).toEqual([`etc/policy.d/20.yaml: found it writable by others (mode ${mode.toString(8)})`])
  })

  test.each([0o777, 0o775, 0o1777].map((mode) => [mode.toString(8), mode] as const))('a folder of mode %s', async (_, mode) => {
    const folder = await policyFolder()
    chmodSync(folder, mode)
    expect(await found(folder)).toEqual([`etc/policy.d: found it writable by others (mode ${(mode & 0o777).toString(8)})`])
  })

  test('a folder above, unless it is one like /tmp', async () => {
    const folder = await policyFolder()
    chmodSync(join(folder, '..'), 0o777)
    expect(await found(folder)).toEqual(['etc: found above the policies, and writable by others'])
    chmodSync(join(folder, '..'), 0o1777)
    expect(await found(folder)).toEqual(['effort: 3'])
  })

  test('a link, to a file or of the folder', async () => {
    const folder = await policyFolder({})
    const other = await policyFolder()
    symlinkSync(join(other, '10.yaml'), join(folder, '10.yaml'))
    expect(await found(folder)).toEqual(['etc/policy.d/10.yaml: found a link'])
    rmSync(folder, { recursive: true })
    symlinkSync(other, folder)
    expect(await found(folder)).toEqual(['etc/policy.d: found a link'])
    rmSync(folder)
    symlinkSync('nowhere', folder)
    expect(await found(folder)).toEqual(['etc/policy.d: found a link'])
  })

  test('what is no file', async () => {
    const folder = await policyFolder({})
    mkdirSync(join(folder, '10.yaml'), { mode: 0o755 })
    execFileSync('mkfifo', ['-m', '644', join(folder, '20.yaml')])
    expect(await found(folder)).toEqual([
      'etc/policy.d/10.yaml: found something that is no regular file', 'etc/policy.d/20.yaml: found something that is no regular file',
    ])
  })

  test.skipIf(noRoot !== '')(`a file, a folder, or a folder above of another user${noRoot}`, async () => {
    const folder = await policyFolder()
    const nobody = 65_534
    chownSync(join(folder, '10.yaml'), nobody, 0)
    expect(await found(folder)).toEqual([`etc/policy.d/10.yaml: found it owned by user ${nobody}`])
    chownSync(folder, nobody, 0)
    expect(await found(folder)).toEqual([`etc/policy.d: found it owned by user ${nobody}`])
    chownSync(join(folder, '..'), nobody, 0)
    expect(await found(folder)).toEqual(['etc: found above the policies, and owned by another user'])
    expect(await readPolicies(folder, nobody)).toMatchObject([{ text: 'effort: 3\n' }]) // the config is theirs as well
  })

  test('with it all of the config', async () => {
    const folder = await policyFolder()
    const file = join(folder, '../c.yaml')
    writeFileSync(file, smallest)
    expect((await loadEffective(file, folder)).config.effort).toBe(3)
    chmodSync(join(folder, '10.yaml'), 0o666)
    await expect(loadEffective(file, folder)).rejects.toMatchObject({ code: 'config-invalid', message: expect.stringContaining('10.yaml was refused, one problem') as string })
  })
})
