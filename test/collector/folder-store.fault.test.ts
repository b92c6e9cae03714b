/**
 * Claim: whatever fails while packs are committed to a folder, a place in a log is given once, and what failed leaves nothing.
 *
 * Method: collectors of one process on one folder, each with a disk of its own, which stops or fails at one operation.
 *
 * Not modelled: power failures; a disk that does what it reports to have failed, and later.
 */
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openFolderStore } from '../../src/collector/folder-store.ts'
import { packFileName } from '../../src/transfer/destination.ts'
import type { Disk } from '../../src/journal/disk.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { faultDisk } from '../fault-disk.ts'
import { put } from '../suites/collector-store.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { packOf } from '../transfer/packs.ts'

/** A disk that waits, once, before it puts a pack into a log. */
function waitingDisk(disk: Disk): { readonly disk: Disk; readonly waits: Promise<void>; readonly goOn: () => void } {
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  return {
    disk: {
      ...disk,
      async rename(from, to) {
        if (to.endsWith('.pack')) {
          reached.resolve()
          await released.promise
        }
        await disk.rename(from, to)
      },
    },
    waits: reached.promise, goOn: released.resolve,
  }
}

describe('of three rivals for a place, one gets it', () => {
  test('where the first fails to put its pack there while the second has begun to finish that', async () => {
    const folder = await temporaryFolder()
    const packs = [1, 2, 3].map(() => packOf(1, randomBytes(1000)))
    const failing = waitingDisk(faultDisk({ fail: ({ kind, path }) => kind === 'rename' && path.endsWith('.pack') ? 'ENOSPC' : undefined }))
    const slow = waitingDisk(realDisk)
    const stores = await Promise.all([failing.disk, slow.disk, realDisk].map((disk) => openFolderStore(folder, disk, Date.now)))
    const send = async (at: number): Promise<unknown> => {
      const [store, pack] = [stores[at], packs[at]]
      return store && pack && await put(store, pack).then(() => 'taken', (error: unknown) => (error as { code: string }).code)
    }
    const first = send(0)
    await failing.waits
    const second = send(1)
    await slow.waits
    failing.goOn()
    expect(await first).toBe('ENOSPC')
    expect(await send(2)).toBe('log-forked')
    slow.goOn()
    expect(await second).toBe('log-forked')
    expect(await readdir(join(folder, 'laptop-1'))).toEqual([packs[0] && packFileName(packs[0].name)])
    expect(await readdir(join(folder, '.collector/claims'))).toEqual([])
    expect(await readdir(join(folder, '.collector/work'))).toEqual([])
  })
})

describe('on a disk that is full', () => {
  test.each(['write', 'sync', 'rename'] as const)('a record whose %s fails leaves no file behind', async (failing) => {
    const folder = await temporaryFolder()
    const { records } = await openFolderStore(folder, faultDisk({ fail: ({ kind }) => kind === failing ? 'ENOSPC' : undefined }), Date.now)
    await expect(records.replace('devices/laptop-1.json', '{}')).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(await readdir(join(folder, '.collector/work'))).toEqual([])
  })

  test.each(['write', 'sync'] as const)('a store whose %s fails says so, and leaves no file behind', async (failing) => {
    const folder = await temporaryFolder()
    const store = await openFolderStore(folder, faultDisk({ fail: ({ kind }) => kind === failing ? 'ENOSPC' : undefined }), Date.now)
    await expect(store.check()).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(await readdir(join(folder, '.collector/work'))).toEqual([])
  })

  test('a store that was set up is opened all the same', async () => {
    const folder = await temporaryFolder()
    await openFolderStore(folder, realDisk, Date.now)
    const full = faultDisk({ fail: ({ kind }) => kind === 'create' ? 'ENOSPC' : undefined })
    expect(await (await openFolderStore(folder, full, Date.now)).head('laptop-1')).toBeUndefined()
  })
})
