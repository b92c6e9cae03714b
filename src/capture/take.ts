import type { ChunkerState } from '../pack/chunker.ts'
import type { Stream } from './stream.ts'

/** What proves that a file on disk still begins with the bytes that were read: hashes over both ends of them. */
export interface Fingerprint {
  /** SHA-256 of the first min(4096, offset) bytes behind `base`. */
  readonly head: Uint8Array
  /** SHA-256 of the last min(4096, offset) bytes before offset. */
  readonly tail: Uint8Array
}

/** The facts of a file that tell one state of it from another. Times are microseconds since the epoch. */
export interface FileFacts {
  readonly device: bigint
  readonly inode: bigint
  readonly sizeBytes: number
  readonly modifiedUs: number
  readonly changedUs: number
  /** Permission bits (`0o7777`). */
  readonly mode: number
}

/** How far one capture file has been packed; a row of the journal, keyed by stream and file id. */
export interface Cursor {
  readonly stream: string
  /** Path relative to the stream's folder, `/` between parts, as the OS stores it (any bytes but NUL). */
  readonly path: Uint8Array
  /** Identifies this capture file in the device log across renames: 8 random bytes; a replacement gets a new one. */
  readonly fileId: Uint8Array
  /**
   * Where it begins in the file on disk: behind the bytes of a pause that were dropped. Missing: at byte 0. Offsets and the
   * fingerprint count from here.
   */
  readonly base?: number
  /** Bytes that are in sealed packs. */
  readonly offset: number
  /** `whole`: the version is completely packed. `append`: always false. */
  readonly complete: boolean
  readonly fingerprint: Fingerprint
  readonly chunker: ChunkerState
  /** What the file looked like when it was last read. */
  readonly facts: FileFacts
}

/** As much of a cursor as tells whether its file is unchanged. */
export type CursorState = Pick<Cursor, 'path' | 'base' | 'offset' | 'complete'> & { readonly facts: Omit<FileFacts, 'mode'> }

/** How far the file on disk has been read. */
export const positionOf = ({ base = 0, offset }: Pick<Cursor, 'base' | 'offset'>): number => base + offset

/**
 * One capture file that has something to pack, opened safely. The packer pulls `read()` to its end, asks for
 * `fingerprint()` whenever it seals, and `unchanged()` once after the last byte.
 */
export interface FileTake extends AsyncDisposable {
  readonly stream: Stream
  readonly path: Uint8Array
  readonly fileId: Uint8Array
  /** See `Cursor.base`. */
  readonly base: number
  /** Where the new bytes begin, counted from `base`: 0 for a new file, the cursor's offset for one that grew. */
  readonly startOffset: number
  /** Chunker state at `startOffset`. */
  readonly chunker: ChunkerState
  readonly facts: FileFacts
  /**
   * The bytes from `startOffset` to the file's end or to the next dropped byte, in buffers that stay valid until the next
   * one is asked for. `room` gives memory for one: where it was used, the bytes stay. Ends early when the stream is turned off: `unchanged` then says no.
   * Throws `capture-unreadable` when the disk fails; the file is then tried again later.
   */
  read(room?: () => Uint8Array): AsyncIterable<Uint8Array>
  /** Fingerprint of the bytes handed out so far. */
  fingerprint(): Fingerprint
  /**
   * Asks that it stays open when the next one is asked for: whoever asked closes it then. False where what follows depends
   * on how this one ends.
   */
  keep(): boolean
  /** Whether the file is still what it was when opened. A `whole` file that changed is torn and must be taken again. */
  unchanged(): Promise<boolean>
}
