import type { BigIntStats } from 'node:fs'
import type { DroppingPause } from './drop-store.ts'
import { Drops, type DropReport } from './drops.ts'
import { fileIds } from './file-ids.ts'
import { Lane, retryMs, type CaptureOptions, type Pending } from './lane.ts'
import { plainMark, type Mark } from './marks.ts'
import { polled } from './pace.ts'
import { Pass } from './pass.ts'
import { keyOf, type PathKey } from './path-key.ts'
import { look, scan, type ScanHooks, type Sighted } from './scan.ts'
import type { Cursor, FileTake } from './take.ts'
import { EventMeter } from './watcher.ts'
import { openForWriting, type Writers } from './writers.ts'

export type { CursorStore } from './lane.ts'
export type { DropReport } from './drops.ts'

/** Cursors of gone files that wait to be fetched; what is beyond is found by the next scan. */
const goneLimit = 10_000

export interface TakesOptions {
  /** Names of the streams to look at; all when left out. */
  readonly streams?: ReadonlySet<string>
  /** Look at every file and take it as it is now, without waiting until a `whole` file is finished. */
  readonly asItStands: boolean
  readonly signal?: AbortSignal
}

/**
 * The streams of the config and what is new in them.
 *
 * The store is trusted: what is not in it when `takes` is called is handed out (again). Several generations may share a
 * path for a while (`log` was rotated to `log.1` and begun anew, and `log.1` is not yet packed), so cursors are kept by
 * `fileId`: putting one replaces the one of the same `fileId` and the one of the same device and inode, and nothing else.
 */
export class Capture {
  readonly #options: CaptureOptions
  readonly #lanes: readonly Lane[]
  readonly #drops = new Map<Lane, Drops>()
  /** Since when a dropping pause lasts, as far as told. */
  #droppingSince: number | undefined
  readonly #newFileId: () => Uint8Array
  #gone: Cursor[] = []
  #isStarted = false

