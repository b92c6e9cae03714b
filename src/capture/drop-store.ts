import type { Hole } from './holes.ts'

/**
 * A pause whose captures never leave this machine. Milliseconds since the epoch. With `until` before `since` the clock was
 * set back in it: then times tell nothing.
 */
export interface DroppingPause {
  readonly since: number
  readonly until: number
}

/** A pause that is over and was not applied everywhere: `under` are the folders (or files) left to look at, as latin1 keys. */
export interface DueDrop extends DroppingPause {
  readonly under: readonly string[]
}

/** How far dropping has come in one stream. */
export interface DropProgress {
  /** The pause for which a line was drawn through the whole stream. */
  readonly line?: { readonly since: number }
  readonly due: readonly DueDrop[]
  /** The pauses that were applied, oldest first; of very many some became one. */
  readonly past: readonly DroppingPause[]
}

export const noProgress: DropProgress = { due: [], past: [] }

/** A file with unread content as it was seen when a dropping pause had begun. */
export interface LinePoint {
  readonly stream: string
  readonly inode: bigint
  readonly since: number
  readonly sizeBytes: number
  readonly modifiedUs: number
  /** When the file was made, as the file system tells it; another time later: another file got its inode. */
  readonly bornUs: number
  /** This many of its bytes are known to have been there before the pause. */
  readonly keptBytes: number
  /** It was seen shorter afterwards: none of its bytes are known any more. */
  readonly isShrunk: boolean
}

/** `bytes` of an `append` file, or the `version` that a `whole` file carries. Neither is ever read. */
export type Dropped =
  | { readonly what: 'bytes'; readonly holes: readonly Hole[] }
  | {
      readonly what: 'version'
      readonly sizeBytes: number
      readonly modifiedUs: number
      /** Nobody was writing it any more: another content is another version. */
      readonly isOver: boolean
    }

/** What of one file is dropped, remembered for as long as the file is there. */
export interface DroppedFile {
  readonly stream: string
  readonly inode: bigint
  /** End of the last pause, or the file's birth if that seems later: a file born after it is another one. */
  readonly until: number
  readonly dropped: Dropped
}

/** Changes of one stream that become durable together. */
export interface DropChange {
  readonly stream: string
  readonly progress?: DropProgress
  readonly points?: readonly LinePoint[]
  /** Forget every point of the stream. */
  readonly clearPoints?: boolean
  readonly files?: readonly DroppedFile[]
  /** Inodes of files that are gone, or were born anew. */
  readonly gone?: readonly bigint[]
}

/**
 * The journal's part in dropping. Files are known by stream and inode alone: the device's number may change from one
 * start of the machine to the next, and a hole that is not found would be read.
 */
export interface DropStore {
  progress(stream: string): DropProgress
  point(stream: string, inode: bigint): LinePoint | undefined
  file(stream: string, inode: bigint): DroppedFile | undefined
  /** Inodes of all files of which something is dropped. */
  inodes(stream: string): bigint[]
  commit(change: DropChange): void
}
