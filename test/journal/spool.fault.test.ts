/**
 * Claims: whenever the process dies or the power fails while a body is written to the spool, it is there whole under its hash or not
 * at all; once `commit` has returned nothing takes it away; a full disk is told as `spool-full`, leaves nothing behind and passes;
 * a lineage file is the last one that was saved whole, or none.
 *
 * Method: writing is cut, or made to fail, at each of its disk operations in turn, in each mode of test/fault-disk.ts.
 *
 * Not modelled: two processes at once, a disk that lies about sync, rot of bytes that were durable.
 */
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Disk } from '../../src/journal/disk.ts'
import { Lineages } from '../../src/journal/lineages.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { Spool } from '../../src/journal/spool.ts'
import { sha256, toHex } from '../../src/pack/sha256.ts'
import { CrashError, crashModes, faultDisk } from '../fault-disk.ts'
import { lines, noise } from '../pack/make-log.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const body = noise('body', 100_000)
const hash = sha256(body)
const epoch = sha256(Buffer.from('epoch')).subarray(0, 8)

const spoolOn = async (disk: Disk = realDisk) => new Spool(join(await temporaryFolder(), 'spool'), disk)

/** Writes the body in pieces and commits it; discards it when that fails, as the packer does. */
async function write(spool: Spool): Promise<void> {
  const file = await spool.create()
  try {
    for (let at = 0; at < body.length; at += 30_000) await file.write(body.subarray(at, at + 30_000))
    await file.commit(hash)
  } catch (error) {
    if (!(error instanceof CrashError)) await file.discard()
    throw error
  }
}

describe.each(crashModes)('a body after a crash (%s)', (mode) => {
  test('is there whole, or not at all, and can be written again', async () => {
    let operations = 0
    for (let crashAt = 1; ; crashAt++) {
      const disk = faultDisk({ mode, crashAt })
      const spool = await spoolOn(disk)
      const died = await write(spool).then(() => false, (error: unknown) => error instanceof CrashError)
      await disk.crash()
      const after = new Spool(spool.folder, realDisk)
      const left = await after.bodies()
      if (!died) expect(left).toEqual([toHex(hash)])
      if (left.length > 0) expect(Buffer.compare((await after.readWhole(hash))!, body)).toBe(0)
      await write(after)
      expect(Buffer.compare((await after.readWhole(hash))!, body)).toBe(0)
      if (!died) break
      operations = crashAt
    }
    expect(operations).toBeGreaterThan(7)
  })
})

describe('the spool', () => {
  test('on a full disk, a full quota or at the largest file says so, whichever operation fails, and leaves nothing', async () => {
    for (const code of ['ENOSPC', 'EDQUOT', 'EFBIG']) {
      for (let failing = 1; ; failing++) {
        const spool = await spoolOn(faultDisk({ fail: (_, number) => (number === failing ? code : undefined) }))
        const error = await write(spool).then(() => undefined, (thrown: unknown) => thrown)
        if (!error) break
        expect(error).toMatchObject({ code: 'spool-full', transient: true })
        const left = await spool.bodies()
        // A failed sync of the folder comes behind the rename: what is there is whole, and is swept or adopted.
        if (left.length > 0) expect(Buffer.compare((await spool.readWhole(hash))!, body)).toBe(0)
        await write(spool)
        expect(await realDisk.list(spool.folder)).toEqual([`${toHex(hash)}.body`])
      }
    }
  })

  test('other errors of the disk say what to do and pass by themselves', async () => {
    const spool = await spoolOn(faultDisk({ fail: ({ kind }) => (kind === 'write' ? 'EIO' : undefined) }))
    await expect(write(spool)).rejects.toMatchObject({ code: 'state-unusable', transient: true })
  })

  test('opens a body for reading in any ranges, and refuses one that is gone or of another size', async () => {
    const spool = await spoolOn()
    await write(spool)
    await using source = await spool.open(hash, body.length)
    expect(Buffer.compare(await source.read(50_000, 1000), body.subarray(50_000, 51_000))).toBe(0)
    expect((await source.read(body.length, 0)).length).toBe(0)
    await expect(source.read(body.length - 1, 2)).rejects.toMatchObject({ code: 'spool-damaged' })
    await expect(spool.open(hash, body.length + 1)).rejects.toMatchObject({ code: 'spool-damaged' })
    await truncate(join(spool.folder, `${toHex(hash)}.body`), 10)
    await expect(spool.open(hash, body.length)).rejects.toMatchObject({ code: 'spool-damaged' })
    await spool.remove(hash)
    await spool.remove(hash)
    await expect(spool.open(hash, body.length)).rejects.toMatchObject({ code: 'spool-damaged' })
    expect(await spool.readWhole(hash)).toBeUndefined()
  })

  test('does not read what is larger than any pack', async () => {
    const spool = await spoolOn()
    await write(spool)
    await truncate(join(spool.folder, `${toHex(hash)}.body`), (64 << 20) + 1)
    expect(await spool.readWhole(hash)).toBeUndefined()
  })

  test('sweeps bodies that nobody knows and what was being sealed, and leaves everything else', async () => {
    const spool = await spoolOn()
    expect(await spool.sweep(new Set())).toEqual({ files: 0, bytes: 0 })
    await write(spool)
    await writeFile(join(spool.folder, `${'0'.repeat(64)}.body`), 'unknown')
    await writeFile(join(spool.folder, 'sealing.tmp'), 'half')
    await writeFile(join(spool.folder, 'notes.txt'), 'mine')
    expect(await spool.sweep(new Set([toHex(hash)]))).toEqual({ files: 2, bytes: 11 })
    expect(await realDisk.list(spool.folder)).toEqual([`${toHex(hash)}.body`, 'notes.txt'].sort())
  })
})

