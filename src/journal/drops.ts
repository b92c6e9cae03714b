import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { DropChange, DroppedFile, DropProgress, DropStore, LinePoint } from '../capture/drop-store.ts'
import { noProgress } from '../capture/drop-store.ts'

/**
 * Notes about captures of pauses: `progress` (one per stream, inode 0), `point` and `file`. Small, few and only read by
 * their key, so each is JSON.
 */
export const dropSchema = `
  CREATE TABLE drop_note (
    stream TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('progress', 'point', 'file')), inode INTEGER NOT NULL,
    note TEXT NOT NULL, PRIMARY KEY (stream, kind, inode)
  ) WITHOUT ROWID;
`

type Kind = 'progress' | 'point' | 'file'

export interface DropsDatabase {
  readonly db: DatabaseSync
  /** Runs `work` in one durable transaction; says what failed. */
  transaction<T>(work: () => T): T
  /** Says what failed. */
  guarded<T>(work: () => T): T
}

/** The journal's part in dropping captures of a pause. */
export class Drops implements DropStore {
  readonly #database: DropsDatabase
  readonly #statements = new Map<string, StatementSync>()

  constructor(database: DropsDatabase) {
    this.#database = database
  }

  progress(stream: string): DropProgress {
    return this.#note(stream, 'progress', 0n) as DropProgress | undefined ?? noProgress
  }

  point(stream: string, inode: bigint): LinePoint | undefined {
    const note = this.#note(stream, 'point', inode)
    return note ? { ...(note as Omit<LinePoint, 'stream' | 'inode'>), stream, inode } : undefined
  }

  file(stream: string, inode: bigint): DroppedFile | undefined {
    const note = this.#note(stream, 'file', inode)
    return note ? { ...(note as Omit<DroppedFile, 'stream' | 'inode'>), stream, inode } : undefined
  }

  inodes(stream: string): bigint[] {
    const sql = "SELECT inode FROM drop_note WHERE stream = ? AND kind = 'file'"
    return this.#database.guarded(() => this.#prepare(sql).all(stream).map((row) => BigInt.asUintN(64, row['inode'] as bigint)))
  }

  commit(change: DropChange): void {
    const { stream, progress, clearPoints, points = [], files = [], gone = [] } = change
    this.#database.transaction(() => {
      if (clearPoints) this.#run("DELETE FROM drop_note WHERE stream = ? AND kind = 'point'", stream)
      if (progress) this.#put(stream, 'progress', 0n, progress)
      for (const point of points) this.#put(stream, 'point', point.inode, withoutKey(point))
      for (const file of files) this.#put(stream, 'file', file.inode, withoutKey(file))
      for (const inode of gone) this.#run("DELETE FROM drop_note WHERE stream = ? AND kind = 'file' AND inode = ?", stream, signed(inode))
    })
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (!statement) this.#statements.set(sql, (statement = this.#database.db.prepare(sql)))
    statement.setReadBigInts(true)
    return statement
  }

  #put(stream: string, kind: Kind, inode: bigint, note: object): void {
    this.#run('INSERT OR REPLACE INTO drop_note VALUES (?, ?, ?, ?)', stream, kind, signed(inode), JSON.stringify(note))
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#prepare(sql).run(...values)
  }

  #note(stream: string, kind: Kind, inode: bigint): unknown {
    const sql = 'SELECT note FROM drop_note WHERE stream = ? AND kind = ? AND inode = ?'
    const row = this.#database.guarded(() => this.#prepare(sql).get(stream, kind, signed(inode)))
    return row && JSON.parse(String(row['note']))
  }
}

/** The key is told by the row; and JSON knows no bigint. */
const withoutKey = (note: LinePoint | DroppedFile): object => ({ ...note, stream: undefined, inode: undefined })

const signed = (inode: bigint): bigint => BigInt.asIntN(64, inode)
