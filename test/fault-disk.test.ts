import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Disk } from '../src/journal/disk.ts'
import { CrashError, faultDisk, type CrashMode } from './fault-disk.ts'
import { temporaryFolder } from './temporary-folder.ts'

const [old, fresh] = [Buffer.from('old'), Buffer.from('fresh')]

async function write(disk: Disk, path: string, bytes: Uint8Array, sync = false): Promise<void> {
  await using file = await disk.open(path, 'w')
  await file.write(bytes, 0)
  if (sync) await file.sync()
}

async function contents(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder)
  const found: Record<string, string> = {}
  for (const name of names.sort()) found[name] = await readFile(join(folder, name), 'utf8')
  return found
}

/** What a folder that held `before` holds after the work and a crash. */
async function after(
  mode: CrashMode,
  before: Record<string, string>,
  work: (disk: Disk, folder: string) => Promise<void>,
): Promise<Record<string, string>> {
  const folder = await temporaryFolder()
  for (const [name, text] of Object.entries(before)) await writeFile(join(folder, name), text)
  const disk = faultDisk({ mode })
  await work(disk, folder)
  await disk.crash()
  return contents(folder)
}

describe('the fault disk', () => {
  test('stops at the operation it is told to, half-way through a write, and does nothing more', async () => {
    const folder = await temporaryFolder()
    const disk = faultDisk({ crashAt: 4 })
    await disk.makeFolder(join(folder, 'sub'))
    const file = await disk.open(join(folder, 'a'), 'w')
    await file.write(old, 0)
    await expect(file.write(Buffer.from('12345678'), 3)).rejects.toThrow(CrashError)
    await expect(file.sync()).rejects.toThrow(CrashError)
    await expect(file.read(new Uint8Array(1), 0)).rejects.toThrow(CrashError)
    await expect(disk.list(folder)).rejects.toThrow(CrashError)
    await file.close()
    expect(disk.operations.map(operation => operation.kind)).toEqual(['makeFolder', 'create', 'write', 'write'])
    expect(await readFile(join(folder, 'a'), 'utf8')).toBe('old1234')
  })

  test('throws the system error it is told to and lives on', async () => {
    const path = join(await temporaryFolder(), 'a')
    const disk = faultDisk({ fail: ({ kind }, number) => kind === 'write' && number === 2 ? 'ENOSPC' : undefined })
    await using file = await disk.open(path, 'w')
    await expect(file.write(Buffer.from('12'), 0)).rejects.toMatchObject({ code: 'ENOSPC' })
    await file.write(Buffer.from('34'), 1)
    expect(await readFile(path, 'utf8')).toBe('134')
  })

  test('a kill takes nothing back', async () => {
    expect(await after('kill', { a: 'old' }, async (disk, folder) => {
      await write(disk, join(folder, 'a'), fresh)
      await disk.rename(join(folder, 'a'), join(folder, 'b'))
    })).toEqual({ b: 'fresh' })
  })

  test('a power cut takes back names whose folder was not synced, though the file was', async () => {
    expect(await after('power', { a: 'old', c: 'old' }, async (disk, folder) => {
      await write(disk, join(folder, 'new'), fresh, true)
      await disk.rename(join(folder, 'a'), join(folder, 'b'))
      await disk.remove(join(folder, 'c'))
    })).toEqual({ a: 'old', c: 'old' })
  })

  test('a power cut keeps names whose folder was synced, and takes back content that was not', async () => {
    expect(await after('power', { a: 'old', c: 'old', d: 'old' }, async (disk, folder) => {
      await write(disk, join(folder, 'new'), fresh)
      await write(disk, join(folder, 'd'), fresh)
      await disk.rename(join(folder, 'a'), join(folder, 'b'))
      await disk.remove(join(folder, 'c'))
      await disk.syncFolder(folder)
    })).toEqual({ b: 'old', d: 'old', new: '' })
  })

  test('what was synced under an earlier name survives the rename', async () => {
    expect(await after('power', { a: 'old' }, async (disk, folder) => {
      await write(disk, join(folder, 'a.part'), fresh, true)
      await disk.rename(join(folder, 'a.part'), join(folder, 'a'))
      await disk.syncFolder(folder)
    })).toEqual({ a: 'fresh' })
  })

  test('a folder that was not made durable is gone with all in it', async () => {
    const work = async (disk: Disk, folder: string) => {
      await disk.makeFolder(join(folder, 'sub'))
      await write(disk, join(folder, 'sub', 'a'), fresh, true)
      await disk.syncFolder(join(folder, 'sub'))
    }
    expect(await after('power', {}, work)).toEqual({})
  })

  test('a folder that was there before stays', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'sub'))
    const disk = faultDisk({ mode: 'power' })
    await disk.makeFolder(join(folder, 'sub'))
    await disk.crash()
    expect(await readdir(folder)).toEqual(['sub'])
  })

  test('zeros: names and sizes stay, content that was not synced is zeros', async () => {
    expect(await after('zeros', { a: 'old' }, async (disk, folder) => {
      await using file = await disk.open(join(folder, 'a'), 'r+')
      await file.write(fresh, 3)
      await disk.rename(join(folder, 'a'), join(folder, 'b'))
      await write(disk, join(folder, 'synced'), fresh, true)
    })).toEqual({ b: 'old\0\0\0\0\0', synced: 'fresh' })
  })

  test('what a killed process left undurable falls to a power cut under the next', async () => {
    const folder = await temporaryFolder()
    const first = faultDisk()
    await write(first, join(folder, 'a'), fresh, true)
    await first.crash()
    const second = first.restart({ mode: 'power' })
    expect(await second.size(join(folder, 'a'))).toBe(fresh.length)
    await second.crash()
    expect(await contents(folder)).toEqual({})
  })
})
