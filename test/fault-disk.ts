/**
 * A disk that fails. Model:
 *
 * - It passes everything on to a real disk and numbers, from 1, each operation that changes something or makes it
 *   durable: makeFolder, an open that creates or truncates, write, truncate, sync, rename, remove, syncFolder.
 * - Operation number `crashAt` does not happen (of a write, the first half does) and throws a `CrashError`, as does
 *   everything after it: the process is dead. Then the test calls `crash()`, which closes what was left open and brings
 *   the folder into a state that a new process may find, by `mode`:
 *     `kill`   the process died and the machine lives: everything done is there.
 *     `power`  the power failed and nothing was durable by itself: content as of the last sync of the file, names as
 *              of the last syncFolder of their folder.
 *     `zeros`  the power failed and the file system had written names and sizes, but no content: bytes changed since
 *              the last sync of the file are zeros. (A rename before its sync shows up here.)
 *   A real disk after a power cut is somewhere between the last two.
 * - `fail` makes an operation throw an error of the system instead; of a write, the first half happens.
 *
 * After a `kill`, `restart` gives the disk to a new process, with all that is still not durable.
 *
 * Not modelled: files written around this disk, moved folders, hard links, sectors torn or rotting, a disk that lies
 * about sync, several processes.
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Disk, DiskFile } from '../src/journal/disk.ts'
import { realDisk } from '../src/journal/real-disk.ts'
import { systemCode } from '../src/observe/error.ts'

export class CrashError extends Error {
  override readonly name = 'CrashError'
}

export type CrashMode = 'kill' | 'power' | 'zeros'
export const crashModes: readonly CrashMode[] = ['kill', 'power', 'zeros']

export interface DiskOperation {
  readonly kind: 'makeFolder' | 'create' | 'write' | 'truncate' | 'sync' | 'rename' | 'remove' | 'syncFolder'
  readonly path: string
}

export interface FaultDiskOptions {
  readonly mode?: CrashMode
  /** Number of the operation at which the process dies, from 1; undefined: it lives. */
  readonly crashAt?: number
  /** The system's error code (`ENOSPC`, `EIO`, …) an operation fails with, or undefined to let it happen. */
  readonly fail?: (operation: DiskOperation, number: number) => string | undefined
}

export interface FaultDisk extends Disk {
  /** Every numbered operation that was begun. */
  readonly operations: readonly DiskOperation[]
  /** Ends the process of the model, and leaves on the disk what a new one may find. */
  crash(): Promise<void>
  /** After a crash in mode `kill`: the same disk for the next process. */
  restart(options?: FaultDiskOptions): FaultDisk
}

type Operate = <T>(operation: DiskOperation, whole: () => Promise<T>, half?: () => Promise<void>) => Promise<T>

/** A file as such, whatever it is called. */
interface Content {
  durable: Uint8Array
}

export function faultDisk(options: FaultDiskOptions = {}): FaultDisk {
  return faultDiskOver(new Durability(), options)
}

