import { sameContentFacts, sameState } from './facts.ts'
import { spanFrom, type Hole } from './holes.ts'
import type { FileKind } from './stream.ts'
import { positionOf, type Cursor, type CursorState, type FileFacts } from './take.ts'

/** What is known about a file before it is opened. */
export interface Sighting {
  readonly kind: FileKind
  readonly facts: FileFacts
  /** Whether a cursor's path is the one the file has now. */
  readonly isHere: (cursor: Cursor) => boolean
  /** The cursor of this device and inode, and the latest one of this path. */
  readonly byInode: Cursor | undefined
  readonly byPath: Cursor | undefined
  /** `append`: bytes that are never read. */
  readonly holes: readonly Hole[]
}

/**
 * What to do with a file. `check`: compare the cursor's fingerprint with the file, then decide again with the result.
 * `continue`: go on at the cursor's offset, which may be the file's end when only its name is new. `begin`: a new
 * generation with an identity of its own; `former` is the generation whose place it takes.
 */
export type Verdict =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'check'; readonly cursor: Cursor }
  | { readonly kind: 'continue'; readonly cursor: Cursor; readonly renamed: boolean }
  | { readonly kind: 'begin'; readonly because: 'new' }
  | { readonly kind: 'begin'; readonly because: 'truncated' | 'replaced' | 'version'; readonly former: Cursor }

/** Whether a file of which nothing was dropped is as the cursor of its inode and name says: `decide` in short, for the many. */
export function isUnchanged(kind: FileKind, facts: FileFacts, cursor: CursorState): boolean {
  return sameState(facts, cursor.facts) && (kind === 'append' ? positionOf(cursor) === facts.sizeBytes : cursor.complete)
}

/** `matches`: whether the file still carries the cursor's fingerprint; undefined while nobody has looked. */
export function decide(sighting: Sighting, matches?: boolean): Verdict {
  const { facts, byInode, byPath } = sighting
  // Device numbers may change from one start of the machine to the next; the inode under the same name does not.
  const cursor = byInode ?? (byPath?.facts.inode === facts.inode ? byPath : undefined)
  if (cursor) return sighting.kind === 'append' ? decideAppend(sighting, cursor, matches) : decideWhole(sighting, cursor, matches)
  return byPath ? { kind: 'begin', because: 'replaced', former: byPath } : { kind: 'begin', because: 'new' }
}

function decideAppend({ facts, isHere, holes }: Sighting, cursor: Cursor, matches: boolean | undefined): Verdict {
  const position = positionOf(cursor)
  if (facts.sizeBytes < position) return { kind: 'begin', because: 'truncated', former: cursor }
  const { start, end } = spanFrom(holes, position, facts.sizeBytes)
  const nothingNew = start === end && isHere(cursor)
  if (nothingNew && sameState(facts, cursor.facts)) return { kind: 'unchanged' }
  if (matches === undefined) return { kind: 'check', cursor }
  if (!matches) return { kind: 'begin', because: 'replaced', former: cursor }
  return nothingNew ? { kind: 'unchanged' } : { kind: 'continue', cursor, renamed: !isHere(cursor) }
}

function decideWhole({ facts, isHere }: Sighting, cursor: Cursor, matches: boolean | undefined): Verdict {
  const here = isHere(cursor)
  // A rename changes changedUs, so under a new name only the content's facts can tell.
  const sameVersion = here ? sameState(facts, cursor.facts) : sameContentFacts(facts, cursor.facts)
  if (sameVersion && here && cursor.complete) return { kind: 'unchanged' }
  if (sameVersion && matches === undefined) return { kind: 'check', cursor }
  if (sameVersion && matches) return { kind: 'continue', cursor, renamed: !here }
  return { kind: 'begin', because: 'version', former: cursor }
}
