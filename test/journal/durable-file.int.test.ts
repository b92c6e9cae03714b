import { chmodSync, chownSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeFolders, makePrivateFolder } from '../../src/journal/durable-file.ts'
import { readSettings, updateSettings } from '../../src/journal/settings.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const isRoot = process.getuid?.() === 0

describe('a private folder', () => {
  test('is made with those around it for its owner alone, and one that is there is left as it is', async () => {
    const folder = join(await temporaryFolder(), 'a/b/c')
    makePrivateFolder(folder)
    expect(['..', '.'].map((part) => statSync(join(folder, part)).mode & 0o777)).toEqual([0o700, 0o700])
    chmodSync(folder, 0o755)
    makePrivateFolder(folder)
    expect(statSync(folder).mode & 0o777).toBe(0o755)
  })

  test.each(['770', '702', '1777'])('that others may write to (mode %s) is refused: they could replace the file that holds a pause', async (mode) => {
    const folder = join(await temporaryFolder(), 'state')
    mkdirSync(folder)
    chmodSync(folder, Number.parseInt(mode, 8))
    const update = () => updateSettings(folder, (settings) => settings)
    expect(update).toThrow(expect.objectContaining({ code: 'state-unusable', message: expect.stringContaining(`chmod go-w ${folder}`) as string }))
    chmodSync(folder, 0o700)
    expect(update()).toEqual(readSettings(folder))
  })

  test.skipIf(!isRoot)('of another user is refused (skipped: needs root to make one)', async () => {
    const folder = await temporaryFolder()
    chownSync(folder, 65_534, 65_534)
    expect(() => makePrivateFolder(folder)).toThrow(/another user owns it/)
    chownSync(folder, 0, 0)
  })

  test('under a file, or behind a link to nothing, is an error', async () => {
    const folder = await temporaryFolder()
    writeFileSync(join(folder, 'file'), '')
    symlinkSync(join(folder, 'nothing'), join(folder, 'link'))
    for (const path of ['file', 'file/a', 'link', 'link/a']) {
      expect(() => makePrivateFolder(join(folder, path))).toThrow(expect.objectContaining({ code: 'state-unusable' }))
    }
  })
})

test.skipIf(!existsSync('/proc/self'))('folders that the system will not make are an error, and no endless try (skipped without /proc)', () => {
  for (const path of ['/proc/x', '/proc/x/y/z']) expect(() => makeFolders(path)).toThrow(expect.objectContaining({ code: 'ENOENT' }))
})