  constructor(options: CaptureOptions) {
    this.#options = options
    this.#newFileId = fileIds(options.randomBytes)
    this.#lanes = options.streams.map((stream) => new Lane(stream, options))
    for (const lane of this.#lanes) this.#drops.set(lane, new Drops(lane, options, options.drops))
  }

  /** Begins watching, and marks every stream for a scan: something may have happened while nobody watched. */
  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    const meter = new EventMeter(() => {
      for (const lane of this.#lanes) lane.lost('overflow')
    })
    for (const lane of this.#lanes) lane.start(meter)
  }

  stop(): void {
    this.#isStarted = false
    for (const lane of this.#lanes) lane.stop()
  }

  /**
   * The streams that the worker turned off: until told otherwise none of their files is opened, an open one is read no
   * further, and none of their folders is listed. What is written meanwhile is marked, and read once they are on again.
   */
  pause(streams: ReadonlySet<string>): void {
    for (const lane of this.#lanes) {
      const isBack = lane.paused && !streams.has(lane.stream.name)
      lane.paused = streams.has(lane.stream.name)
      if (isBack && lane.pending()) this.#options.onPending?.()
    }
  }

  /**
   * A dropping pause has begun: notes what every file was, by listing folders and looking at sizes and times. Until
   * `dropBetween`, `takes` hands out nothing. Call when `takes` has ended; may be called again for the same pause.
   */
  async drawLine({ since }: { readonly since: number }): Promise<void> {
    this.#droppingSince = since
    for (const drops of this.#drops.values()) await drops.drawLine(since)
  }

  /**
   * A dropping pause is over: what may have been written in it is never read. Durable when this returns; a pause that was
   * applied is not applied again. A stream whose folder is missing now is not read before it was applied there, too. Call
   * when `takes` has ended, the oldest pause first, and before anything is read.
   */
  async dropBetween(pause: DroppingPause): Promise<readonly DropReport[]> {
    for (const drops of this.#drops.values()) drops.add(pause)
    const reports = await this.#applyDue()
    if (this.#droppingSince === pause.since) this.#droppingSince = undefined
    return reports
  }

  /** Pauses that were applied to the streams there were: applies them to those that came later, or were away. As `dropBetween`. */
  async dropMissed(pauses: readonly DroppingPause[]): Promise<readonly DropReport[]> {
    for (const drops of this.#drops.values()) for (const pause of pauses) drops.addMissed(pause)
    return this.#applyDue()
  }

  async #applyDue(): Promise<readonly DropReport[]> {
    const reports: DropReport[] = []
    for (const drops of this.#drops.values()) reports.push(await drops.applyDue())
    return reports.filter(({ files }) => files > 0)
  }

  /** When the pauses began for which a line was drawn, and of which `dropBetween` has not told the end. */
  openLines(): number[] {
    const lines = [...this.#drops.values()].map((drops) => drops.openLine).filter((since) => since !== undefined)
    return [...new Set(lines)].sort((a, b) => a - b)
  }

  /** No dropping pause holds, whatever was told before, and all that are over have been told. */
  goOn(): void {
    this.#droppingSince = undefined
  }

  /** What waits, per stream that has anything. Cheap: looks only at files that changed since the last call. */
  pending(): Pending[] {
    return this.#lanes.map((lane) => lane.pending()).filter((pending) => pending !== undefined)
  }

  /** Cursors of files that are gone since the last call: to be dropped in the caller's next transaction. */
  gone(): readonly Cursor[] {
    const gone = this.#gone
    this.#gone = []
    return gone
  }

  /** Marks a file again whose bytes were read but could not be packed. A torn or half-read take marks itself. */
  takeAgain(take: Pick<FileTake, 'stream' | 'path'>): void {
    this.#lanes.find((lane) => lane.stream.name === take.stream.name)?.marks.keep(keyOf(take.path), plainMark(this.#options.now()))
  }

  /**
   * Opens one after the other everything that has something to pack: stream by stream in the config's order. A take
   * without bytes (`startOffset` = size) tells of a new empty file or of a new name. Each take is closed when the next is
   * asked for, unless it is kept. Stopping early loses nothing.
   */
  async *takes(options: TakesOptions): AsyncGenerator<FileTake> {
    // Half a rename (the old name gone, the new one not yet told) would look like a loss.
    if (this.#isStarted) await polled()
    let found: Promise<Writers> | undefined
    const writers = (): Promise<Writers> => (found ??= openForWriting(this.#options.now))
    for (const lane of this.#lanes) {
      if (options.signal?.aborted || this.#droppingSince !== undefined) return
      if (!lane.paused && (options.streams?.has(lane.stream.name) ?? true)) yield* this.#takesOf(lane, options, writers)
    }
  }

  async *#takesOf(lane: Lane, { asItStands, signal }: TakesOptions, writers: () => Promise<Writers>): AsyncGenerator<FileTake> {
    const root = lane.checkRoot()
    if (root === undefined) return
    const drops = this.#drops.get(lane)
    const late = await drops?.applyDue()
    if (late && late.files > 0) this.#options.emit({ event: 'capture.dropped', ...late })
    if (drops?.isClear === false) return
    if (asItStands || lane.unwatchable) lane.marks.needScan(this.#options.now())
    const waiting = lane.marks.drain()
    const gone = (cursor: Cursor): boolean => this.#gone.length < goneLimit && this.#gone.push(cursor) > 0
    const pass = new Pass({ lane, root, asItStands, capture: this.#options, drops, writers, newFileId: this.#newFileId, gone })
    const isStopped = (): boolean => signal?.aborted === true || lane.paused || this.#droppingSince !== undefined
    let isComplete = false
    try {
      const passesOver = (key: PathKey, stats: BigIntStats): boolean => !isStopped() && pass.passesOver(key, stats)
      for await (const { key, stats } of waiting.scan ? scanned(lane, root, passesOver) : marked(lane, root, waiting.paths, pass)) {
        if (isStopped()) return
        let take = await pass.visit(key, stats, waiting.paths.get(key))
        waiting.paths.delete(key)
        try {
          while (take) {
            try {
              yield take
            } finally {
              await take.leave()
            }
            take = isStopped() ? undefined : pass.beyond()
          }
        } finally {
          pass.leave()
        }
      }
      isComplete = true
    } finally {
      if (!isComplete) lane.marks.restore(waiting)
    }
    if (lane.checkRoot() !== root) return
    await (waiting.scan ? pass.endsScan() : pass.endsMarks())
    const now = this.#options.now()
    if (lane.unwatchable) lane.marks.needScan(now, now + retryMs)
  }
}

async function* scanned(lane: Lane, root: string, passesOver: NonNullable<ScanHooks['passesOver']>): AsyncGenerator<Sighted> {
  lane.scanBegins()
  yield* scan(root, '', { ...lane.scanHooks(), passesOver })
  lane.scanEnds()
}

/** The regular files among the marked paths, and those in marked folders, which are new or came from elsewhere. */
async function* marked(lane: Lane, root: string, paths: Map<PathKey, Mark>, pass: Pass): AsyncGenerator<Sighted> {
  const hooks = lane.scanHooks()
  for (const [key, mark] of paths) {
    const stats: BigIntStats | undefined = look(root, key, hooks)
    if (stats?.isFile()) {
      yield { key, stats }
      continue
    }
    pass.vanished(key, mark)
    if (stats?.isDirectory()) yield* scan(root, key, hooks)
  }
}
