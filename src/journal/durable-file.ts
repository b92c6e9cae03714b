import {
  closeSync, existsSync, fchmodSync, fsyncSync, ftruncateSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeFileSync, writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

import { SluiceError, systemCode } from '../observe/error.ts'

/** Bits of a mode by which others than the owner may write. */
const othersMayWrite = 0o022

/**
 * Makes a folder, and those around it, for its owner alone. One that is there is left as it is, and refused where another
 * user could put files of theirs in it: a pause ends when its file is replaced. Throws `state-unusable`.
 */
export function makePrivateFolder(path: string): void {
  try {
    makeFolders(path, 0o700)
  } catch (error) {
    throw new SluiceError(
      'state-unusable',
      `Cannot make the folder ${path} (${systemCode(error)}). Check the path and its permissions.`,
      { cause: error },
    )
  }
  const why = whyOpenToOthers(path)
  if (why) throw new SluiceError('state-unusable', `Cannot use the folder ${path}: ${why}.`)
}

/** Where there are no owners and modes of this kind, nobody else is found. */
function whyOpenToOthers(path: string): string | undefined {
  if (process.getuid === undefined) return undefined
  const { uid, mode } = statSync(path)
  if (uid !== process.getuid()) return 'another user owns it, who could end your pauses. Choose a folder of your own'
  if ((mode & othersMayWrite) === 0) return undefined
  return `other users may write to it, and could end your pauses. To mend that: chmod go-w ${path}`
}

/**
 * Makes a folder and those around it, one by one. Node’s own way never ends under /proc, where nothing can be made and the
 * system says that the folder around it is missing. Throws the system’s error.
 */
export function makeFolders(path: string, mode = 0o777): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
  const parent = dirname(path)
  if (!existsSync(parent)) makeFolders(parent, mode)
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    // Another process may have made it just now.
    if (systemCode(error) !== 'EEXIST' || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}

/** A file that is not yet in its place. */
export interface FileRoom extends Disposable {
  /** Puts it there with a text, once. Throws the system’s error. */
  fill(text: string): void
}

/**
 * Sets room for so many bytes aside beside `path`, durably, and gives it back when disposed of. The caller holds a lock, so a
 * temporary file that is left by a crash is nobody else’s and is overwritten. Throws the system’s error.
 */
export function roomFor(path: string, sizeBytes: number, mode = 0o600): FileRoom {
  const temporary = `${path}.tmp`
  const file = openSync(temporary, 'w', mode)
  let isOpen = true
  const close = (): void => {
    if (isOpen) closeSync(file)
    isOpen = false
  }
  const room: FileRoom = {
    fill(text) {
      const bytes = Buffer.from(text)
      // In place, over what was set aside: a file cut short first would give the room back.
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at, at)
      ftruncateSync(file, bytes.length)
      // Whatever the umask took away, or an older file had.
      fchmodSync(file, mode)
      fsyncSync(file)
      close()
      renameSync(temporary, path)
      syncFolder(dirname(path))
    },
    [Symbol.dispose]() {
      close()
      rmSync(temporary, { force: true })
    },
  }
  try {
    if (sizeBytes > 0) {
      writeFileSync(file, Buffer.alloc(sizeBytes, ' '))
      fsyncSync(file)
    }
    return room
  } catch (error) {
    room[Symbol.dispose]()
    throw error
  }
}

/**
 * Replaces the file at `path` by `text`, with these permission bits, by default for its owner alone: after a crash it is the
 * old one or the new one. The caller holds a lock, as for `roomFor`.
 */
export function replaceFile(path: string, text: string, mode = 0o600): void {
  using room = roomFor(path, 0, mode)
  room.fill(text)
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
