import { closeSync, type BigIntStats } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { systemCode } from '../observe/error.ts'
import { decide, isUnchanged, type Sighting, type Verdict } from './cursor.ts'
import { isOfEarlierFile } from './drop-rule.ts'
import type { Drops } from './drops.ts'
import { bornUs, factsOf, fileClockStepMs, sameContentFacts, sameInode, sameState, unsettled } from './facts.ts'
import { clipped, spanFrom } from './holes.ts'
import { KnownFiles } from './known-files.ts'
import type { CaptureOptions, Lane } from './lane.ts'
import { looked, plainMark, type Mark } from './marks.ts'
import { openFile, type OpenFile } from './open-file.ts'
import { Pace, polled } from './pace.ts'
import { bytesOf, keyOf, type PathKey } from './path-key.ts'
import { readyAt } from './ready.ts'
import { isAbsent, look, scan } from './scan.ts'
import { fingerprintAt, OpenTake, startAt, type TakeOutcome, type TakeStart } from './take-file.ts'
import { positionOf, type Cursor, type FileFacts } from './take.ts'
import type { Writers } from './writers.ts'

/** A file that is written again at every step of the file clock is left for later. */
const settleWaits = 5

export interface PassOptions {
  readonly lane: Lane
  readonly root: string
  /** Take `whole` files without waiting until they are finished. */
  readonly asItStands: boolean
  readonly capture: CaptureOptions
  readonly drops: Drops | undefined
  readonly writers: () => Promise<Writers>
  readonly newFileId: () => Uint8Array
  /** Told of each cursor whose file is gone; false when no more can be held. */
  readonly gone: (cursor: Cursor) => boolean
}

/** A generation that no longer has its place: gone, unless it turns up under another name. */
interface Displaced {
  readonly device: bigint
  readonly inode: bigint
  readonly sizeBytes: number
}

interface Seen extends Sighting {
  /** `whole`: the content is dropped. What was read of it before the pause can get a new name all the same. */
  readonly isHidden: boolean
}

/** What lies behind a hole of a file, or a hole's end: it is read once what is before has been. */
interface Beyond {
  readonly key: PathKey
  readonly sighting: Sighting
  readonly position: number
}

/** One look over one stream: turns paths into takes, and notices which files are gone. */
export class Pass {
  readonly #options: PassOptions
  readonly #lane: Lane
  /** Inodes met so far. A file system below the folder may repeat a number: then a loss is noticed one pass later. */
  readonly #met = new Set<bigint>()
  readonly #displaced: Displaced[] = []
  readonly #refusals: number
  readonly #known: KnownFiles
  /** Files that `drops` wants to see. */
  readonly #noted: ReadonlySet<bigint>
  #beyond: Beyond | undefined

  constructor(options: PassOptions) {
    this.#options = options
    this.#lane = options.lane
    this.#refusals = options.lane.refusals
    this.#known = new KnownFiles(options.capture.cursors, options.lane.stream.name)
    this.#noted = options.drops?.noted() ?? new Set()
  }

