import { existsSync, lstatSync, readFileSync, watch, type FSWatcher } from 'node:fs'
import { dirname } from 'node:path'
import { systemCode } from '../observe/error.ts'
import type { FileEvent } from './marks.ts'
import { baseName, joined, locate, type PathKey } from './path-key.ts'
import { isAbsent } from './scan.ts'

/** What the kernel's event queue holds when it does not say (inotify(7)). */
const queuedEventsDefault = 16_384

/** Deeper than any sensible path, and an end to chasing folders that come and go. */
const attemptLimit = 100

/**
 * Notices that the kernel's event queue may have overflowed. libuv passes over the kernel's own sign (IN_Q_OVERFLOW), but a
 * full queue arrives within one turn of the event loop: half of it in one turn is taken for the worst.
 */
export class EventMeter {
  readonly #limit: number
  readonly #onOverflow: () => void
  #count = 0

  constructor(onOverflow: () => void, queuedEvents = maxQueuedEvents()) {
    this.#limit = Math.max(1, Math.floor(queuedEvents / 2))
    this.#onOverflow = onOverflow
  }

  count(): void {
    if (this.#count === 0) setImmediate(() => (this.#count = 0))
    this.#count += 1
    if (this.#count === this.#limit) this.#onOverflow()
  }
}

function maxQueuedEvents(): number {
  try {
    return Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8')) || queuedEventsDefault
  } catch {
    return queuedEventsDefault
  }
}

export interface WatchHooks {
  readonly changed: (key: PathKey, event: FileEvent) => void
  /** What changed is not known. `watch-limit`: nor will it be from now on. */
  readonly lost: (cause: 'watch-limit' | 'error') => void
  /** A folder that was watched was removed or moved; what lay in it is told no further. */
  readonly folderMoved: () => void
  /** The stream's folder itself, or the way to it, may have come or gone. */
  readonly rootChanged: () => void
  readonly unreadable: (folder: PathKey, errno: string) => void
}

interface WatchedFolder {
  watcher: FSWatcher | undefined
  inode: bigint
  generation: number
  readonly children: Map<string, WatchedFolder>
}

/** Watches the folders of one stream, one watch each, costing nothing while nothing happens. */
export class FolderWatch {
  readonly #hooks: WatchHooks
  readonly #meter: EventMeter
  #root = ''
  #tree: WatchedFolder | undefined
  #ancestor: FSWatcher | undefined
  #generation = 0

  constructor(hooks: WatchHooks, meter: EventMeter) {
    this.#hooks = hooks
    this.#meter = meter
  }

  /** Begins anew with the real path of the stream's folder. */
  begin(root: string): void {
    this.stop()
    this.#root = root
    this.cover('')
  }

  stop(): void {
    this.#ancestor?.close()
    this.#ancestor = undefined
    if (this.#tree) close(this.#tree)
    this.#tree = undefined
  }

  /** Watches `folder`, if it is not watched already. To be called before it is listed. */
  cover(folder: PathKey): void {
    const node = this.#node(folder)
    node.generation = this.#generation
    try {
      const { ino } = lstatSync(locate(this.#root, folder), { bigint: true })
      if (node.watcher && node.inode === ino) return
      node.watcher?.close()
      node.watcher = this.#watch(folder, node)
      node.inode = ino
    } catch (error) {
      this.#failed(folder, systemCode(error) ?? 'EIO')
    }
  }

  /** Brackets a scan of everything: folders that it does not `cover` are gone. */
  scanBegins(): void {
    this.#generation += 1
  }

  scanEnds(): void {
    if (this.#tree) prune(this.#tree, this.#generation)
  }

  /** While the stream's folder is missing: watches the nearest folder above it that exists. */
  awaitFolder(folder: string): void {
    this.stop()
    let missing = folder
    for (let attempt = 0; attempt < attemptLimit; attempt++) {
      const above = dirname(missing)
      try {
        this.#ancestor = this.#watchAbove(above, [baseName(missing), baseName(above)])
      } catch (error) {
        if (isLimit(systemCode(error) ?? 'EIO')) break
        missing = above
        continue
      }
      // What appeared before the watch was in place is never told. The folder itself is for the caller to see.
      if (missing === folder || !existsSync(missing)) return
      this.#ancestor.close()
      missing = folder
    }
    this.#hooks.lost('watch-limit')
  }

  #watchAbove(above: string, names: readonly string[]): FSWatcher {
    const watcher = watch(above, { encoding: 'utf8' }, (_, name) => {
      if (name === null || names.includes(name)) this.#hooks.rootChanged()
    })
    watcher.on('error', () => this.#hooks.lost('watch-limit'))
    return watcher
  }

  #watch(folder: PathKey, node: WatchedFolder): FSWatcher {
    const own = baseName(locate(this.#root, folder).toString('latin1'))
    const watcher = watch(locate(this.#root, folder), { encoding: 'latin1' }, (event, name) => {
      this.#meter.count()
      if (name === null) return this.#hooks.lost('error')
      if (folder === '' && name === own) this.#hooks.rootChanged()
      if (event === 'rename') this.#forget(node, name)
      this.#hooks.changed(joined(folder, name), event === 'rename' ? 'rename' : 'change')
    })
    watcher.on('error', () => this.#hooks.lost('error'))
    return watcher
  }

  #forget(parent: WatchedFolder, name: string): void {
    const child = parent.children.get(name)
    if (!child) return
    parent.children.delete(name)
    close(child)
    this.#hooks.folderMoved()
  }

  #failed(folder: PathKey, errno: string): void {
    if (isLimit(errno)) this.#hooks.lost('watch-limit')
    else if (!isAbsent(errno)) this.#hooks.unreadable(folder, errno)
  }

  #node(folder: PathKey): WatchedFolder {
    this.#tree ??= emptyNode()
    let node = this.#tree
    for (const name of folder === '' ? [] : folder.split('/')) {
      let child = node.children.get(name)
      if (!child) node.children.set(name, (child = emptyNode()))
      node = child
    }
    return node
  }
}

const emptyNode = (): WatchedFolder => ({ watcher: undefined, inode: 0n, generation: 0, children: new Map() })

/** The system's limit of watches, or of queues to read them from. */
const isLimit = (errno: string): boolean => errno === 'ENOSPC' || errno === 'EMFILE' || errno === 'ENFILE'

function close(node: WatchedFolder): void {
  node.watcher?.close()
  for (const child of node.children.values()) close(child)
}

function prune(node: WatchedFolder, generation: number): void {
  for (const [name, child] of node.children) {
    if (child.generation === generation) prune(child, generation)
    else {
      node.children.delete(name)
      close(child)
    }
  }
}
