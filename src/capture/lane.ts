import type { Emit } from '../observe/events.ts'
import type { DropStore } from './drop-store.ts'
import { holesOf } from './drop-rule.ts'
import { factsOf } from './facts.ts'
import { includes } from './globs.ts'
import { looked, Marks, plainMark } from './marks.ts'
import { readableBytes } from './holes.ts'
import { realFolder } from './open-file.ts'
import type { PathKey } from './path-key.ts'
import { isAbsent, look, type ScanHooks } from './scan.ts'
import type { Stream } from './stream.ts'
import { positionOf, type Cursor, type CursorState, type FileFacts } from './take.ts'
import { Trouble } from './trouble.ts'
import { FolderWatch, type EventMeter } from './watcher.ts'

/** Read access to the journal's cursors. Paths are raw bytes. */
export interface CursorStore {
  /** The latest cursor with this path. */
  byPath(stream: string, path: Uint8Array): Cursor | undefined
  byInode(stream: string, device: bigint, inode: bigint): Cursor | undefined
  /** At most `limit` cursors in the order of their paths' bytes, beginning with `path`; of one path the latest is last. */
  fromPath(stream: string, path: Uint8Array, limit: number): readonly CursorState[]
  /** What every cursor of a stream is keyed by, each once, also when cursors are put or dropped while this is read. */
  inodes(stream: string): Iterable<Pick<FileFacts, 'device' | 'inode'>>
}

export interface CaptureOptions {
  readonly streams: readonly Stream[]
  readonly cursors: CursorStore
  /** Where captures of a pause can be dropped. */
  readonly drops: DropStore
  readonly emit: Emit
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly randomBytes: (length: number) => Uint8Array
  /** Called from an event handler when a look may find something. Must only set state. */
  readonly onPending?: () => void
}

/** What waits in one stream, as far as known. */
export interface Pending {
  readonly stream: string
  /** Bytes not yet packed: an estimate, and none for what only a scan would find. */
  readonly bytes: number
  readonly files: number
  readonly oldestAt: number
  /** When the next `takes` can find something. */
  readonly readyAt: number
  /** Whether it will look through the whole stream. */
  readonly scan: boolean
}

/** Looks that one call of `pending` may cost; the next call goes on. */
const looksPerCall = 2_000
/** How soon what no event will tell is looked at again: a failing disk, folders beyond the system's watches. */
export const retryMs = 60_000

type RootState = { readonly path: string; readonly identity: string } | { readonly errno: string }

const permanent = ['EACCES', 'EPERM', 'ELOOP', 'EINVAL', 'ENAMETOOLONG', 'ENXIO']

/** One stream: its folder, its watch, and the marks where something may wait. */
export class Lane {
  readonly stream: Stream
  readonly marks = new Marks()
  readonly isIncluded: (key: PathKey) => boolean
  /** The system's watches are used up: every collection scans, until one finds them sufficient. */
  unwatchable = false
  /** The worker turned the stream off: no file is opened, no folder listed. */
  paused = false
  /** While a dropping pause lasts: told of each path that was written. Must not throw. */
  onWritten: ((key: PathKey) => void) | undefined
  /** Inodes that were seen shorter in a dropping pause than they had been. */
  readonly shrunk = new Set<bigint>()
  /** Folders and files that could not be read since the start. */
  refusals = 0
  readonly #options: CaptureOptions
  readonly #trouble = new Trouble()
  #root: RootState | undefined
  #watch: FolderWatch | undefined
  #isLimitTold = false

  constructor(stream: Stream, options: CaptureOptions) {
    this.stream = stream
    this.isIncluded = includes(stream.include)
    this.#options = options
  }

  start(meter: EventMeter): void {
    this.#root = undefined
    this.#watch = new FolderWatch(
      {
        changed: (key, event) => {
          // What grows need not be quiet: its new bytes are good as they are.
          const quietMs = this.stream.files === 'append' ? 0 : this.stream.quietMs
          this.onWritten?.(key)
          if (this.marks.note(key, event, this.#options.now(), quietMs)) this.#news()
        },
        lost: (cause) => this.lost(cause),
        folderMoved: () => this.#scanNow(),
        rootChanged: () => this.checkRoot(),
        unreadable: (folder, errno) => this.unreadable(folder, errno, 'folder'),
      },
      meter,
    )
    this.#scanNow()
    this.checkRoot()
  }

  stop(): void {
    this.#watch?.stop()
    this.#watch = undefined
  }

  /** Whether renames are told. */
  get isWatched(): boolean {
    return this.#watch !== undefined && !this.unwatchable
  }

  lost(cause: 'overflow' | 'watch-limit' | 'error'): void {
    const isNews = cause === 'watch-limit' ? !this.#isLimitTold : this.marks.scan === undefined
    if (isNews) this.#options.emit({ event: 'capture.rescan', stream: this.stream.name, cause })
    if (cause !== 'watch-limit') return this.#scanNow()
    this.#isLimitTold = true
    this.unwatchable = true
  }

  #scanNow(): void {
    const news = this.marks.scan === undefined
    this.marks.needScan(this.#options.now())
    if (news) this.#news()
  }

  #news(): void {
    if (!this.paused) this.#options.onPending?.()
  }