  /** Whether a regular file is what it was when it was read: `visit` would find nothing. For names in a scan's order. */
  passesOver(key: PathKey, stats: BigIntStats): boolean {
    if (this.#met.has(stats.ino) || this.#noted.has(stats.ino)) return false
    const facts = factsOf(stats)
    const cursor = this.#known.at(key)
    if (!cursor || !sameInode(cursor.facts, facts) || !isUnchanged(this.#lane.stream.files, facts, cursor)) return false
    this.#met.add(stats.ino)
    return true
  }

  /** What is to be taken of a regular file seen at `name`; undefined: nothing, or not yet. */
  async visit(name: PathKey, stats: BigIntStats, mark = plainMark(this.#now())): Promise<OpenTake | undefined> {
    if (this.#met.has(stats.ino)) {
      // Renamed, or its number given to another file, while this pass goes on: another pass tells which.
      if (stats.nlink === 1n) this.#lane.marks.keep(name, mark)
      return undefined
    }
    this.#met.add(stats.ino)
    const seen = factsOf(stats)
    const byInode = this.#options.capture.cursors.byInode(this.#lane.stream.name, seen.device, seen.inode)
    if (!byInode && !this.#lane.isIncluded(name)) return undefined
    const key = byInode && stats.nlink > 1n ? this.#firstName(name, byInode) : name
    const dropped = this.#options.drops?.of(stats, seen, byInode)
    const isHidden = dropped !== undefined && this.#lane.stream.files === 'whole' && this.#options.drops?.hidesVersion(key, seen, dropped) === true
    if (isHidden && !(byInode?.complete && sameContentFacts(byInode.facts, seen))) return undefined
    const holes = (dropped && this.#lane.stream.files === 'append' && this.#options.drops?.holes(seen, dropped)) || []
    const sighting = { ...this.#sighting(key, seen, byInode), holes, isHidden }
    if (sighting.byPath && sighting.byPath.facts.inode !== seen.inode) this.#displaced.push(sighting.byPath.facts)
    const verdict = decide(sighting)
    if (verdict.kind === 'unchanged' || (isHidden && verdict.kind === 'begin')) return undefined
    if (verdict.kind === 'begin' && this.#lane.stream.files === 'whole') {
      const at = await this.#readyAt(key, seen, mark)
      if (at > this.#now()) {
        this.#lane.marks.keep(key, { ...looked(mark, seen, seen.sizeBytes, this.#now()), readyAt: at })
        return undefined
      }
    }
    return this.#open(key, sighting, mark)
  }

  /** A hard link is the same capture file: it keeps the name under which it was first met, while that lasts. */
  #firstName(name: PathKey, cursor: Cursor): PathKey {
    const first = keyOf(cursor.path)
    const stats = first === name ? undefined : this.#look(first)
    return stats && stats !== 'unknown' && sameInode(factsOf(stats), cursor.facts) ? first : name
  }

  /** What follows the last take in its file behind dropped bytes, if that was read to its end. To be asked after each take. */
  beyond(): OpenTake | undefined {
    const next = this.#beyond
    this.#beyond = undefined
    return next && this.#openWith(next.key, next.sighting, plainMark(this.#now()), (file) => this.#behind(file, next))
  }

  /** Nobody asks what follows: it is found again later. */
  leave(): void {
    if (this.#beyond) this.#lane.marks.keep(this.#beyond.key, plainMark(this.#now()))
    this.#beyond = undefined
  }

  #sighting(key: PathKey, facts: FileFacts, byInode: Cursor | undefined): Omit<Sighting, 'holes'> {
    const { stream } = this.#lane
    const isHere = (cursor: Cursor): boolean => keyOf(cursor.path) === key
    return {
      kind: stream.files,
      facts,
      isHere,
      byInode,
      byPath: byInode && isHere(byInode) ? undefined : this.#options.capture.cursors.byPath(stream.name, bytesOf(key)),
    }
  }

  async #readyAt(key: PathKey, facts: FileFacts, mark: Mark): Promise<number> {
    if (this.#options.asItStands) return this.#settled(facts)
    const base = { facts, mark: looked(mark, facts, 0, this.#now()), quietMs: this.#lane.stream.quietMs }
    const at = readyAt({ ...base, movedIntoPlace: false, closed: false })
    if (at <= this.#now()) return at
    if (mark.lastEvent === 'rename' && facts.sizeBytes > 0) {
      // A write under this name before the look above would have been told by now.
      await polled()
      const movedIntoPlace = this.#lane.marks.get(key)?.lastEvent !== 'change' && this.#lane.marks.scan === undefined
      if (movedIntoPlace) return readyAt({ ...base, movedIntoPlace, closed: false })
    }
    const closed = (await this.#options.writers()).closed(facts)
    return closed ? readyAt({ ...base, movedIntoPlace: false, closed }) : at
  }

  /** Waits until a further change would show in the file's times. Returns now, or when to try again. */
  async #settled(facts: FileFacts): Promise<number> {
    for (let wait = 0; unsettled(facts, this.#now()); wait++) {
      if (wait === settleWaits) return this.#now() + fileClockStepMs
      await setTimeout(fileClockStepMs)
    }
    return this.#now()
  }

  #open(key: PathKey, sighting: Seen, mark: Mark): OpenTake | undefined {
    return this.#openWith(key, sighting, mark, (file) => this.#take(key, file, sighting))
  }

  #openWith(key: PathKey, sighting: Sighting, mark: Mark, take: (file: OpenFile) => OpenTake | undefined): OpenTake | undefined {
    const file = openFile(this.#options.root, key)
    if ('errno' in file) return this.#refused(key, file.errno)
    let taken: OpenTake | undefined
    try {
      this.#lane.readable(key)
      const facts = factsOf(file.stats)
      const { files } = this.#lane.stream
      const same = files === 'append' ? sameInode(facts, sighting.facts) : sameInode(facts, sighting.facts) && sameState(facts, sighting.facts)
      if (same) taken = take(file)
      else this.#lane.marks.keep(key, mark)
      return taken
    } catch (error) {
      const errno = systemCode(error)
      if (errno === undefined) throw error
      return this.#refused(key, errno)
    } finally {
      if (!taken) closeSync(file.fd)
    }
  }

  #refused(key: PathKey, errno: string): undefined {
    if (isAbsent(errno)) this.vanished(key)
    else this.#lane.unreadable(key, errno, 'file')
  }

  #take(key: PathKey, file: OpenFile, before: Seen): OpenTake | undefined {
    const facts = factsOf(file.stats)
    const sighting = { ...before, facts, holes: clipped(before.holes, facts.sizeBytes) }
    let verdict = decide(sighting)
    let fingerprint: TakeStart['fingerprint'] | undefined
    if (verdict.kind === 'check') {
      fingerprint = fingerprintAt(file.fd, verdict.cursor)
      verdict = decide(sighting, fingerprint !== undefined)
    }
    if (verdict.kind === 'unchanged' || verdict.kind === 'check') return undefined
    if (verdict.kind === 'begin' && sighting.isHidden) return undefined
    if (verdict.kind === 'begin') {
      // What lies before dropped bytes and is not what it was may have been written in the pause, too.
      const isSameFile = verdict.because === 'replaced' && verdict.former.facts.inode === facts.inode
        && !isOfEarlierFile(verdict.former, bornUs(file.stats))
      const take = this.#begin(key, file, sighting, isSameFile ? sighting.holes.at(-1)?.to ?? 0 : 0)
      if (take) this.#tell(verdict, facts.inode)
      return take
    }
    this.#tell(verdict, facts.inode)
    const { cursor } = verdict
    const position = positionOf(cursor)
    const span = spanFrom(sighting.holes, position, facts.sizeBytes)
    if (!fingerprint || (span.jumped && span.start < span.end)) return this.#begin(key, file, sighting, position)
    const start = { base: cursor.base ?? 0, offset: cursor.offset, chunker: cursor.chunker, fingerprint }
    return this.#hand(key, file, sighting, { fileId: cursor.fileId, start, endBytes: span.jumped ? position : span.end })
  }

  #behind(file: OpenFile, { key, sighting, position }: Beyond): OpenTake | undefined {
    const facts = factsOf(file.stats)
    if (facts.sizeBytes < position) return undefined
    return this.#begin(key, file, { ...sighting, facts, holes: clipped(sighting.holes, facts.sizeBytes) }, position)
  }

  /** A new generation with what can be read at or behind `position`; none where all of it is dropped. */
  #begin(key: PathKey, file: OpenFile, sighting: Sighting, position: number): OpenTake | undefined {
    const { holes, facts } = sighting
    const span = spanFrom(holes, position, facts.sizeBytes)
    if (holes.length > 0 && span.start >= span.end) return undefined
    const fileId = this.#options.newFileId()
    return this.#hand(key, file, sighting, { fileId, start: startAt(span.start), endBytes: span.end })
  }

  #hand(key: PathKey, file: OpenFile, sighting: Sighting, part: { fileId: Uint8Array; start: TakeStart; endBytes: number }): OpenTake {
    const { stream } = this.#lane
    const { facts } = sighting
    const beyond = part.endBytes < facts.sizeBytes ? { key, sighting, position: part.endBytes } : undefined
    return new OpenTake({
      stream,
      root: this.#options.root,
      key,
      file,
      ...part,
      facts: this.#trusted(facts), hasMore: beyond !== undefined,
      isStopped: () => this.#lane.paused,
      onEnd: (outcome) => {
        if (outcome === 'done') this.#beyond = beyond
        this.#ended(key, outcome)
      },
    })
  }

  /**
   * While a further change could carry the same time, the time is not worth keeping: without it the next look compares
   * fingerprints. A `whole` file waits instead (`readyAt`).
   */
  #trusted(facts: FileFacts): FileFacts {
    return this.#lane.stream.files === 'append' && unsettled(facts, this.#now()) ? { ...facts, changedUs: 0 } : facts
  }

  #ended(key: PathKey, outcome: TakeOutcome): void {
    if (outcome === 'done') return
    if (typeof outcome === 'object') return this.#lane.unreadable(key, outcome.errno, 'file')
    const { stream, marks } = this.#lane
    marks.keep(key, plainMark(this.#now()))
    if (outcome === 'torn') this.#options.capture.emit({ event: 'capture.torn', stream: stream.name })
  }

  #tell(verdict: Verdict, inode: bigint): void {
    const { emit } = this.#options.capture
    const stream = this.#lane.stream.name
    if (verdict.kind === 'continue' && verdict.renamed) emit({ event: 'capture.renamed', stream })
    if (verdict.kind !== 'begin' || verdict.because === 'new') return
    const { former, because } = verdict
    if (because === 'truncated') emit({ event: 'capture.truncated', stream, packedBytes: former.offset })
    // A former generation of another inode may live on under another name: the end of the pass tells.
    else if (former.facts.inode === inode) this.#tellReplaced(former)
  }

  /** Each save of a `whole` file replaces it: worth a word only when a version was not packed to its end. */
  #tellReplaced(former: Cursor): void {
    if (this.#lane.stream.files === 'whole' && former.complete) return
    this.#options.capture.emit({ event: 'capture.replaced', stream: former.stream, packedBytes: former.offset })
  }

  /** Nothing that could be captured is at `key` any more. */
  vanished(key: PathKey, mark?: Mark): void {
    this.#lane.readable(key)
    const cursor = this.#options.capture.cursors.byPath(this.#lane.stream.name, bytesOf(key))
    if (!cursor) return
    const sizeBytes = Math.max(cursor.facts.sizeBytes, mark?.seen?.facts.sizeBytes ?? 0)
    this.#displaced.push({ device: cursor.facts.device, inode: cursor.facts.inode, sizeBytes })
  }

  /** After single paths: tells which of the files that lost their place are gone. */
  async endsMarks(): Promise<void> {
    const moved = this.#displaced.length > 0 ? await this.#movedMeanwhile() : undefined
    if (!moved || !(this.#lane.isWatched || (await this.#meetsAll()))) return
    for (const { device, inode, sizeBytes } of this.#displaced) {
      if (this.#met.has(inode) || moved.has(inode)) continue
      const cursor = this.#options.capture.cursors.byInode(this.#lane.stream.name, device, inode)
      if (cursor && !this.#settle(cursor, sizeBytes)) return
    }
  }

  /** After a scan: tells which files it has not met are gone. Call only while the stream's folder is there. */
  async endsScan(): Promise<void> {
    const moved = await this.#movedMeanwhile()
    if (!moved) return
    const pace = new Pace()
    let isSure = this.#lane.isWatched
    const { cursors } = this.#options.capture
    for (const { device, inode } of cursors.inodes(this.#lane.stream.name)) {
      const rest = pace.breathe()
      if (rest) await rest
      if (this.#met.has(inode) || moved.has(inode)) continue
      isSure ||= await this.#meetsAll()
      if (!isSure) return
      const cursor = this.#met.has(inode) ? undefined : cursors.byInode(this.#lane.stream.name, device, inode)
      if (cursor && !this.#settle(cursor, cursor.facts.sizeBytes)) return
    }
    if (this.#lane.refusals === this.#refusals) this.#options.drops?.keepOnly((inode) => this.#met.has(inode) || moved.has(inode))
  }

  /**
   * Where nobody watches, a file may have been renamed past the scan, which stands still while takes are packed. Meets every
   * file there is, in a scan during which no folder changed; false when there was none, and the next pass tells what is gone.
   */
  async #meetsAll(): Promise<boolean> {
    for (let tries = 0; tries < settleWaits; tries++) {
      const folders = new Map<PathKey, { readonly facts: FileFacts; readonly settled: boolean }>()
      const entering = (folder: PathKey): void => {
        const stats = this.#look(folder)
        if (stats && stats !== 'unknown') folders.set(folder, { facts: factsOf(stats), settled: !unsettled(factsOf(stats), this.#now()) })
      }
      for await (const { stats } of scan(this.#options.root, '', { ...this.#lane.scanHooks(), entering })) this.#met.add(stats.ino)
      const isSame = [...folders].every(([folder, { facts, settled }]) => {
        const stats = this.#look(folder)
        return settled && stats !== undefined && stats !== 'unknown' && sameState(factsOf(stats), facts)
      })
      if (isSame) return true
      await setTimeout(fileClockStepMs)
    }
    return false
  }

  /**
   * Inodes that got another name while this pass went on, and so may have escaped it under both. Undefined when only a
   * scan can tell.
   */
  async #movedMeanwhile(): Promise<Set<bigint> | undefined> {
    await polled()
    const moved = new Set<bigint>()
    const { marks } = this.#lane
    for (const [key, mark] of marks.paths) {
      const stats = mark.lastEvent === 'rename' ? this.#look(key) : undefined
      if (stats === 'unknown') continue
      if (stats?.isDirectory()) marks.needScan(this.#now())
      else if (stats) moved.add(stats.ino)
    }
    return marks.scan ? undefined : moved
  }

  /** Declares a file gone unless it is there after all. Returns false when no more can be held now. */
  #settle(cursor: Cursor, sizeBytes: number): boolean {
    const { stream, marks } = this.#lane
    const there = this.#look(keyOf(cursor.path))
    if (there === 'unknown' || there?.ino === cursor.facts.inode) return true
    if (!this.#options.gone(cursor)) {
      marks.needScan(this.#now())
      return false
    }
    const unreadBytes = cursor.complete ? 0 : Math.max(0, sizeBytes - positionOf(cursor))
    if (there?.isFile()) this.#tellReplaced(cursor)
    else this.#options.capture.emit({ event: 'capture.deleted', stream: stream.name, packedBytes: cursor.offset, unreadBytes })
    return true
  }

  #look(key: PathKey): BigIntStats | undefined | 'unknown' {
    let isKnown = true
    const stats = look(this.#options.root, key, { unreadable: () => (isKnown = false) })
    return isKnown ? stats : 'unknown'
  }

  #now(): number {
    return this.#options.capture.now()
  }
}
