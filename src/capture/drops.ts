import type { BigIntStats } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import {
  contentOf, droppedOf, dropsUntil, holesOf, isBefore, isReborn, isOfEarlierFile, isWrittenIn, joinedDrops, judgeVersion,
} from './drop-rule.ts'
import { includesBegin, isFarAhead, joinedSpans } from './drop-spans.ts'
import type { Dropped, DroppedFile, DropProgress, DropStore, DroppingPause, DueDrop, LinePoint } from './drop-store.ts'
import { bornUs, factsOf, fileClockStepMs, sameContentFacts, sameInode, sameState, unsettled } from './facts.ts'
import { clipped, readableBytes, type Hole } from './holes.ts'
import type { CaptureOptions, Lane } from './lane.ts'
import { plainMark } from './marks.ts'
import type { PathKey } from './path-key.ts'
import { look, scan } from './scan.ts'
import { positionOf, type Cursor, type FileFacts } from './take.ts'

/** A folder that changes at every look is taken as it was met in all of them together. */
const surveyTries = 5
/** Points that are written to the journal in one go. */
const pointsPerCommit = 1_000
/** Applied pauses that are remembered one by one, for files which turn up later with times from within one of them. */
const pastLimit = 100

/** What was dropped from one stream. */
export interface DropReport {
  readonly stream: string
  readonly files: number
  readonly bytes: number
}

/**
 * Keeps what was written in dropping pauses from being read, in one stream. It looks at names, sizes and times alone: no
 * capture file is opened.
 */
export class Drops {
  readonly #lane: Lane
  readonly #capture: CaptureOptions
  readonly #store: DropStore
  #progress: DropProgress | undefined

  constructor(lane: Lane, capture: CaptureOptions, store: DropStore) {
    this.#lane = lane
    this.#capture = capture
    this.#store = store
  }

