import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, realpathSync, type BigIntStats } from 'node:fs'
import { systemCode } from '../observe/error.ts'
import { locate, type PathKey } from './path-key.ts'

/** A regular file that was proven to lie where its path says. The holder closes `fd`. */
export interface OpenFile {
  readonly fd: number
  readonly stats: BigIntStats
}

/** Why there is nothing to read: the OS's error code, or `ELOOP` where a link led out of the folder. */
export interface Refusal {
  readonly errno: string
}

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants as Partial<typeof constants>
/** Not blocking: opening a fifo that took the file's place would wait for a writer for ever. */
const flags = (O_RDONLY ?? 0) | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0)

/**
 * Opens `key` below `root` for reading, or says why not. `root` is the folder's real path, one character per byte.
 * Refuses everything but regular files and whatever lies outside the folder, also when a parent folder was swapped
 * for a link after the path was seen.
 */
export function openFile(root: string, key: PathKey): OpenFile | Refusal {
  if (key.split('/').some((part) => part === '..' || part === '.' || part === '')) return { errno: 'ELOOP' }
  let fd: number | undefined
  try {
    fd = openSync(locate(root, key), flags)
    const stats = fstatSync(fd, { bigint: true })
    const refusal = stats.isFile() ? misplaced(root, key, fd, stats) : 'EINVAL'
    if (refusal === undefined) return { fd, stats }
    closeSync(fd)
    return { errno: refusal }
  } catch (error) {
    if (fd !== undefined) closeSync(fd)
    return { errno: systemCode(error) ?? 'EIO' }
  }
}

/** `ENOENT`: it was renamed within the folder just now. `ELOOP`: it lies outside. */
function misplaced(root: string, key: PathKey, fd: number, stats: BigIntStats): 'ENOENT' | 'ELOOP' | undefined {
  if (process.platform === 'linux') {
    const real = readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'latin1' })
    return real === `${root}/${key}` ? undefined : real.startsWith(`${root}/`) ? 'ENOENT' : 'ELOOP'
  }
  const parent = key.includes('/') ? `/${key.slice(0, key.lastIndexOf('/'))}` : ''
  const realParent = realpathSync.native(locate(`${root}${parent}`, ''), { encoding: 'latin1' }).replaceAll('\\', '/')
  if (realParent !== `${root}${parent}`) return 'ELOOP'
  const there = lstatSync(locate(root, key), { bigint: true })
  return there.ino === stats.ino && there.dev === stats.dev ? undefined : 'ENOENT'
}

/** The folder's real path, one character per byte, or why it cannot be had. Throws nothing. */
export function realFolder(folder: string): string | Refusal {
  try {
    const real = realpathSync.native(folder, { encoding: 'latin1' }).replace(/(?<=.)\/$/, '')
    const root = process.platform === 'win32' ? real.replaceAll('\\', '/') : real
    return lstatSync(locate(root, ''), { bigint: true }).isDirectory() ? root : { errno: 'ENOTDIR' }
  } catch (error) {
    return { errno: systemCode(error) ?? 'EIO' }
  }
}
