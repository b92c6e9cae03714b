import { closeSync, fstatSync, read as readCallback, readSync } from 'node:fs'
import { promisify } from 'node:util'
import { SluiceError, systemCode } from '../observe/error.ts'
import { chunkerStart, type ChunkerState } from '../pack/chunker.ts'
import { factsOf, sameInode, sameState } from './facts.ts'
import { RollingFingerprint, edges, sameFingerprint } from './fingerprint.ts'
import type { OpenFile } from './open-file.ts'
import { bytesOf, type PathKey } from './path-key.ts'
import { look } from './scan.ts'
import type { Stream } from './stream.ts'
import type { Cursor, FileFacts, FileTake, Fingerprint } from './take.ts'

const readAsync = promisify(readCallback)

/** Read at a time where the caller has no room of its own. */
const readBytes = 1 << 20
/** A read up to this size from a local disk is cheaper than the way to the thread pool and back. */
const syncReadBytes = 64 * 1024

/** The state of a file's fingerprint where its cursor stands, if the file still carries the cursor's fingerprint. */
export function fingerprintAt(fd: number, cursor: Pick<Cursor, 'base' | 'offset' | 'fingerprint'>): RollingFingerprint | undefined {
  const { base = 0, offset } = cursor
  const { length, tailStart } = edges(offset)
  const head = readFully(fd, length, base)
  const tail = tailStart === 0 ? head : readFully(fd, length, base + tailStart)
  if (head.length !== length || tail.length !== length) return undefined
  const rolling = new RollingFingerprint(head, tail)
  return sameFingerprint(rolling.value(), cursor.fingerprint) ? rolling : undefined
}

function readFully(fd: number, length: number, position: number): Buffer {
  const buffer = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const bytesRead = readSync(fd, buffer, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

/** How a take ended. `incomplete`: not read to its end; `torn`: it changed meanwhile; with `errno`: the disk failed. */
export type TakeOutcome = 'done' | 'incomplete' | 'torn' | { readonly errno: string }

/** `base` counts from the file's first byte, `offset` from `base`. */
export interface TakeStart {
  readonly base: number
  readonly offset: number
  readonly chunker: ChunkerState
  readonly fingerprint: RollingFingerprint
}

export interface TakeOptions {
  readonly stream: Stream
  readonly root: string
  readonly key: PathKey
  readonly file: OpenFile
  readonly fileId: Uint8Array
  /** What a later look compares with. */
  readonly facts: FileFacts
  readonly start: TakeStart
  /** Where reading ends, counted from the file's first byte: its size, or where dropped bytes begin. */
  readonly endBytes: number
  /** Behind that there is something to take once this is done. */
  readonly hasMore: boolean
  /** Whether reading must stop now. */
  readonly isStopped: () => boolean
  readonly onEnd: (outcome: TakeOutcome) => void
}

/** Where a new generation begins. */
export const startAt = (base: number): TakeStart => ({ base, offset: 0, chunker: chunkerStart, fingerprint: new RollingFingerprint() })

/** A capture file held open: see `FileTake`. */
export class OpenTake implements FileTake {
  readonly stream: Stream
  readonly path: Uint8Array
  readonly fileId: Uint8Array
  readonly base: number
  readonly startOffset: number
  readonly chunker: ChunkerState
  readonly facts: FileFacts
  readonly #options: TakeOptions
  readonly #rolling: RollingFingerprint
  readonly #opened: FileFacts
  readonly #endOffset: number
  #offset: number
  #torn = false
  #isStopped = false
  #errno: string | undefined
  #closed = false
  #isKept = false

  constructor(options: TakeOptions) {
    const { stream, key, file, fileId, facts, start, endBytes } = options
    this.stream = stream
    this.path = bytesOf(key)
    this.fileId = fileId
    this.facts = facts
    this.base = start.base
    this.startOffset = start.offset
    this.chunker = start.chunker
    this.#options = options
    this.#rolling = start.fingerprint
    this.#opened = factsOf(file.stats)
    this.#endOffset = endBytes - start.base
    this.#offset = start.offset
  }

  async *read(room: () => Uint8Array = () => Buffer.allocUnsafe(readBytes)): AsyncGenerator<Uint8Array> {
    while (this.#offset < this.#endOffset && !this.#options.isStopped()) {
      const buffer = room()
      const length = Math.min(buffer.length, this.#endOffset - this.#offset)
      const bytesRead = await this.#readInto(buffer, length)
      if (bytesRead === 0) return
      const bytes = buffer.subarray(0, bytesRead)
      this.#offset += bytesRead
      this.#rolling.push(bytes)
      yield bytes
    }
  }

  async #readInto(buffer: Uint8Array, length: number): Promise<number> {
    const { fd } = this.#options.file
    try {
      if (length <= syncReadBytes) return readSync(fd, buffer, 0, length, this.base + this.#offset)
      return (await readAsync(fd, buffer, 0, length, this.base + this.#offset)).bytesRead
    } catch (cause) {
      this.#errno = systemCode(cause) ?? 'EIO'
      throw new SluiceError('capture-unreadable', `a file of stream ${this.stream.name} cannot be read (${this.#errno})`, { transient: true, cause })
    }
  }

  fingerprint(): Fingerprint {
    return this.#rolling.value()
  }

  keep(): boolean {
    this.#isKept = !this.#options.hasMore
    return this.#isKept
  }

  /** Closes it, unless somebody asked to keep it. */
  async leave(): Promise<void> {
    if (!this.#isKept) await this[Symbol.asyncDispose]()
  }

  async unchanged(): Promise<boolean> {
    // Turned off, it is not looked into any more; it did not change either.
    if (this.#options.isStopped()) {
      this.#isStopped = true
      return false
    }
    const same = this.#isSame()
    this.#torn ||= !same
    return same
  }

  #isSame(): boolean {
    try {
      return this.stream.files === 'append' ? this.#stillBeginsSo() : this.#stillTheVersion()
    } catch (error) {
      if (systemCode(error) === undefined) throw error
      return false // it cannot be told, so it is taken again
    }
  }

  /** Growing and being renamed are an `append` file's life; only what was read must still be there. */
  #stillBeginsSo(): boolean {
    const { fd } = this.#options.file
    if (this.#offset < this.#endOffset || fstatSync(fd).size < this.base + this.#offset) return false
    return fingerprintAt(fd, { base: this.base, offset: this.#offset, fingerprint: this.fingerprint() }) !== undefined
  }

  #stillTheVersion(): boolean {
    const { root, key, file } = this.#options
    if (this.#offset < this.#endOffset || !sameState(factsOf(fstatSync(file.fd, { bigint: true })), this.#opened)) return false
    const there = look(root, key, { unreadable: () => undefined })
    return there !== undefined && sameInode(factsOf(there), this.#opened)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.#options.file.fd)
    if (this.#errno !== undefined) this.#options.onEnd({ errno: this.#errno })
    else this.#options.onEnd(this.#torn ? 'torn' : this.#isStopped || this.#offset < this.#endOffset ? 'incomplete' : 'done')
  }
}
