import type { Dropped, DroppedFile, DroppingPause, LinePoint } from './drop-store.ts'
import { isClockSetBack, lastOf } from './drop-spans.ts'
import { fileClockStepMs, sameContentFacts } from './facts.ts'
import { clipped, withHole, type Hole } from './holes.ts'
import type { FileKind } from './stream.ts'
import { positionOf, type Cursor, type FileFacts } from './take.ts'

/** Whether the cursor tells of an earlier file, whose inode this one was given. */
export function isOfEarlierFile({ facts }: Cursor, born: number): boolean {
  return born > Math.max(facts.modifiedUs, facts.changedUs)
}

/** Where file systems date in whole seconds; FAT counts in twos. */
const coarseStepMs = 2_000

/** How far a time may lie before what it dates. */
const stepMs = (timeUs: number): number => (timeUs % 1_000_000 === 0 ? coarseStepMs : fileClockStepMs)

/**
 * Whether nothing has happened to the file since before `since`. The time of the last change alone can tell: those of the
 * last write and of birth stay the same when a program overwrites the file and sets its time of writing back.
 */
export function isBefore({ changedUs }: FileFacts, since: number): boolean {
  return changedUs < (since - stepMs(changedUs)) * 1000
}

/** The file's clock runs behind, never ahead; times were cut to whole milliseconds. */
const isAfter = (timeUs: number, ms: number): boolean => timeUs > (ms + 1) * 1000

/**
 * Whether the last write may lie in the pause. After one in which the clock was set back only a time that has not come yet
 * can tell.
 */
export function isWrittenIn({ modifiedUs }: FileFacts, pause: DroppingPause, now: number): boolean {
  const isSince = modifiedUs >= (pause.since - stepMs(modifiedUs)) * 1000
  return isSince && (isClockSetBack(pause) ? isAfter(modifiedUs, now) : !isAfter(modifiedUs, pause.until))
}

/** A file at the end of a dropping pause, or later: whenever the pause is applied. */
export interface PausedFile {
  readonly kind: FileKind
  readonly quietMs: number
  readonly facts: FileFacts
  /** When the file was made, microseconds since the epoch; 0: not known. */
  readonly bornUs: number
  readonly pause: DroppingPause
  readonly now: number
  readonly cursor: Cursor | undefined
  /** A line was drawn through the whole stream when the pause began; `point` is the file's, if it had unread content. */
  readonly hasLine: boolean
  readonly point: LinePoint | undefined
  /** It was seen shorter during the pause than it had been. */
  readonly isShrunk: boolean
}

/** What of the file may have been written in the pause; undefined: nothing. */
export function droppedOf(file: PausedFile): Dropped | undefined {
  if (isBornAfter(file) || isAsBefore(file)) return undefined
  return file.kind === 'whole' ? droppedVersion(file) : droppedBytes(file)
}

/** A birth that has not come yet was dated by a clock that was set back since, maybe in the pause. */
const isBornAfter = ({ bornUs, pause, now }: PausedFile): boolean =>
  !isClockSetBack(pause) && isAfter(bornUs, pause.until) && !isAfter(bornUs, now)

function isAsBefore({ facts, pause, hasLine, point, isShrunk }: PausedFile): boolean {
  if (isShrunk) return false
  // With a line, length and time are compared: file clocks may be coarser than the pause is long.
  if (hasLine) return point !== undefined && isAsAtLine(point, facts) && point.keptBytes === facts.sizeBytes
  return isQuietSince(facts, pause)
}

const isQuietSince = (facts: FileFacts, pause: DroppingPause): boolean => !isClockSetBack(pause) && isBefore(facts, pause.since)

const isAsAtLine = (point: LinePoint, facts: FileFacts): boolean =>
  point.sizeBytes === facts.sizeBytes && point.modifiedUs === facts.modifiedUs

/**
 * One that was read to its end is not read again while it has the same length and time of writing, for the content may be
 * another all the same.
 */
function droppedVersion({ facts, cursor, pause, quietMs }: PausedFile): Dropped | undefined {
  const isRead = cursor !== undefined && cursor.complete && sameContentFacts(cursor.facts, facts)
  if (isRead && isQuietSince(facts, pause)) return undefined
  const quietForMs = pause.until - Math.max(facts.modifiedUs, facts.changedUs) / 1000
  return { what: 'version', ...contentOf(facts), isOver: isRead || quietForMs >= quietMs }
}

/** One that was read to its end gets a hole without bytes: found to be rewritten, it is not read from its beginning. */
function droppedBytes(file: PausedFile): Dropped | undefined {
  const { facts, cursor, pause } = file
  const position = cursor ? positionOf(cursor) : 0
  const size = facts.sizeBytes
  const isRead = cursor !== undefined && !file.isShrunk && size === position && sameContentFacts(cursor.facts, facts)
  if (isRead && isQuietSince(facts, pause)) return undefined
  return { what: 'bytes', holes: [{ from: Math.min(size, keptTo(file, position)), to: size }] }
}

/** How many of the file's first bytes are still those from before the pause. */
function keptTo({ facts, point, isShrunk }: PausedFile, position: number): number {
  if (facts.sizeBytes < position || isShrunk) return 0
  if (!point) return position
  if (facts.sizeBytes < point.sizeBytes) return 0
  // Written and no longer than before: no appending that was.
  const isGrown = facts.sizeBytes > point.sizeBytes || isAsAtLine(point, facts)
  return isGrown ? Math.max(point.keptBytes, position) : position
}

export function contentOf(facts: FileFacts): { readonly sizeBytes: number; readonly modifiedUs: number } {
  return { sizeBytes: facts.sizeBytes, modifiedUs: facts.modifiedUs }
}

/** Joins what is dropped now to what was dropped before from the same file. */
export function joinedDrops(before: Dropped | undefined, now: Dropped, sizeBytes: number): Dropped {
  if (now.what === 'version') return now
  const holes = before ? clipped(holesOf(before), sizeBytes) : []
  return { what: 'bytes', holes: now.holes.reduce(withHole, holes) }
}

/** The holes of an `append` file, also when the stream's files were `whole` until the config changed. */
export function holesOf(dropped: Dropped): readonly Hole[] {
  return dropped.what === 'bytes' ? dropped.holes : [{ from: 0, to: dropped.sizeBytes }]
}

/** What to do about a `whole` file whose version was dropped: skip it, skip it under new facts, or take it. */
export function judgeVersion(
  dropped: Dropped, facts: FileFacts, quietMs: number, now: number,
): { readonly kind: 'skip'; readonly until: number } | { readonly kind: 'over'; readonly dropped: Dropped } | { readonly kind: 'take' } {
  const version = dropped.what === 'version' ? dropped : { sizeBytes: -1, modifiedUs: 0, isOver: false }
  const isSame = version.sizeBytes === facts.sizeBytes && version.modifiedUs === facts.modifiedUs
  if (version.isOver) return isSame ? { kind: 'skip', until: Infinity } : { kind: 'take' }
  // Still written when the pause ended: what it grows to until it is quiet is the same version.
  const quietAt = Math.max(facts.modifiedUs, facts.changedUs) / 1000 + quietMs
  if (quietAt > now) return { kind: 'skip', until: quietAt }
  return { kind: 'over', dropped: { what: 'version', ...contentOf(facts), isOver: true } }
}

/** Whether the inode was given to another file since. */
export const isReborn = (file: DroppedFile, born: number): boolean => isAfter(born, file.until)

/** What `DroppedFile.until` is for a file that was born at `born`. */
export const dropsUntil = (pause: DroppingPause, born: number): number => Math.max(lastOf(pause), Math.ceil(born / 1000))
