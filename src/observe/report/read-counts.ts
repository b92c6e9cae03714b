/** A file of which something, or all, could not be read. */
export interface Trouble {
  readonly file: string
  /** Completes "FILE …". */
  readonly what: string
}

/** What was read, and what could not be. */
export interface ReadCounts {
  readonly files: number
  readonly bytes: number
  readonly lines: number
  readonly unreadableLines: number
  /** Files with such lines. */
  readonly unreadableIn: number
  /** Files that end in the middle, such as a gzip that was cut short: what comes before counts. */
  readonly cutShort: readonly Trouble[]
  /** Files of which nothing could be read. */
  readonly refused: readonly Trouble[]
}