describe('lineages', () => {
  const lineage = { ordinal: 5, depth: 3, chainBytes: 700_000, content: lines('lineage', 300_000), model: lines('model', 300) }
  const load = async (folder: string, next = 6, ofEpoch: Uint8Array = epoch, disk: Disk = realDisk) => {
    const lineages = new Lineages(folder, disk)
    await lineages.load(ofEpoch, ['pointer'], () => next)
    return lineages.get(ofEpoch, 'pointer')
  }
  const save = async (folder: string, value = lineage, disk: Disk = realDisk) => {
    const lineages = new Lineages(folder, disk)
    lineages.set(epoch, 'pointer', value)
    await lineages.save()
  }
  const folderFor = async () => join(await temporaryFolder(), 'lineages')

  test('are read back in the epoch they belong to, up to what the journal knows of the stream', async () => {
    const folder = await folderFor()
    expect(await load(folder)).toBeUndefined()
    await save(folder)
    const found = await load(folder)
    expect([found?.ordinal, found?.depth, Buffer.compare(found!.content, lineage.content)]).toEqual([5, 3, 0])
    expect(await load(folder, 5)).toBeUndefined()
    expect(await load(folder, 9)).toBeDefined()
    expect(await load(folder, 6, sha256(Buffer.from('other')).subarray(0, 8))).toBeUndefined()
  })

  test('in memory are not replaced by the file, and of another epoch are not handed out', async () => {
    const folder = await folderFor()
    await save(folder)
    const lineages = new Lineages(folder, realDisk)
    const newer = { ...lineage, ordinal: 6 }
    lineages.set(epoch, 'pointer', newer)
    await lineages.load(epoch, ['pointer'], () => 7)
    expect(lineages.get(epoch, 'pointer')).toBe(newer)
    expect(lineages.get(Buffer.alloc(8), 'pointer')).toBeUndefined()
  })

  test('of more streams than memory has room for are forgotten from the oldest on', () => {
    const lineages = new Lineages('/nowhere', realDisk)
    for (let stream = 0; stream < 30; stream++) lineages.set(epoch, `s${stream}`, lineage)
    const kept = Array.from({ length: 30 }, (_, stream) => lineages.get(epoch, `s${stream}`) !== undefined)
    expect(kept).toEqual([...Array<boolean>(6).fill(false), ...Array<boolean>(24).fill(true)])
  })

  test('damaged at any place are as good as none', async () => {
    const folder = await folderFor()
    await save(folder, { ...lineage, content: lines('short', 200) })
    const path = join(folder, 'pointer.lineage')
    const bytes = await readFile(path)
    for (let at = 0; at < bytes.length; at++) {
      const copy = Buffer.from(bytes)
      copy[at]! ^= 0x10
      await writeFile(path, copy)
      expect(await load(folder), `byte ${at}`).toBeUndefined()
    }
    for (const length of [0, 5, 31, 32, 40, bytes.length - 1]) {
      await writeFile(path, bytes.subarray(0, length))
      expect(await load(folder), `${length} bytes`).toBeUndefined()
    }
    await writeFile(path, Buffer.alloc((2 << 20) + 300))
    expect(await load(folder)).toBeUndefined()
  })

  test.each(crashModes)('after a crash while they are saved (%s) are the old ones, the new ones or none', async (mode) => {
    for (let crashAt = 1; ; crashAt++) {
      const folder = await folderFor()
      await mkdir(folder)
      await save(folder)
      const disk = faultDisk({ mode, crashAt })
      const died = await save(folder, { ...lineage, ordinal: 4 }, disk).then(() => false, () => true)
      await disk.crash()
      const found = await load(folder)
      if (found) expect([[4, 5].includes(found.ordinal), Buffer.compare(found.content, lineage.content)]).toEqual([true, 0])
      if (!died) break
    }
  })
})
