import type { CursorStore } from '../../src/capture/collect.ts'
import type { Cursor, CursorState, FileFacts } from '../../src/capture/take.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** The journal's part in capture, in memory; keeps to what `Capture` says of the store. */
export class MemoryCursors implements CursorStore {
  readonly #byFile = new Map<string, Cursor>()
  readonly #byPath = new Map<string, string[]>()
  readonly #byInode = new Map<string, string>()
  #sorted: Cursor[] | undefined
  lookups = 0

  byPath(stream: string, path: Uint8Array): Cursor | undefined {
    this.lookups += 1
    const file = this.#byPath.get(`${stream}/${hex(path)}`)?.at(-1)
    return file === undefined ? undefined : this.#byFile.get(file)
  }

  byInode(stream: string, device: bigint, inode: bigint): Cursor | undefined {
    this.lookups += 1
    const file = this.#byInode.get(`${stream}/${device}/${inode}`)
    return file === undefined ? undefined : this.#byFile.get(file)
  }

  fromPath(stream: string, path: Uint8Array, limit: number): readonly CursorState[] {
    this.lookups += 1
    this.#sorted ??= [...this.#byFile.values()].sort((a, b) => Buffer.compare(a.path, b.path))
    const mine = this.#sorted.filter((cursor) => cursor.stream === stream)
    const first = mine.findIndex((cursor) => Buffer.compare(cursor.path, path) >= 0)
    return first < 0 ? [] : mine.slice(first, first + limit)
  }

  *inodes(stream: string): Iterable<Pick<FileFacts, 'device' | 'inode'>> {
    for (const cursor of this.#byFile.values()) if (cursor.stream === stream) yield cursor.facts
  }

  put(cursor: Cursor): void {
    this.#sorted = undefined
    const sameInode = this.#byInode.get(inodeKey(cursor))
    for (const file of [fileKey(cursor), sameInode]) {
      const old = file === undefined ? undefined : this.#byFile.get(file)
      if (old) this.drop(old)
    }
    this.#byFile.set(fileKey(cursor), cursor)
    this.#byInode.set(inodeKey(cursor), fileKey(cursor))
    this.#byPath.set(pathKey(cursor), [...(this.#byPath.get(pathKey(cursor)) ?? []), fileKey(cursor)])
  }

  drop(cursor: Cursor): void {
    this.#sorted = undefined
    const file = fileKey(cursor)
    const stored = this.#byFile.get(file)
    if (!stored) return
    this.#byFile.delete(file)
    if (this.#byInode.get(inodeKey(stored)) === file) this.#byInode.delete(inodeKey(stored))
    const left = this.#byPath.get(pathKey(stored))?.filter((other) => other !== file) ?? []
    if (left.length > 0) this.#byPath.set(pathKey(stored), left)
    else this.#byPath.delete(pathKey(stored))
  }

  get size(): number {
    return this.#byFile.size
  }
}

const fileKey = (cursor: Cursor): string => `${cursor.stream}/${hex(cursor.fileId)}`
const pathKey = (cursor: Cursor): string => `${cursor.stream}/${hex(cursor.path)}`
const inodeKey = ({ stream, facts }: Cursor): string => `${stream}/${facts.device}/${facts.inode}`
