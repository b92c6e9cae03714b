import type { Disk, DiskFile } from './disk.ts'
import type { ByteSource } from '../transfer/destination.ts'
import { dirname, join } from 'node:path'
import { SluiceError, systemCode } from '../observe/error.ts'
import { maxPackBytes } from '../pack/header.ts'
import { toHex } from '../pack/sha256.ts'

/** Errors that mean "no room here now": the disk, a quota, or the largest file the disk takes. */
const fullCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])
/** Temporary files: a pack being built while the one before is being sealed, and one that waits being encrypted meanwhile. */
const temporaryNames = ['sealing.tmp', 'sealing-too.tmp', 'encrypting.tmp'] as const
export type TemporaryName = (typeof temporaryNames)[number]
const bodyPattern = /^[0-9a-f]{64}\.body$/

/** A body being written. `commit` makes it durable under its hash; `discard` leaves nothing behind. */
export interface SpoolFile {
  write(bytes: Uint8Array): Promise<void>
  commit(bodyHash: Uint8Array): Promise<void>
  discard(): Promise<void>
}

/** The folder of sealed bodies that have not arrived yet, each named by the SHA-256 of its content. */
export class Spool {
  readonly folder: string
  readonly #disk: Disk
  #isDurable = false

  constructor(folder: string, disk: Disk) {
    this.folder = folder
    this.#disk = disk
  }

  #path(bodyHash: Uint8Array): string {
    return join(this.folder, `${toHex(bodyHash)}.body`)
  }

  /** Turns the disk's errors into ones that say what to do; a full disk, and most others, pass without us. */
  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const code = systemCode(error)
      if (code === undefined) throw error
      if (fullCodes.has(code)) {
        throw new SluiceError('spool-full', `the disk that holds ${this.folder} is full: free some space`, { transient: true, cause: error })
      }
      throw new SluiceError('state-unusable', `${this.folder} cannot be used now (${code}): check owner, mode and disk`, { transient: true, cause: error })
    }
  }

  async #makeFolder(): Promise<void> {
    await this.#disk.makeFolder(this.folder)
    if (this.#isDurable) return
    // Bodies are synced into the folder; after a power cut the folder itself must still be there.
    await this.#disk.syncFolder(dirname(this.folder))
    this.#isDurable = true
  }

  /** One of each name at a time; a leftover is overwritten. */
  async create(temporaryName: TemporaryName = 'sealing.tmp'): Promise<SpoolFile> {
    const disk = this.#disk
    const temporary = join(this.folder, temporaryName)
    await this.#guard(() => this.#makeFolder())
    const file: DiskFile = await this.#guard(() => disk.open(temporary, 'w'))
    let offset = 0
    const discard = async (): Promise<void> => {
      // It is overwritten or swept later; that it cannot be removed must not hide why it is discarded.
      await file.close().catch(() => undefined)
      await disk.remove(temporary).catch(() => undefined)
    }
    return {
      write: async (bytes) => {
        const at = offset
        offset += bytes.length
        await this.#guard(() => file.write(bytes, at))
      },
      commit: (bodyHash) =>
        this.#guard(async () => {
          await file.sync()
          await file.close()
          await disk.rename(temporary, this.#path(bodyHash))
          await disk.syncFolder(this.folder)
        }),
      discard,
    }
  }

  /** A sealed body, for sending. The caller closes it. Throws `spool-damaged` when it is gone or of another size. */
  async open(bodyHash: Uint8Array, bodyBytes: number): Promise<ByteSource & AsyncDisposable> {
    const path = this.#path(bodyHash)
    const size = await this.#guard(() => this.#disk.size(path))
    if (size !== bodyBytes) {
      throw damaged(`${path} should hold ${bodyBytes} bytes and ${size === undefined ? 'is gone' : `holds ${size}`}`)
    }
    const file = await this.#guard(() => this.#disk.open(path, 'r'))
    return {
      sizeBytes: size,
      read: async (offset, length, room) => {
        const bytes = room?.subarray(0, length) ?? Buffer.allocUnsafe(length)
        for (let done = 0; done < length; ) {
          const read = await this.#guard(() => file.read(bytes.subarray(done), offset + done))
          if (read === 0) throw damaged(`${path} ends at byte ${offset + done}`)
          done += read
        }
        return bytes
      },
      [Symbol.asyncDispose]: () => file.close(),
    }
  }

  /** A body as it lies there, unchecked; undefined when it is gone or larger than any pack. */
  async readWhole(bodyHash: Uint8Array): Promise<Uint8Array | undefined> {
    const size = await this.#disk.size(this.#path(bodyHash))
    if (size === undefined || size > maxPackBytes) return undefined
    await using body = await this.open(bodyHash, size)
    return await body.read(0, size)
  }

  /** Whether a body is there in its full size. */
  async holds(bodyHash: Uint8Array, bodyBytes: number): Promise<boolean> {
    return (await this.#guard(() => this.#disk.size(this.#path(bodyHash)))) === bodyBytes
  }

  async remove(bodyHash: Uint8Array): Promise<void> {
    await this.#guard(() => this.#disk.remove(this.#path(bodyHash)))
  }

  /** Hashes (hex) of the bodies that lie here. */
  async bodies(): Promise<string[]> {
    const names = await this.#guard(() => this.#disk.list(this.folder))
    return names.filter((name) => bodyPattern.test(name)).map((name) => name.slice(0, 64))
  }

  /** Removes what no journal row names: bodies whose commit never came, and temporary files. */
  async sweep(known: ReadonlySet<string>): Promise<{ readonly files: number; readonly bytes: number }> {
    let [files, bytes] = [0, 0]
    for (const name of await this.#disk.list(this.folder)) {
      if (bodyPattern.test(name) ? known.has(name.slice(0, 64)) : !temporaryNames.some((temporary) => temporary === name)) continue
      const path = join(this.folder, name)
      bytes += (await this.#disk.size(path)) ?? 0
      files++
      await this.#disk.remove(path)
    }
    return { files, bytes }
  }
}

/** Passes with the next start, which drops what was lost. */
const damaged = (message: string): SluiceError => new SluiceError('spool-damaged', message, { transient: true })
