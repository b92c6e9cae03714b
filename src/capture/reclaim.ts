import { unlinkSync } from 'node:fs'
import { systemCode } from '../observe/error.ts'
import type { Emit } from '../observe/events.ts'
import { factsOf, sameState } from './facts.ts'
import { realFolder } from './open-file.ts'
import { Pace } from './pace.ts'
import { keyOf, locate, type PathKey } from './path-key.ts'
import { look } from './scan.ts'
import type { Stream } from './stream.ts'
import type { Cursor } from './take.ts'

/** The journal's part in reclaiming. */
export interface ArrivedStore {
  /** Versions of `whole` files that are complete at the destination, for which no cursor was dropped yet, in pages. */
  arrivedVersions(stream: string): Iterable<readonly Cursor[]>
  dropCursors(cursors: readonly Cursor[]): void
}

export interface ReclaimOptions {
  readonly streams: readonly Stream[]
  readonly cursors: ArrivedStore
  readonly emit: Emit
}

/**
 * Deletes capture files of streams with `onSent: delete` once their content is at the destination. A file whose inode,
 * size or times are not those it was packed with is kept: it is another version, to be packed in its turn.
 */
export class Reclaim {
  readonly #options: ReclaimOptions
  /** File ids that stay until the next start: changed since, or not to be deleted. */
  readonly #kept = new Set<string>()

  constructor(options: ReclaimOptions) {
    this.#options = options
  }

  /** Deletes what has arrived by now, also what a crash left behind. Throws the journal's errors. */
  async run(): Promise<void> {
    for (const stream of this.#options.streams) {
      if (stream.onSent === 'delete' && stream.files === 'whole') await this.#reclaim(stream)
    }
  }

  async #reclaim(stream: Stream): Promise<void> {
    const { cursors, emit } = this.#options
    let root: ReturnType<typeof realFolder> | undefined
    const deleted = { files: 0, bytes: 0 }
    try {
      for (const page of cursors.arrivedVersions(stream.name)) {
        root ??= realFolder(stream.folder)
        if (typeof root !== 'string') return
        const gone = await this.#remove(stream, root, page)
        // Without its cursor nobody takes the file for lost. After a crash before this line, the next scan finds it gone.
        if (gone.length > 0) cursors.dropCursors(gone)
        deleted.files += gone.length
        deleted.bytes += gone.reduce((sum, { offset }) => sum + offset, 0)
      }
    } finally {
      if (deleted.files > 0) emit({ event: 'capture.reclaimed', stream: stream.name, ...deleted })
    }
  }

  /** Returns the cursors of the files that were deleted. */
  async #remove(stream: Stream, root: string, arrived: readonly Cursor[]): Promise<Cursor[]> {
    const pace = new Pace()
    const gone: Cursor[] = []
    for (const cursor of arrived) {
      const id = keyOf(cursor.fileId)
      if (this.#kept.has(id)) continue
      await pace.breathe()
      const found = remove(root, keyOf(cursor.path), cursor)
      if (found === 'deleted') gone.push(cursor)
      else this.#kept.add(id)
      if (found !== 'deleted' && found !== 'changed') this.#options.emit({ event: 'capture.not-reclaimed', stream: stream.name, errno: found.errno })
    }
    return gone
  }
}

/** Compares and deletes in one go: nothing of ours can come between. */
function remove(root: string, key: PathKey, { facts }: Cursor): 'deleted' | 'changed' | { readonly errno: string } {
  const stats = look(root, key, { unreadable: () => undefined })
  // The device's number is left out: it may change from one start of the machine to the next.
  if (!stats?.isFile() || stats.ino !== facts.inode || !sameState(factsOf(stats), facts)) return 'changed'
  try {
    unlinkSync(locate(root, key))
    return 'deleted'
  } catch (error) {
    return { errno: systemCode(error) ?? 'EIO' }
  }
}
