import { randomUUID } from 'node:crypto'
import { link, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Disk } from '../journal/disk.ts'
import { systemCode } from '../observe/error.ts'
import type { Records } from './store.ts'

/** Longest text of a record; a longer file is not one of ours. */
const maxRecordBytes = 4 << 10

/** Records as files of their own, each durable when it is there. `workFolder` is where they are written before. */
export function folderRecords(root: string, workFolder: string, disk: Disk): Records {
  const pathOf = (key: string): string => join(root, ...key.split('/'))

  const written = async (text: string): Promise<string> => {
    const temporary = join(workFolder, randomUUID())
    await using file = await disk.open(temporary, 'w')
    await file.write(Buffer.from(text), 0)
    await file.sync()
    return temporary
  }

  const makeFolderOf = async (path: string): Promise<string> => {
    const folder = dirname(path)
    if (folder !== root && !await isFolder(folder)) {
      await makeFolderOf(folder)
      await disk.makeFolder(folder)
      await disk.syncFolder(dirname(folder))
    }
    return folder
  }

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
      const folder = await makeFolderOf(path)
      const temporary = await written(text)
      try {
        await link(temporary, path)
        return true
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw error
        return false
      } finally {
        await disk.remove(temporary)
        await disk.syncFolder(folder)
      }
    },

    async replace(key, text) {
      const path = pathOf(key)
      const folder = await makeFolderOf(path)
      await disk.rename(await written(text), path)
      await disk.syncFolder(folder)
    },

    async remove(key) {
      await disk.remove(pathOf(key))
    },

    async list(prefix) {
      const found: string[] = []
      const walk = async (folderKey: string): Promise<void> => {
        for (const name of await disk.list(pathOf(folderKey))) {
          const key = `${folderKey}/${name}`
          if (await isFolder(pathOf(key))) await walk(key)
          else found.push(key)
        }
      }
      await walk(prefix.slice(0, -1))
      return found.sort()
    },
  }
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then((stats) => stats.isDirectory(), () => false)
}
