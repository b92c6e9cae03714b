/**
 * A path relative to a stream's folder as a string with one character per byte (latin1): lossless for every name an
 * operating system allows, half the memory of a buffer, and usable as a map key. `''` is the folder itself.
 */
export type PathKey = string

/** The path's bytes. */
export const bytesOf = (key: PathKey): Buffer => Buffer.from(key, 'latin1')

export { keyOf } from '../pack/sha256.ts'

export const joined = (folder: PathKey, name: string): PathKey => (folder === '' ? name : `${folder}/${name}`)

/** Where `key` is on disk, for system calls. `root` is an absolute path, likewise one character per byte. */
export const locate = (root: string, key: PathKey): Buffer => bytesOf(key === '' ? root : `${root}/${key}`)

/** The name's last part. */
export const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
