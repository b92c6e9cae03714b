import type { CursorStore } from './lane.ts'
import type { CursorState } from './take.ts'
import { bytesOf, keyOf, type PathKey } from './path-key.ts'

/** Bounds memory and the time of one query, some 2 ms; larger pages are no cheaper for each cursor. */
const mostPerPage = 1_000
const leastPerPage = 4
/** Reading four cursors that nobody asks for costs as much as one query more. */
const growth = 4

/**
 * Cursors by path, for whoever asks in the order of a scan: they are read from the store in pages, which grow while they
 * are used and shrink where they hold much that nobody asks for. A page may be older than the store; what it holds was
 * true when the first path in it was asked for.
 */
export class KnownFiles {
  readonly #store: Pick<CursorStore, 'fromPath'>
  readonly #stream: string
  #page = new Map<PathKey, CursorState>()
  #from: PathKey = ''
  /** The last path that the page can tell of; undefined: all that follow. */
  #to: PathKey | undefined = ''
  #found = 0

  constructor(store: Pick<CursorStore, 'fromPath'>, stream: string) {
    this.#store = store
    this.#stream = stream
  }

  /** A cursor of the path, if it has any: the latest, unless a page ends between two of them. */
  at(key: PathKey): CursorState | undefined {
    if (key < this.#from || (this.#to !== undefined && key > this.#to)) this.#load(key)
    const cursor = this.#page.get(key)
    if (cursor) this.#found += 1
    return cursor
  }

  #load(key: PathKey): void {
    const limit = Math.min(mostPerPage, leastPerPage + growth * this.#found)
    const cursors = this.#store.fromPath(this.#stream, bytesOf(key), limit)
    this.#page = new Map(cursors.map((cursor) => [keyOf(cursor.path), cursor]))
    const last = cursors.at(-1)
    this.#from = key
    this.#to = last && cursors.length === limit ? keyOf(last.path) : undefined
    this.#found = 0
  }
}