  /** The folder's real path now, or undefined while there is none. Tells when it goes and when it is back. */
  checkRoot(): string | undefined {
    const before = this.#root
    const found = this.#look()
    if ('path' in found) {
      if (before && 'path' in before && before.identity === found.identity && before.path === found.path) return found.path
      if (before && 'errno' in before) this.#options.emit({ event: 'capture.folder-back', stream: this.stream.name })
      this.#root = found
      this.#watch?.begin(found.path)
      if (before) this.#scanNow()
      return found.path
    }
    if (before && 'errno' in before && before.errno === found.errno && !this.#watch) return undefined
    this.#root = found
    if (!before || 'path' in before || before.errno !== found.errno) this.#tellMissing(found.errno)
    this.#watch?.awaitFolder(this.stream.folder)
    return 'path' in this.#look() ? this.checkRoot() : undefined
  }

  #look(): RootState {
    const path = realFolder(this.stream.folder)
    if (typeof path !== 'string') return path
    const stats = look(path, '', { unreadable: () => undefined })
    return stats ? { path, identity: `${stats.dev}:${stats.ino}` } : { errno: 'ENOENT' }
  }

  #tellMissing(errno: string): void {
    if (isAbsent(errno)) this.#options.emit({ event: 'capture.folder-missing', stream: this.stream.name })
    else this.#options.emit({ event: 'capture.unreadable', stream: this.stream.name, errno, what: 'folder' })
  }

  unreadable(key: PathKey, errno: string, what: 'file' | 'folder'): void {
    this.refusals += 1
    if (this.#trouble.begins(key, errno)) this.#options.emit({ event: 'capture.unreadable', stream: this.stream.name, errno, what })
    // Permissions change with an event; a failing disk or a lack of memory just passes.
    if (!permanent.includes(errno)) this.marks.keep(key, plainMark(this.#options.now(), this.#options.now() + retryMs))
  }

  readable(key: PathKey): void {
    this.#trouble.ends(key)
  }

  /** What a scan tells while it goes on. */
  scanHooks(): ScanHooks {
    return {
      entering: (folder) => this.#watch?.cover(folder),
      unreadable: (key, errno, what) => this.unreadable(key, errno, what),
      listed: (folder) => this.readable(folder),
    }
  }

  scanBegins(): void {
    this.unwatchable = false
    this.#watch?.scanBegins()
  }

  scanEnds(): void {
    this.#watch?.scanEnds()
  }

  pending(): Pending | undefined {
    this.marks.noticeClock(this.#options.now())
    const { scan, paths } = this.marks
    if (this.paused || (!scan && paths.size === 0) || (this.#root && 'errno' in this.#root)) return undefined
    this.#refresh()
    let [bytes, oldestAt, readyAt] = [0, scan?.since ?? Infinity, scan?.readyAt ?? Infinity]
    for (const mark of paths.values()) {
      bytes += mark.seen?.unreadBytes ?? 0
      oldestAt = Math.min(oldestAt, mark.since)
      readyAt = Math.min(readyAt, mark.readyAt)
    }
    return { stream: this.stream.name, bytes, files: paths.size, oldestAt, readyAt, scan: scan !== undefined }
  }

  #refresh(): void {
    const root = this.#root
    if (!root || 'errno' in root) return
    let looks = 0
    for (const [key, mark] of this.marks.paths) {
      if (!mark.stale) continue
      if (++looks > looksPerCall) return
      const stats = look(root.path, key, { unreadable: () => undefined })
      if (stats?.isFile()) {
        const facts = factsOf(stats)
        this.marks.refresh(key, looked(mark, facts, this.#unread(key, facts), this.#options.now()))
      }
    }
  }

  #unread(key: PathKey, facts: ReturnType<typeof factsOf>): number {
    const { cursors, drops } = this.#options
    const cursor = cursors.byInode(this.stream.name, facts.device, facts.inode)
    if (!cursor && !this.isIncluded(key)) return 0
    const position = cursor && facts.sizeBytes >= positionOf(cursor) ? positionOf(cursor) : 0
    const file = drops.file(this.stream.name, facts.inode)
    return readableBytes(file ? holesOf(file.dropped) : [], position, facts.sizeBytes)
  }
}
