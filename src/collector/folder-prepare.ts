import { randomUUID } from 'node:crypto'
import { link, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Disk } from '../journal/disk.ts'
import { SluiceError, systemCode } from '../observe/error.ts'
import { ownAs } from './folder-owner.ts'
import type { FolderPlaces } from './folder-store.ts'

/** What file systems without hard links say. */
const noLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'])
const fullCodes = new Set(['ENOSPC', 'EDQUOT'])

/** Makes the folders that are missing, durably, and tries whether packs can be claimed there. Throws `state-unusable`. */
export async function prepareFolders(places: FolderPlaces, own: string, disk: Disk): Promise<void> {
  const { root, incoming, claims, work, records } = places
  try {
    for (const folder of [root, own, incoming, claims, work, records]) {
      const isNew = await stat(folder).then(() => false, () => true)
      await disk.makeFolder(folder)
      if (isNew) await ownAs(folder, dirname(folder))
      await disk.syncFolder(dirname(folder)).catch(unlessRefused) // whoever made it could sync what is above it
    }
    await tryLink(places, disk)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    const why = systemCode(error) === 'ENOENT' ? 'the folder above it is missing; is its disk mounted?' : `it cannot be made or written (${systemCode(error)})`
    throw new SluiceError('state-unusable', `Cannot collect into ${root}: ${why}`, { cause: error })
  }
}

async function tryLink({ root, work }: FolderPlaces, disk: Disk): Promise<void> {
  const [one, other] = [join(work, randomUUID()), join(work, randomUUID())]
  try {
    await (await disk.open(one, 'w')).close()
    await link(one, other).catch((error: unknown) => {
      const code = systemCode(error) ?? ''
      if (!noLinks.has(code)) throw error
      const why = `its file system has no hard links (${code}), which a collector needs to give a place in a log only once. Use another one.`
      throw new SluiceError('state-unusable', `Cannot collect into ${root}: ${why}`, { cause: error })
    })
  } catch (error) {
    // A full disk still serves those who ask where their logs end, and gets better.
    if (!fullCodes.has(systemCode(error) ?? '')) throw error
  } finally {
    await disk.remove(one)
    await disk.remove(other)
  }
}

function unlessRefused(error: unknown): void {
  if (systemCode(error) !== 'EACCES') throw error
}
