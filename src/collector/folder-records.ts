import { randomUUID } from 'node:crypto'
import { link, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Disk } from '../journal/disk.ts'
import { systemCode } from '../observe/error.ts'
import { ownAs } from './folder-owner.ts'
import type { Records } from './store.ts'

/** Longest text of a record; a longer file is not one of ours. */
const maxRecordBytes = 4 << 10
/** How often a folder may be gone again before something is written in it. */
const mostTries = 20
/** What keeps a folder from being removed: it holds something, or somebody else was quicker. */
const inUse = new Set(['ENOTEMPTY', 'EEXIST', 'ENOENT'])

interface RecordWriter {
  /** Writes a text to a file, which is gone when `use` has not moved it. */
  readonly withFile: <T>(text: string, use: (path: string) => Promise<T>) => Promise<T>
  /** Does something in the folder of a record, which whoever removes the last one in it may take away at any moment. */
  readonly inFolderOf: <T>(path: string, work: () => Promise<T>) => Promise<T>
}

/**
 * Records as files of their own, each durable when it is there. `workFolder` is where they are written before. What root writes
 * belongs to the owner of the folder above `root`.
 */
export function folderRecords(root: string, workFolder: string, disk: Disk): Records {
  const pathOf = (key: string): string => join(root, ...key.split('/'))
  const { withFile, inFolderOf } = recordWriter(root, workFolder, disk)

  return {
    async read(key) {
      const path = pathOf(key)
      if (await disk.size(path) === undefined) return undefined
      const buffer = new Uint8Array(maxRecordBytes)
      await using file = await disk.open(path, 'r')
      return Buffer.from(buffer.subarray(0, await file.read(buffer, 0))).toString('utf8')
    },

    async create(key, text) {
      const path = pathOf(key)
      return await withFile(text, (temporary) => inFolderOf(path, async () => {
        const isFirst = await link(temporary, path).then(() => true, (error: unknown) => {
          if (systemCode(error) !== 'EEXIST') throw error
          return false
        })
        await disk.syncFolder(dirname(path))
        return isFirst
      }))
    },

    async replace(key, text) {
      const path = pathOf(key)
      await withFile(text, (temporary) => inFolderOf(path, async () => {
        await disk.rename(temporary, path)
      }))
      await disk.syncFolder(dirname(path))
    },

    async remove(key) {
      const path = pathOf(key)
      await disk.remove(path)
      const folder = dirname(path)
      if (dirname(folder) === root || folder === root) return
      await rmdir(folder).catch((error: unknown) => {
        if (!inUse.has(systemCode(error) ?? '')) throw error
      })
    },

    async list(prefix) {
      const found: string[] = []
      const walk = async (folderKey: string): Promise<void> => {
        for (const name of await disk.list(pathOf(folderKey))) {
          const key = `${folderKey}/${name}`
          const kind = await kindOf(pathOf(key))
          if (kind === 'folder') await walk(key)
          if (kind === 'file') found.push(key)
        }
      }
      await walk(prefix.slice(0, -1))
      return found.sort()
    },
  }
}

function recordWriter(root: string, workFolder: string, disk: Disk): RecordWriter {
  const withFile = async <T>(text: string, use: (path: string) => Promise<T>): Promise<T> => {
    const temporary = join(workFolder, randomUUID())
    try {
      await write(temporary, text)
      return await use(temporary)
    } finally {
      await disk.remove(temporary)
    }
  }

  const write = async (path: string, text: string): Promise<void> => {
    await using file = await disk.open(path, 'w')
    await ownAs(path, dirname(root))
    await file.write(Buffer.from(text), 0)
    await file.sync()
  }

  const makeFolderOf = async (path: string): Promise<void> => {
    const folder = dirname(path)
    if (folder !== root && await kindOf(folder) !== 'folder') {
      await makeFolderOf(folder)
      await disk.makeFolder(folder)
      await ownAs(folder, dirname(root))
      await disk.syncFolder(dirname(folder))
    }
  }

  const inFolderOf = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries++) {
      try {
        await makeFolderOf(path)
        return await work()
      } catch (error) {
        if (systemCode(error) !== 'ENOENT' || tries === mostTries) throw error
      }
    }
  }

  return { withFile, inFolderOf }
}

async function kindOf(path: string): Promise<'file' | 'folder' | undefined> {
  const stats = await stat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
  return stats && (stats.isDirectory() ? 'folder' : 'file')
}
