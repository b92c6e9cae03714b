import { constants, type Stats } from 'node:fs'
import { lstat, mkdir, open, readdir, rename, rm, statfs, type FileHandle } from 'node:fs/promises'
import { systemCode } from '../observe/error.ts'
import type { Disk, DiskFile } from './disk.ts'

// Neither exists on Windows. NOFOLLOW: a link planted where one of our files is expected must not lead elsewhere.
// NONBLOCK: opening a planted FIFO would otherwise occupy a thread until somebody writes to it.
const safely = ((constants.O_NOFOLLOW as number | undefined) ?? 0) | ((constants.O_NONBLOCK as number | undefined) ?? 0)

const openFlags = {
  'r': constants.O_RDONLY,
  'w': constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
  'r+': constants.O_RDWR | constants.O_CREAT,
} as const

/** Windows cannot open or flush a folder; NTFS journals its entries by itself. */
const folderSyncUnsupported = new Set(['EISDIR', 'EPERM', 'EACCES', 'EBADF', 'EINVAL'])

/** The operating system's disk. Files are 0600, folders 0700; the last part of a path is never followed as a link. */
export const realDisk: Disk = {
  async makeFolder(path) {
    try {
      await mkdir(path, { mode: 0o700 })
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
  },

  async open(path, mode) {
    const handle = await open(path, openFlags[mode] | safely, 0o600)
    try {
      if (!(await handle.stat()).isFile()) throw systemError('EISDIR', 'not an ordinary file', path)
    } catch (error) {
      await handle.close()
      throw error
    }
    return realFile(handle)
  },

  rename: (from, to) => rename(from, to),

  remove: path => rm(path, { force: true }),

  async list(path) {
    const names = await readdir(path).catch(whenMissing([]))
    return names.sort()
  },

  async size(path) {
    const stats: Stats | undefined = await lstat(path).catch(whenMissing(undefined))
    return stats?.isFile() ? stats.size : undefined
  },

  async syncFolder(path) {
    try {
      const handle = await open(path, constants.O_RDONLY)
      await handle.sync().finally(() => handle.close())
    } catch (error) {
      if (process.platform === 'win32' && folderSyncUnsupported.has(systemCode(error) ?? '')) return
      throw error
    }
  },

  async freeBytes(path) {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize
  },
}

function realFile(handle: FileHandle): DiskFile {
  const close = () => handle.close()
  return {
    async read(buffer, offset) {
      return (await handle.read(buffer, 0, buffer.length, offset)).bytesRead
    },
    async write(bytes, offset) {
      let done = 0
      while (done < bytes.length) {
        done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten
      }
    },
    truncate: sizeBytes => handle.truncate(sizeBytes),
    sync: () => handle.sync(),
    size: async () => (await handle.stat()).size,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function whenMissing<T>(otherwise: T): (error: unknown) => T {
  return error => {
    if (systemCode(error) === 'ENOENT') return otherwise
    throw error
  }
}

function systemError(code: string, what: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${what}, open '${path}'`), { code, path, syscall: 'open' })
}