function faultDiskOver(durability: Durability, options: FaultDiskOptions): FaultDisk {
  const operations: DiskOperation[] = []
  const openFiles = new Set<DiskFile>()
  let dead = false

  const alive = () => {
    if (dead) throw new CrashError('the process is dead')
  }
  /** Counts an operation and does it, unless it is the one to fail; `half` is what happens of it then. */
  const operate: Operate = async (operation, whole, half) => {
    alive()
    operations.push(operation)
    dead = operations.length === options.crashAt
    const code = options.fail?.(operation, operations.length)
    if (!dead && code === undefined) return whole()
    await half?.()
    if (code === undefined) throw new CrashError(`died at operation ${operations.length}, ${operation.kind}`)
    throw Object.assign(new Error(`${code}: made to fail, ${operation.kind} '${operation.path}'`), { code })
  }
  const files = { alive, operate, openFiles }

  return {
    operations,
    restart: (next = {}) => faultDiskOver(durability, next),
    async crash() {
      dead = true
      for (const file of openFiles) await file.close()
      if (options.mode === 'power') await durability.undo()
      if (options.mode === 'zeros') await durability.zeroUnsynced()
    },
    async makeFolder(path) {
      await operate({ kind: 'makeFolder', path }, async () => {
        const isNew = await realDisk.freeBytes(path).then(() => false, () => true)
        await realDisk.makeFolder(path)
        if (isNew) durability.folders.add(path)
      })
    },
    async open(path, mode) {
      alive()
      const before = await durability.touch(path)
      const changes = mode === 'w' || (mode === 'r+' && before === undefined)
      const work = () => realDisk.open(path, mode)
      const file = await (changes ? operate({ kind: 'create', path }, work) : work())
      const content = before ?? { durable: new Uint8Array() }
      durability.names.set(path, content)
      return faultFile(path, file, content, files)
    },
    async rename(from, to) {
      await operate({ kind: 'rename', path: to }, async () => {
        const content = await durability.touch(from)
        await durability.touch(to)
        await realDisk.rename(from, to)
        durability.names.set(to, content).set(from, undefined)
      })
    },
    async remove(path) {
      await operate({ kind: 'remove', path }, async () => {
        await durability.touch(path)
        await realDisk.remove(path)
        durability.names.set(path, undefined)
      })
    },
    async syncFolder(path) {
      await operate({ kind: 'syncFolder', path }, async () => {
        await realDisk.syncFolder(path)
        durability.sync(path)
      })
    },
    async list(path) {
      alive()
      return realDisk.list(path)
    },
    async size(path) {
      alive()
      return realDisk.size(path)
    },
    async freeBytes(path) {
      alive()
      return realDisk.freeBytes(path)
    },
  }
}

interface Files {
  readonly alive: () => void
  readonly operate: Operate
  readonly openFiles: Set<DiskFile>
}

function faultFile(path: string, file: DiskFile, content: Content, { alive, operate, openFiles }: Files): DiskFile {
  openFiles.add(file)
  const close = async () => {
    if (openFiles.delete(file)) await file.close()
  }
  return {
    async read(buffer, offset) {
      alive()
      return file.read(buffer, offset)
    },
    write: (bytes, offset) => operate(
      { kind: 'write', path },
      () => file.write(bytes, offset),
      () => file.write(bytes.subarray(0, bytes.length >> 1), offset),
    ),
    truncate: sizeBytes => operate({ kind: 'truncate', path }, () => file.truncate(sizeBytes)),
    sync: () => operate({ kind: 'sync', path }, async () => {
      await file.sync()
      content.durable = await readAll(file)
    }),
    async size() {
      alive()
      return file.size()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Which names and contents are durable, for the paths that were touched. */
class Durability {
  /** What each path holds now; undefined: nothing. */
  readonly names = new Map<string, Content | undefined>()
  /** Folders made and not yet durable in their parent. */
  readonly folders = new Set<string>()
  readonly #durableNames = new Map<string, Content | undefined>()

  /** The content at a path. At first touch what is there is taken as durable. */
  async touch(path: string): Promise<Content | undefined> {
    if (!this.names.has(path)) {
      const bytes = await contentOf(path)
      const content = bytes && { durable: bytes }
      this.names.set(path, content)
      this.#durableNames.set(path, content)
    }
    return this.names.get(path)
  }

  sync(folder: string): void {
    for (const [path, content] of this.names) {
      if (dirname(path) === folder) this.#durableNames.set(path, content)
    }
    for (const path of this.folders) {
      if (dirname(path) === folder) this.folders.delete(path)
    }
  }

  async undo(): Promise<void> {
    for (const [path, content] of this.#durableNames) {
      if (content) await writeFile(path, content.durable)
      else await rm(path, { force: true })
    }
    for (const path of this.folders) await rm(path, { recursive: true, force: true })
  }

  async zeroUnsynced(): Promise<void> {
    for (const [path, content] of this.names) {
      const now = await contentOf(path)
      if (content && now) await writeFile(path, now.map((byte, at) => byte === content.durable[at] ? byte : 0))
    }
  }
}

/** What a path holds; undefined when there is nothing or no ordinary file, or it cannot be reached. */
async function contentOf(path: string): Promise<Uint8Array | undefined> {
  if (await realDisk.size(path) === undefined) return undefined
  return readFile(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
}

async function readAll(file: DiskFile): Promise<Uint8Array> {
  const bytes = new Uint8Array(await file.size())
  let done = 0
  while (done < bytes.length) {
    const count = await file.read(bytes.subarray(done), done)
    if (count === 0) break
    done += count
  }
  return bytes.subarray(0, done)
}
