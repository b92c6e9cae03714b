import type { Dropped, DroppedFile, DroppingPause, LinePoint } from './drop-store.ts'
import { fileClockStepMs, sameContentFacts } from './facts.ts'
import { clipped, withHole, type Hole } from './holes.ts'
import type { FileKind } from './stream.ts'
import { positionOf, type Cursor, type FileFacts } from './take.ts'

/** Whether the cursor tells of an earlier file, whose inode this one was given. */
export function isOfEarlierFile({ facts }: Cursor, born: number): boolean {
  return born > Math.max(facts.modifiedUs, facts.changedUs)
}

/**
 * Whether the file's content was there before `since`. A rename or chmod moves the time of the last change; then the
 * time of the last write counts, if the file is as old, for a copy may come with any time of writing.
 */
export function isBefore(facts: FileFacts, born: number, since: number): boolean {
  const edgeUs = (since - fileClockStepMs) * 1000
  return facts.changedUs < edgeUs || (facts.modifiedUs < edgeUs && born > 0 && born < edgeUs)
}

/** The file's clock runs behind, never ahead; `until` itself was cut to whole milliseconds. */
const isBornAfter = (born: number, until: number): boolean => born > (until + 1) * 1000

/** Whether the last write may lie in the pause. */
export function isWrittenIn({ modifiedUs }: FileFacts, { since, until }: DroppingPause): boolean {
  return modifiedUs >= (since - fileClockStepMs) * 1000 && modifiedUs <= (until + 1) * 1000
}

/** A file at the end of a dropping pause, or later: whenever the pause is applied. */
export interface PausedFile {
  readonly kind: FileKind
  readonly quietMs: number
  readonly facts: FileFacts
  /** When the file was made, microseconds since the epoch; 0: not known. */
  readonly bornUs: number
  readonly pause: DroppingPause
  readonly cursor: Cursor | undefined
  /** A line was drawn through the whole stream when the pause began; `point` is the file's, if it had unread content. */
  readonly hasLine: boolean
  readonly point: LinePoint | undefined
  /** It was seen shorter during the pause than it had been. */
  readonly isShrunk: boolean
}

/** What of the file may have been written in the pause; undefined: nothing. */
export function droppedOf(file: PausedFile): Dropped | undefined {
  const { facts, point, cursor, pause } = file
  if (isBornAfter(file.bornUs, pause.until)) return undefined
  const isKnown = !file.hasLine || point !== undefined || cursor !== undefined
  if (isKnown && !file.isShrunk && isBefore(facts, file.bornUs, pause.since)) return undefined
  if (point && !file.isShrunk && isAsAtLine(point, facts) && point.keptBytes === facts.sizeBytes) return undefined
  return file.kind === 'whole' ? droppedVersion(file) : droppedBytes(file)
}

const isAsAtLine = (point: LinePoint, facts: FileFacts): boolean =>
  point.sizeBytes === facts.sizeBytes && point.modifiedUs === facts.modifiedUs

function droppedVersion({ facts, cursor, pause, quietMs }: PausedFile): Dropped | undefined {
  if (cursor && sameContentFacts(cursor.facts, facts)) return undefined
  return { what: 'version', ...contentOf(facts), isOver: pause.until - facts.modifiedUs / 1000 >= quietMs }
}

function droppedBytes(file: PausedFile): Dropped | undefined {
  const { facts, cursor, pause } = file
  const position = cursor ? positionOf(cursor) : 0
  const size = facts.sizeBytes
  const isRead = cursor !== undefined && !file.isShrunk && size === position && sameContentFacts(cursor.facts, facts)
  if (isRead && facts.modifiedUs < (pause.since - fileClockStepMs) * 1000) return undefined
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
  const quietAt = facts.modifiedUs / 1000 + quietMs
  if (quietAt > now) return { kind: 'skip', until: quietAt }
  return { kind: 'over', dropped: { what: 'version', ...contentOf(facts), isOver: true } }
}

/** Whether the inode was given to another file since. */
export const isReborn = (file: DroppedFile, born: number): boolean => isBornAfter(born, file.until)
