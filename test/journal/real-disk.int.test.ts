import { execFileSync } from 'node:child_process'
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { realDisk } from '../../src/journal/real-disk.ts'
import { temporaryFolder } from '../temporary-folder.ts'

describe('the real disk', () => {
  test('makes folders 0700 and files 0600', async () => {
    const folder = join(await temporaryFolder(), 'state')
    await realDisk.makeFolder(folder)
    await realDisk.makeFolder(folder)
    await (await realDisk.open(join(folder, 'a'), 'w')).close()
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect((await stat(join(folder, 'a'))).mode & 0o777).toBe(0o600)
  })

  test('makes no folder below a missing one', async () => {
    await expect(realDisk.makeFolder(join(await temporaryFolder(), 'a', 'b'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('w empties a file, r+ keeps or creates it, r needs it', async () => {
    const path = join(await temporaryFolder(), 'a')
    await expect(realDisk.open(path, 'r')).rejects.toMatchObject({ code: 'ENOENT' })
    for (const [mode, sizeBytes] of [['r+', 0], ['r+', 5], ['r', 5], ['w', 0]] as const) {
      await using file = await realDisk.open(path, mode)
      expect(await file.size()).toBe(sizeBytes)
      if (mode === 'r+') await file.write(Buffer.from('12345'), 0)
    }
  })

  test('reads, writes and cuts at any offset, and syncs', async () => {
    const folder = await temporaryFolder()
    await using file = await realDisk.open(join(folder, 'a'), 'w')
    await file.write(Buffer.from('0123456789'), 0)
    await file.write(Buffer.from('ab'), 4)
    await file.truncate(8)
    await file.sync()
    await realDisk.syncFolder(folder)
    const buffer = new Uint8Array(16)
    expect(await file.read(buffer, 3)).toBe(5)
    expect(Buffer.from(buffer.subarray(0, 5)).toString()).toBe('3ab67')
    expect(await file.read(buffer, 8)).toBe(0)
  })

  test('renames over a file, removes, lists sorted, and knows sizes', async () => {
    const folder = await temporaryFolder()
    for (const name of ['b', 'a', 'B', '.c']) await writeFile(join(folder, name), name.repeat(3))
    await realDisk.rename(join(folder, 'a'), join(folder, 'b'))
    await realDisk.remove(join(folder, 'B'))
    await realDisk.remove(join(folder, 'B'))
    expect(await realDisk.list(folder)).toEqual(['.c', 'b'])
    expect(await realDisk.list(join(folder, 'missing'))).toEqual([])
    expect(await realDisk.size(join(folder, 'b'))).toBe(3)
    expect(await realDisk.size(join(folder, 'a'))).toBeUndefined()
    expect(await readFile(join(folder, 'b'), 'utf8')).toBe('aaa')
    expect(await realDisk.freeBytes(folder)).toBeGreaterThan(0)
  })

  test('opens neither links nor pipes nor folders, and gives them no size', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'file'), 'x')
    await symlink(join(folder, 'file'), join(folder, 'link'))
    execFileSync('mkfifo', [join(folder, 'pipe')])
    await mkdir(join(folder, 'folder'))
    for (const [name, code] of [['link', 'ELOOP'], ['pipe', 'EISDIR'], ['folder', 'EISDIR']] as const) {
      await expect(realDisk.open(join(folder, name), 'r')).rejects.toMatchObject({ code })
      expect(await realDisk.size(join(folder, name))).toBeUndefined()
    }
    await expect(realDisk.open(join(folder, 'link'), 'w')).rejects.toMatchObject({ code: 'ELOOP' })
  })

  test('a write larger than one system call arrives whole', async () => {
    const path = join(await temporaryFolder(), 'a')
    const bytes = Buffer.alloc(20 << 20, 'sluice')
    await using file = await realDisk.open(path, 'w')
    await file.write(bytes, 0)
    expect((await readFile(path)).equals(bytes)).toBe(true)
  })
})