  get #stream(): string {
    return this.#lane.stream.name
  }

  #known(): DropProgress {
    return (this.#progress ??= this.#store.progress(this.#stream))
  }

  #cursor(stats: BigIntStats): Cursor | undefined {
    const cursor = this.#capture.cursors.byInode(this.#stream, stats.dev, stats.ino)
    return cursor && !isOfEarlierFile(cursor, bornUs(stats)) ? cursor : undefined
  }

  /** Notes what every file with unread content was before the pause. Called again for the same pause, it looks for what shrank. */
  async drawLine(since: number): Promise<void> {
    const root = this.#lane.paused ? undefined : this.#lane.checkRoot()
    if (root === undefined) return
    this.#lane.onWritten = (key) => this.#noteShrunk(root, key, since)
    const isDrawn = this.#known().line?.since === since
    const [points, met] = [[] as LinePoint[], new Set<bigint>()]
    await this.#survey(root, [''], (key, stats) => {
      const point = met.has(stats.ino) ? undefined : this.#point(key, stats, since, isDrawn)
      met.add(stats.ino)
      if (point) points.push(point)
      if (points.length >= pointsPerCommit) this.#store.commit({ stream: this.#stream, points: points.splice(0) })
    })
    this.#commit({ ...this.#known(), line: { since } }, { points })
  }

  #point(key: PathKey, stats: BigIntStats, since: number, isDrawn: boolean): LinePoint | undefined {
    const facts = factsOf(stats)
    const known = this.#store.point(this.#stream, facts.inode)
    if (known?.since === since) return facts.sizeBytes < known.sizeBytes ? { ...known, isShrunk: true } : undefined
    // With the line drawn, what has no point was read before the pause, or is new.
    if (isDrawn || this.#isRead(stats, facts)) return undefined
    const keptBytes = this.#keptBytes(key, facts, since)
    return { stream: this.#stream, inode: facts.inode, since, ...contentOf(facts), bornUs: bornUs(stats), keptBytes, isShrunk: false }
  }

  #isRead(stats: BigIntStats, facts: FileFacts): boolean {
    const cursor = this.#cursor(stats)
    if (!cursor) return false
    if (this.#lane.stream.files === 'whole') return cursor.complete && sameContentFacts(cursor.facts, facts)
    return positionOf(cursor) === facts.sizeBytes
  }

  #keptBytes(key: PathKey, facts: FileFacts, since: number): number {
    // The clock was set back since the pause began: times tell nothing.
    if (isFarAhead(since, this.#capture.now())) return 0
    return isBefore(facts, since) ? facts.sizeBytes : this.#seenBefore(key, facts, since)
  }

  /** A file that is written all the time is written when the pause begins: what an earlier look saw of it was there before. */
  #seenBefore(key: PathKey, facts: FileFacts, since: number): number {
    const seen = this.#lane.marks.get(key)?.seen
    const isSure = seen !== undefined && seen.at <= since && sameInode(seen.facts, facts) && this.#lane.stream.files === 'append'
    return isSure ? Math.min(seen.facts.sizeBytes, facts.sizeBytes) : 0
  }

  /** An event handler: what cannot be told counts as shrunk, and what cannot be written down is kept in mind. */
  #noteShrunk(root: string, key: PathKey, since: number): void {
    const stats = look(root, key, { unreadable: () => undefined })
    if (!stats?.isFile() || this.#lane.shrunk.has(stats.ino)) return
    try {
      const facts = factsOf(stats)
      const known = this.#store.point(this.#stream, facts.inode)
      const point = known?.since === since ? known : undefined
      const cursor = this.#cursor(stats)
      if (facts.sizeBytes >= (point?.sizeBytes ?? (cursor ? positionOf(cursor) : 0))) return
      this.#lane.shrunk.add(facts.inode)
      const shrunk = { stream: this.#stream, inode: facts.inode, since, ...contentOf(facts), bornUs: bornUs(stats), keptBytes: 0, ...point, isShrunk: true }
      this.#store.commit({ stream: this.#stream, points: [shrunk] })
    } catch {
      this.#lane.shrunk.add(stats.ino)
    }
  }

  /** Makes the pause due, once; `applyDue` applies it. */
  add({ since, until }: DroppingPause): void {
    const { due, past, ...rest } = this.#known()
    const isKnown = [...due, ...past].some((pause) => pause.since === since && pause.until === until)
    if (!isKnown) this.#commit({ ...rest, past, due: [...due, { since, until, under: [''] }] })
  }

  /** As `add`, for a pause that was applied earlier: here, too, unless the stream was not in the config then. */
  addMissed(pause: DroppingPause): void {
    const { due, past } = this.#known()
    if (![...due, ...past].some((known) => includesBegin(known, pause.since))) this.add(pause)
  }

  /** Since when a line is drawn for a pause whose end was not told. */
  get openLine(): number | undefined {
    const { line, due } = this.#known()
    return line && !due.some((pause) => includesBegin(pause, line.since)) ? line.since : undefined
  }

  /**
   * Applies what is due, as far as the stream's folder can be read; the rest stays due. To be called before anything is
   * read, and while nothing is. A stream that is off is not looked at.
   */
  async applyDue(): Promise<DropReport> {
    let [files, bytes] = [0, 0]
    const root = this.#known().due.length > 0 && !this.#lane.paused ? this.#lane.checkRoot() : undefined
    for (const due of root === undefined ? [] : this.#known().due) {
      const report = await this.#apply(root as string, due)
      files += report.files
      bytes += report.bytes
    }
    return { stream: this.#stream, files, bytes }
  }

  /** Whether the stream may be read: not while a pause waits to be applied to all of it. */
  get isClear(): boolean {
    return this.#known().due.every(({ under }) => !under.includes(''))
  }

  async #apply(root: string, due: DueDrop): Promise<Omit<DropReport, 'stream'>> {
    const found = new Map<bigint, { readonly file: DroppedFile; readonly bytes: number }>()
    const under = await this.#survey(root, due.under, (_, stats) => {
      const change = this.#drop(stats, due)
      if (change) found.set(stats.ino, change)
      else found.delete(stats.ino)
    })
    const { due: dues, past, line } = this.#known()
    const others = dues.filter((other) => other !== due)
    const isOver = under.length === 0
    const { since, until } = due
    const endsLine = isOver && line !== undefined && includesBegin(due, line.since)
    this.#commit({
      ...(line && !endsLine && { line }),
      due: isOver ? others : [...others, { since, until, under }].sort((a, b) => a.since - b.since),
      past: joinedSpans([...past, { since, until }], pastLimit),
    }, { files: [...found.values()].map(({ file }) => file), clearPoints: endsLine })
    if (endsLine) {
      this.#lane.onWritten = undefined
      this.#lane.shrunk.clear()
    }
    const sizes = [...found.values()].map(({ bytes }) => bytes).filter((bytes) => bytes > 0)
    return { files: sizes.length, bytes: sizes.reduce((sum, bytes) => sum + bytes, 0) }
  }

  #drop(stats: BigIntStats, pause: DroppingPause): { readonly file: DroppedFile; readonly bytes: number } | undefined {
    const { files: kind, quietMs } = this.#lane.stream
    const [facts, born] = [factsOf(stats), bornUs(stats)]
    const known = this.#store.point(this.#stream, facts.inode)
    const isOther = known?.since === pause.since && known.bornUs !== bornUs(stats)
    const point = known?.since === pause.since && !isOther ? known : undefined
    const isShrunk = point?.isShrunk === true || this.#lane.shrunk.has(facts.inode)
    const cursor = isOther ? undefined : this.#cursor(stats)
    const hasLine = this.#known().line?.since === pause.since
    const now = this.#capture.now()
    const dropped = droppedOf({ kind, quietMs, facts, bornUs: born, pause, now, cursor, hasLine, point, isShrunk })
    if (!dropped) return undefined
    const before = this.#store.file(this.#stream, facts.inode)
    const joined = joinedDrops(before && !isReborn(before, born) ? before.dropped : undefined, dropped, facts.sizeBytes)
    const unread = dropped.what === 'bytes' ? dropped.holes : holesOf(dropped)
    const isRead = kind === 'whole' && this.#isRead(stats, facts)
    const bytes = isRead ? 0 : facts.sizeBytes - readableBytes(unread, 0, facts.sizeBytes)
    return { file: { stream: this.#stream, inode: facts.inode, until: dropsUntil(pause, born), dropped: joined }, bytes }
  }

  #commit(progress: DropProgress, more: { points?: LinePoint[]; files?: DroppedFile[]; clearPoints?: boolean } = {}): void {
    this.#store.commit({ stream: this.#stream, progress, ...more })
    this.#progress = progress
  }

  /**
   * Shows `visit` every file at or below `starts`, over again until no folder changed meanwhile: a file that is renamed past
   * one look is met in the next. Returns what could not be looked at.
   */
  async #survey(root: string, starts: readonly PathKey[], visit: (key: PathKey, stats: BigIntStats) => void): Promise<PathKey[]> {
    const failed = new Set<PathKey>()
    for (let tries = 0; tries < surveyTries; tries++) {
      failed.clear()
      const base = this.#lane.scanHooks()
      const folders = new Map<PathKey, FileFacts | undefined>()
      const hooks = {
        ...base,
        entering: (folder: PathKey) => {
          base.entering(folder)
          folders.set(folder, this.#settledFolder(root, folder))
        },
        unreadable: (key: PathKey, errno: string, what: 'file' | 'folder') => {
          base.unreadable(key, errno, what)
          failed.add(key)
        },
      }
      for (const start of starts) {
        const stats = look(root, start, hooks)
        if (stats?.isFile()) visit(start, stats)
        else if (stats?.isDirectory()) for await (const seen of scan(root, start, hooks)) visit(seen.key, seen.stats)
      }
      const isSteady = [...folders].every(([folder, facts]) => {
        const now = facts && this.#settledFolder(root, folder)
        return now !== undefined && sameState(now, facts as FileFacts)
      })
      if (isSteady) break
      await setTimeout(fileClockStepMs)
    }
    return [...failed]
  }

  /** Undefined while a further change of the folder might not show. */
  #settledFolder(root: string, folder: PathKey): FileFacts | undefined {
    const stats = look(root, folder, { unreadable: () => undefined })
    const facts = stats && factsOf(stats)
    return facts && !unsettled(facts, this.#capture.now()) ? facts : undefined
  }

  /** Inodes of the files of which something is dropped, and of which it may have to be noted that this is over. */
  noted(): ReadonlySet<bigint> {
    return new Set(this.#known().past.length === 0 ? [] : this.#store.inodes(this.#stream))
  }

  /** What of a file must not be read. Also tells of a file that came into the folder after the pause in which it was written. */
  of(stats: BigIntStats, facts: FileFacts, cursor: Cursor | undefined): Dropped | undefined {
    if (this.#known().past.length === 0) return undefined
    const file = this.#store.file(this.#stream, facts.inode)
    if (file && !isReborn(file, bornUs(stats))) return file.dropped
    if (file) this.#store.commit({ stream: this.#stream, gone: [facts.inode] })
    const now = this.#capture.now()
    const pause = cursor ? undefined : this.#known().past.find((past) => isWrittenIn(facts, past, now))
    if (!pause) return undefined
    const { files: kind, quietMs } = this.#lane.stream
    const isOver = pause.until - facts.modifiedUs / 1000 >= quietMs
    const dropped: Dropped = kind === 'whole'
      ? { what: 'version', ...contentOf(facts), isOver }
      : { what: 'bytes', holes: [{ from: 0, to: facts.sizeBytes }] }
    this.#put(facts.inode, dropped, dropsUntil(pause, 0))
    return dropped
  }

  /** Whether the `whole` file's content is dropped. */
  hidesVersion(key: PathKey, facts: FileFacts, dropped: Dropped): boolean {
    const verdict = judgeVersion(dropped, facts, this.#lane.stream.quietMs, this.#capture.now())
    if (verdict.kind === 'take') this.#store.commit({ stream: this.#stream, gone: [facts.inode] })
    if (verdict.kind === 'over') this.#put(facts.inode, verdict.dropped)
    if (verdict.kind === 'skip' && verdict.until < Infinity) this.#lane.marks.keep(key, plainMark(this.#capture.now(), verdict.until))
    return verdict.kind !== 'take'
  }

  /** The holes of an `append` file as it is now. */
  holes(facts: FileFacts, dropped: Dropped): readonly Hole[] {
    const before = holesOf(dropped)
    const holes = clipped(before, facts.sizeBytes)
    if (holes !== before && holes.length > 0) this.#put(facts.inode, { what: 'bytes', holes })
    else if (holes !== before) this.#store.commit({ stream: this.#stream, gone: [facts.inode] })
    return holes
  }

  #put(inode: bigint, dropped: Dropped, until = this.#store.file(this.#stream, inode)?.until ?? 0): void {
    this.#store.commit({ stream: this.#stream, files: [{ stream: this.#stream, inode, until, dropped }] })
  }

  /** Forgets the files that a whole and untroubled look over the stream has not met. */
  keepOnly(isMet: (inode: bigint) => boolean): void {
    if (this.#known().past.length === 0) return
    const gone = this.#store.inodes(this.#stream).filter((inode) => !isMet(inode))
    if (gone.length > 0) this.#store.commit({ stream: this.#stream, gone })
  }
}

