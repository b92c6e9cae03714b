import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { realDisk } from '../../src/journal/real-disk.ts'
import { packFileName, sliceBytes } from '../../src/transfer/destination.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { faultDisk } from '../fault-disk.ts'
import { describeDestination } from '../suites/destination.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { contentOf, packOf, putAborting, putCounting } from './packs.ts'

describeDestination('a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  const url = pathToFileURL(join(folder, 'packs')).href
  const reopen = () => folderDestination(url, realDisk)
  return { destination: reopen(), reopen, remove: () => rm(folder, { recursive: true }) }
})

const at = (root: string, disk = realDisk) => folderDestination(pathToFileURL(root).href, disk)

describe('a folder as destination', () => {
  test('keeps packs under the device’s name, for the owner’s eyes only', async () => {
    const root = join(await temporaryFolder(), 'packs')
    const pack = packOf(12, randomBytes(100))
    await at(root).put(pack)
    const path = join(root, 'laptop-1', `0000000012-${pack.name.hash}.pack`)
    expect(await readFile(path)).toEqual(pack.bytes)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(root, 'laptop-1'))).mode & 0o777).toBe(0o700)
    expect(await readdir(join(root, 'laptop-1'))).toEqual([packFileName(pack.name)])
  })

  test.each([
    ['zeros in its tail', (part: Buffer) => part.fill(0, sliceBytes + 100), sliceBytes + 100],
    ['one other byte in the first slice', (part: Buffer) => part.fill(part.readUInt8(17) ^ 1, 17, 18), 17],
    ['another size than slices make', (part: Buffer) => part.subarray(0, 1234), 1234],
    ['more than the whole pack', (part: Buffer, pack: Buffer) => Buffer.concat([pack, part]), 5 * sliceBytes],
    ['nothing', () => Buffer.alloc(0), 0],
  ])('a partial file with %s is resumed at its first wrong byte', async (_, damage, firstWrong) => {
    const root = await temporaryFolder()
    const bytes = randomBytes(5 * sliceBytes).map(byte => byte || 1) as Buffer
    const pack = packOf(1, Buffer.from(bytes))
    await putAborting(at(root), pack, 3)
    const part = join(root, 'laptop-1', `.${packFileName(pack.name)}.part`)
    await writeFile(part, damage(await readFile(part), pack.bytes))
    expect(await putCounting(at(root), pack)).toBe(pack.sizeBytes - firstWrong)
    expect(await contentOf(at(root), pack.name)).toEqual(pack.bytes)
  })

  test('slices grow on a disk that takes them quickly, and only there', async () => {
    const pack = packOf(1, randomBytes(8 << 20))
    const slicesOn = async (waitMs: number): Promise<number[]> => {
      const slices: number[] = []
      const disk: typeof realDisk = {
        ...realDisk,
        async open(path, mode) {
          const file = await realDisk.open(path, mode)
          return { ...file, write: async (bytes, offset) => {
            await sleep(waitMs)
            await file.write(bytes, offset)
          } }
        },
      }
      const destination = at(join(await temporaryFolder(), 'packs'), disk)
      await destination.put(pack, { onSent: bytes => slices.push(bytes) })
      expect(await contentOf(destination, pack.name)).toEqual(pack.bytes)
      return slices
    }
    const quick = await slicesOn(0)
    expect(quick.slice(0, 32).every(bytes => bytes === sliceBytes)).toBe(true)
    expect(Math.max(...quick)).toBe(4 * sliceBytes)
    expect(Math.max(...await slicesOn(25))).toBe(sliceBytes)
  })

  test('resuming reads the partial file under the signal too', async () => {
    const root = await temporaryFolder()
    const pack = packOf(1, randomBytes(5 * sliceBytes))
    await putAborting(at(root), pack, 4)
    expect(await putAborting(at(root), pack, 0)).toBe(0)
    expect(await putCounting(at(root), pack)).toBe(sliceBytes)
  })

  test('a file of the pack’s name and another size is reported as damage and not touched', async () => {
    const root = await temporaryFolder()
    const pack = packOf(1, randomBytes(1000))
    const path = join(root, 'laptop-1', packFileName(pack.name))
    await mkdir(join(root, 'laptop-1'))
    await writeFile(path, 'short')
    const damage = { code: 'destination-refused', transient: false, data: { foundBytes: 5, packBytes: 1000 } }
    await expect(at(root).put(pack)).rejects.toMatchObject(damage)
    expect(await readFile(path, 'utf8')).toBe('short')
  })

  test('names that are no packs’ and devices’ are skipped', async () => {
    const root = await temporaryFolder()
    const pack = packOf(2, randomBytes(10))
    await at(root).put(pack)
    const hash = 'a'.repeat(64)
    const hostile = [
      '1-abc.pack', `0000000001-${hash}.pack.part`, `.0000000001-${hash}.pack`, `0000000000-${hash}.pack`,
      `0000000001-${hash.toUpperCase()}.pack`, `00000000001-${hash}.pack`, `9999999999999999-${hash}.pack`,
      `0000000001-${hash}.pack\n`,
    ]
    for (const name of hostile) await writeFile(join(root, 'laptop-1', name), '')
    for (const name of ['UPPER', '.hidden', 'with space', 'empty']) await mkdir(join(root, name))
    await writeFile(join(root, 'a-file'), '')
    expect(await at(root).list('laptop-1')).toEqual([pack.name])
    expect(await at(root).devices()).toEqual(['laptop-1'])
  })

  test('a link or pipe in a pack’s place is not read, nor a link in a partial’s place written through', async () => {
    const root = await temporaryFolder()
    const outside = join(await temporaryFolder(), 'outside')
    const linked = packOf(1, randomBytes(10))
    const piped = packOf(2, randomBytes(20))
    const partial = packOf(3, randomBytes(30))
    const pathOf = (pack: typeof linked) => join(root, 'laptop-1', packFileName(pack.name))
    await mkdir(join(root, 'laptop-1'))
    await writeFile(outside, linked.bytes)
    await symlink(outside, pathOf(linked))
    execFileSync('mkfifo', [pathOf(piped)])
    await symlink(outside, join(root, 'laptop-1', `.${packFileName(partial.name)}.part`))
    for (const pack of [linked, piped]) {
      await expect(at(root).open(pack.name)).rejects.toMatchObject({ code: 'destination-refused' })
    }
    await expect(at(root).put(partial)).rejects.toMatchObject({ code: 'destination-refused' })
    await at(root).put(linked)
    expect((await stat(pathOf(linked))).isFile()).toBe(true)
    expect(await readFile(outside)).toEqual(linked.bytes)
  })

  test('a root whose parent is missing too is unreachable, and nothing is created', async () => {
    const folder = await temporaryFolder()
    const destination = at(join(folder, 'mnt', 'packs'))
    const unreachable = { code: 'destination-unreachable', transient: true }
    const pack = packOf(1, randomBytes(10))
    await expect(destination.put(pack)).rejects.toMatchObject(unreachable)
    await expect(destination.head('laptop-1')).rejects.toMatchObject(unreachable)
    await expect(destination.list('laptop-1')).rejects.toMatchObject(unreachable)
    await expect(destination.devices()).rejects.toMatchObject(unreachable)
    await expect(destination.open(pack.name)).rejects.toMatchObject(unreachable)
    expect(await readdir(folder)).toEqual([])
  })

  test('a root that goes away and comes back is unreachable in between', async () => {
    const folder = await temporaryFolder()
    const root = join(folder, 'mnt', 'packs')
    await mkdir(join(folder, 'mnt'))
    const destination = at(root)
    await destination.put(packOf(1, randomBytes(10)))
    await rm(join(folder, 'mnt'), { recursive: true })
    await expect(destination.put(packOf(2, randomBytes(10)))).rejects.toMatchObject({ code: 'destination-unreachable' })
    await mkdir(join(folder, 'mnt'))
    await destination.put(packOf(3, randomBytes(10)))
    expect((await destination.list('laptop-1')).map(name => name.seq)).toEqual([3])
  })

  test.each([
    ['ENOSPC', 'destination-full', true],
    ['EDQUOT', 'destination-full', true],
    ['EIO', 'destination-unreachable', true],
    ['ESTALE', 'destination-unreachable', true],
    ['EACCES', 'destination-refused', false],
    ['EROFS', 'destination-refused', false],
    ['ENAMETOOLONG', 'destination-refused', false],
  ] as const)('%s at any operation becomes %s, and the next put completes the pack', async (errno, code, transient) => {
    const pack = packOf(1, randomBytes(3 * sliceBytes))
    const counting = faultDisk()
    await at(join(await temporaryFolder(), 'packs'), counting).put(pack)
    for (let failing = 1; failing <= counting.operations.length; failing++) {
      const root = join(await temporaryFolder(), 'packs')
      const disk = faultDisk({ fail: (_, number) => number === failing ? errno : undefined })
      const destination = at(root, disk)
      const error: unknown = await destination.put(pack).then(() => undefined, (thrown: unknown) => thrown)
      // The folder above the root may belong to somebody else.
      const forgiven = errno === 'EACCES' && disk.operations[failing - 1]?.path === dirname(root)
      if (!forgiven) expect(error, `operation ${failing}`).toMatchObject({ code, transient, data: { errno } })
      await destination.put(pack)
      expect(await contentOf(destination, pack.name)).toEqual(pack.bytes)
    }
  })

  test('a folder without permission is refused', async () => {
    const folder = await temporaryFolder()
    await chmod(folder, 0o555)
    const put = (): Promise<void> => at(join(folder, 'packs')).put(packOf(1, randomBytes(10)))
    await asOrdinaryUser(() => expect(put()).rejects.toMatchObject({ code: 'destination-refused' }))
  })
})

/** Root is refused nothing: it does the work as nobody. */
async function asOrdinaryUser(work: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return await work()
  process.seteuid?.(65534)
  try {
    await work()
  } finally {
    process.seteuid?.(0)
  }
}
