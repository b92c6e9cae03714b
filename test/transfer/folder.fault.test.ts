/**
 * Claim: whenever the process dies or the power fails while a folder destination takes a pack, a new process finds
 * the pack whole and right, or not at all; sending it again completes it; and once put() has returned, nothing takes
 * it away.
 *
 * Method: the put is cut at each of its disk operations in turn, in each mode of test/fault-disk.ts, then resumed on
 * the real disk; then the same with the resumed put cut as well. In the last test the process dies at each operation
 * in turn, a second process completes the pack, and the power fails after its put() has returned.
 *
 * Not modelled: two processes at once, a disk that lies about sync, rot of bytes that were durable.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { Disk } from '../../src/journal/disk.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { sliceBytes } from '../../src/transfer/destination.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { CrashError, crashModes, faultDisk, type CrashMode } from '../fault-disk.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { contentOf, packOf, putCounting, type TestPack } from './packs.ts'

const at = (root: string, disk: Disk = realDisk) => folderDestination(pathToFileURL(root).href, disk)

/** Puts and dies at an operation; whether there was such an operation. */
async function putDying(root: string, pack: TestPack, mode: CrashMode, crashAt: number): Promise<boolean> {
  const disk = faultDisk({ mode, crashAt })
  const died = await at(root, disk).put(pack).then(() => false, (error: unknown) => {
    if (error instanceof CrashError) return true
    throw error
  })
  await disk.crash()
  return died
}

async function expectWholeOrAbsent(root: string, pack: TestPack): Promise<void> {
  const names = await at(root).list('laptop-1')
  expect(names.length === 0 || (await contentOf(at(root), pack.name)).equals(pack.bytes)).toBe(true)
}

describe.each(crashModes)('a folder destination after a crash (%s)', mode => {
  const pack = packOf(1, randomBytes(3 * sliceBytes + 11))

  test('cut at any operation, the pack is whole or absent, and the next put completes it', async () => {
    let crashAt = 1
    for (; ; crashAt++) {
      const root = join(await temporaryFolder(), 'packs')
      if (!await putDying(root, pack, mode, crashAt)) break
      await expectWholeOrAbsent(root, pack)
      await at(root).put(pack)
      expect((await contentOf(at(root), pack.name)).equals(pack.bytes), `cut at ${crashAt}`).toBe(true)
      expect(await putCounting(at(root), pack)).toBe(0)
    }
    expect(crashAt).toBeGreaterThan(10)
  })

  test('cut again while resuming, the pack is whole or absent, and the next put completes it', async () => {
    for (let first = 5; ; first++) {
      const root = join(await temporaryFolder(), 'packs')
      if (!await putDying(root, pack, mode, first)) break
      for (let second = 1; await putDying(root, pack, mode, second); second++) await expectWholeOrAbsent(root, pack)
      expect((await contentOf(at(root), pack.name)).equals(pack.bytes)).toBe(true)
    }
  })

  test('a pack whose put returned survives, whatever the process before it left undone', async () => {
    let died = true
    for (let crashAt = 1; died; crashAt++) {
      const root = join(await temporaryFolder(), 'packs')
      const first = faultDisk({ crashAt })
      died = await at(root, first).put(pack).then(() => false, () => true)
      await first.crash()
      const second = first.restart({ mode })
      await at(root, second).put(pack)
      await second.crash()
      expect((await contentOf(at(root), pack.name)).equals(pack.bytes), `cut at ${crashAt}`).toBe(true)
    }
  })
})
