import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { Cursor, CursorState, FileFacts } from '../capture/take.ts'
import type { CursorStore } from '../capture/collect.ts'
import { toHex } from '../pack/sha256.ts'
import { guarded, openDatabase } from './database.ts'
import { Drops } from './drops.ts'
import { arrivedVersions, fromPath, inodes, type Reader } from './cursor-pages.ts'
import { isUnsent, signed, streamsOf, toCursor, toPack } from './rows.ts'

export type PackState = 'sealed' | 'stamped' | 'sent'

/** A sealed pack as the journal knows it. `id` is the seal number: packs of a queue are sent in its order. */
export interface PackRow {
  readonly id: number
  readonly queue: string
  /** Names of the streams of which it holds captures; missing when a version sealed it that did not write them down. */
  readonly streams?: readonly string[]
  readonly state: PackState
  readonly bodyHash: Uint8Array
  readonly bodyBytes: number
  /** The body is an age file. */
  readonly encrypted?: boolean
  /** Bytes of capture files it stands for, and those of them that were not known before. */
  readonly rawBytes: number
  readonly newBytes: number
  readonly sealedAt: number
  readonly seq?: number
  readonly header?: Uint8Array
  readonly sentAt?: number
}

/** Everything that becomes true at once when a pack is sealed. */
export interface SealCommit {
  readonly pack: Omit<PackRow, 'state' | 'seq' | 'header' | 'sentAt'> & Required<Pick<PackRow, 'streams'>>
  readonly epoch: Uint8Array
  readonly chunks: Iterable<Uint8Array>
  /** Next block ordinal per stream that has blocks in the pack. */
  readonly ordinals: ReadonlyMap<string, number>
  readonly cursors: readonly Cursor[]
}

export interface LogHead {
  readonly seq: number
  readonly hash: Uint8Array
}

/** Meta key of a journal that begins behind whatever its destination holds, which is asked when something is sent. */
export const headUnknown = 'head-unknown'

/** In place of a pack's number, which begin at 1: it is at the destination, and the journal that knew the pack is lost. */
export const arrivedBefore = 0

const insertCursor = `INSERT INTO cursor VALUES (NULL, ${Array(17).fill('?').join(', ')})`

/**
 * The service's memory: cursors, chunk index, packs and their state, ledger, in one SQLite database. Every method that
 * changes something is one durable transaction. Errors as in `openDatabase`.
 */
export class Journal implements CursorStore, Disposable {
  readonly path: string
  /** For the ledger, whose table lives in the same database. */
  readonly db: DatabaseSync
  /** Notes about captures of pauses. */
  readonly drops: Drops
  readonly #statements = new Map<string, StatementSync>()
  readonly #bigStatements = new Map<string, StatementSync>()
  readonly #bigRows: Reader<Record<string, SQLOutputValue>> = (sql, ...values) => guarded(this.path, () => this.#prepare(sql, true).all(...values))

  /** Rows as arrays: a third of the cost of objects. */
  readonly #arrays: Reader<SQLOutputValue[]> = (sql, ...values) => guarded(this.path, () => {
    const statement = this.#prepare(sql, true)
    statement.setReturnArrays(true)
    return statement.all(...values) as unknown as SQLOutputValue[][]
  })

  constructor(path: string, mode: 'write' | 'read' = 'write') {
    this.path = path
    this.db = openDatabase(path, mode)
    this.drops = new Drops({ db: this.db, transaction: (work) => this.transaction(work), guarded: (work) => this.guarded(work) })
  }

  [Symbol.dispose](): void {
    this.db.close()
  }

  /** Runs `work`, which uses `db`; says what failed. */
  guarded<T>(work: () => T): T {
    return guarded(this.path, work)
  }

  /** A prepared statement; integers come back as bigint where `big` asks for it. */
  #prepare(sql: string, big = false): StatementSync {
    const statements = big ? this.#bigStatements : this.#statements
    let statement = statements.get(sql)
    if (!statement) {
      statement = this.db.prepare(sql)
      statement.setReadBigInts(big)
      statements.set(sql, statement)
    }
    return statement
  }

  /** Runs `work` in one transaction: all of it becomes durable, or nothing. */
  transaction<T>(work: () => T): T {
    return guarded(this.path, () => {
      this.db.exec('BEGIN IMMEDIATE')
      try {
        const result = work()
        this.db.exec('COMMIT')
        return result
      } catch (error) {
        if (this.db.isTransaction) this.db.exec('ROLLBACK')
        throw error
      }
    })
  }

  #get(sql: string, ...values: (string | number | bigint | Uint8Array)[]): Record<string, SQLOutputValue> | undefined {
    return guarded(this.path, () => this.#prepare(sql).get(...values))
  }

  #all(sql: string, ...values: (string | number | bigint | Uint8Array)[]): Record<string, SQLOutputValue>[] {
    return guarded(this.path, () => this.#prepare(sql).all(...values))
  }

  /** Drops what SQLite keeps in memory for speed; it is read again when needed. */
  releaseMemory(): void {
    this.db.exec('PRAGMA shrink_memory')
  }

  meta(key: string): string | undefined {
    return this.#get('SELECT value FROM meta WHERE key = ?', key)?.['value'] as string | undefined
  }

  setMeta(key: string, value: string): void {
    guarded(this.path, () => this.#prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(key, value))
  }

  dropMeta(key: string): void {
    guarded(this.path, () => this.#prepare('DELETE FROM meta WHERE key = ?').run(key))
  }

  // Cursors

  /** The latest cursor of a path: a file that took the name of another may be there with it. */
  byPath(stream: string, path: Uint8Array): Cursor | undefined {
    const row = guarded(this.path, () =>
      this.#prepare('SELECT * FROM cursor WHERE stream = ? AND path = ? ORDER BY id DESC LIMIT 1', true).get(stream, path),
    )
    return row && toCursor(row)
  }

  byInode(stream: string, device: bigint, inode: bigint): Cursor | undefined {
    const sql = 'SELECT * FROM cursor WHERE stream = ? AND inode = ? AND device = ?'
    const row = guarded(this.path, () => this.#prepare(sql, true).get(stream, signed(inode), signed(device)))
    return row && toCursor(row)
  }

  fromPath(stream: string, path: Uint8Array, limit: number): CursorState[] {
    return fromPath(this.#arrays, stream, path, limit)
  }

  inodes(stream: string): Iterable<Pick<FileFacts, 'device' | 'inode'>> {
    return inodes(this.#arrays, stream)
  }

  /** Sets the cursors that a rebuild found, each with the waiting pack that completes it, or `arrivedBefore`. */
  putCursors(cursors: Iterable<readonly [Cursor, pack: number]>): void {
    this.transaction(() => {
      for (const [cursor, pack] of cursors) this.#putCursor(cursor, pack)
    })
  }

  dropCursors(cursors: readonly Pick<Cursor, 'stream' | 'fileId' | 'facts'>[]): void {
    if (cursors.length === 0) return
    this.transaction(() => {
      const statement = this.#prepare('DELETE FROM cursor WHERE stream = ? AND inode = ? AND file_id = ?')
      for (const { stream, fileId, facts } of cursors) statement.run(stream, signed(facts.inode), fileId)
    })
  }

  #putCursor(cursor: Cursor, pack: number): void {
    const { facts, fingerprint, chunker } = cursor
    // What the file system calls the same file has one cursor: the one of its current content. A device's number may change.
    this.#prepare('DELETE FROM cursor WHERE stream = ? AND inode = ? AND (device = ? OR file_id = ?)').run(
      cursor.stream, signed(facts.inode), signed(facts.device), cursor.fileId,
    )
    this.#prepare(insertCursor).run(
      cursor.stream, cursor.path, cursor.fileId, cursor.offset, cursor.complete ? 1 : 0,
      fingerprint.head, fingerprint.tail, chunker.hash, chunker.sinceBoundary,
      signed(facts.device), signed(facts.inode), facts.sizeBytes, facts.modifiedUs, facts.changedUs, facts.mode, pack, cursor.base ?? 0,
    )
  }

  // Epochs and chunks

  epoch(queue: string): { readonly id: Uint8Array; readonly startedAt: number } | undefined {
    const row = this.#get('SELECT id, started_at FROM epoch WHERE queue = ?', queue)
    return row && { id: row['id'] as Uint8Array, startedAt: Number(row['started_at']) }
  }

  /** Begins an epoch; what the queue's last one knew is forgotten, for no reference may reach into it. */
  beginEpoch(queue: string, id: Uint8Array, now: number): void {
    const old = this.epoch(queue)
    this.transaction(() => {
      if (old) this.#forgetEpoch(old.id)
      this.#prepare('INSERT OR REPLACE INTO epoch VALUES (?, ?, ?)').run(queue, id, now)
    })
  }

  /**
   * Ends every epoch when packs are sealed for others than before, or under another secret; `mark` tells which. The next
   * pack of each queue then begins one: no reference leads from packs that some can read to packs that they cannot.
   */
  sealFor(mark: string): void {
    if ((this.meta('sealed-for') ?? '') === mark) return
    this.transaction(() => {
      for (const table of ['chunk', 'lineage', 'epoch']) this.#prepare(`DELETE FROM ${table}`).run()
      this.setMeta('sealed-for', mark)
    })
  }

  #forgetEpoch(id: Uint8Array): void {
    for (const table of ['chunk', 'lineage']) this.#prepare(`DELETE FROM ${table} WHERE epoch = ?`).run(id)
  }

  hasChunk(epoch: Uint8Array, hash: Uint8Array): boolean {
    return this.#get('SELECT 1 FROM chunk WHERE epoch = ? AND hash = ?', epoch, hash) !== undefined
  }

  nextOrdinal(epoch: Uint8Array, stream: string): number {
    const row = this.#get('SELECT next_ordinal FROM lineage WHERE epoch = ? AND stream = ?', epoch, stream)
    return Number(row?.['next_ordinal'] ?? 0)
  }

  // Packs

  nextSealNumber(): number {
    return Number(this.#get('SELECT max(id) AS id FROM pack')?.['id'] ?? 0) + 1
  }

  /** The second half of sealing: the body is durable in the spool, now it counts. */
  commitSeal(seal: SealCommit): void {
    this.transaction(() => {
      const { pack, epoch } = seal
      this.#insertPack(pack, 'sealed')
      for (const hash of seal.chunks) this.#prepare('INSERT OR IGNORE INTO chunk VALUES (?, ?)').run(epoch, hash)
      for (const [stream, next] of seal.ordinals) {
        this.#prepare('INSERT OR REPLACE INTO lineage VALUES (?, ?, ?)').run(epoch, stream, next)
      }
      for (const cursor of seal.cursors) this.#putCursor(cursor, pack.id)
    })
  }

  #insertPack(pack: SealCommit['pack'], state: PackState): void {
    this.#prepare(
      'INSERT INTO pack (id, queue, state, body_hash, body_bytes, raw_bytes, new_bytes, sealed_at, streams, encrypted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ).run(pack.id, pack.queue, state, pack.bodyHash, pack.bodyBytes, pack.rawBytes, pack.newBytes, pack.sealedAt, JSON.stringify(pack.streams), pack.encrypted ? 1 : 0)
  }

  /** The body of a waiting pack was encrypted as it is: the pack has another one now. */
  putEncrypted(id: number, bodyHash: Uint8Array, bodyBytes: number): void {
    guarded(this.path, () => this.#prepare('UPDATE pack SET body_hash = ?, body_bytes = ?, encrypted = 1 WHERE id = ?').run(bodyHash, bodyBytes, id))
  }

  /** Takes in a pack that a rebuild found in the spool. */
  adoptPack(pack: SealCommit['pack']): void {
    this.transaction(() => this.#insertPack(pack, 'sealed'))
  }

  /**
   * Drops sealed packs whose bodies are lost, and those that their queues sealed later, which may refer to them: whatever
   * they captured is taken again, in a new epoch. Returns all that were dropped. Call while nothing is packed.
   */
  dropLost(lost: readonly Pick<PackRow, 'id' | 'queue'>[]): PackRow[] {
    const firstOf = (queue: string): number => Math.min(...lost.filter((pack) => pack.queue === queue).map(({ id }) => id))
    return this.transaction(() => {
      const dropped = this.unsent().filter(({ id, queue, state }) => state === 'sealed' && id >= firstOf(queue))
      for (const { id, streams = [] } of dropped) {
        this.#prepare('DELETE FROM cursor WHERE pack = ?').run(id)
        // A file may go on in another queue's pack, when the config has put its stream there meanwhile.
        for (const stream of streams) this.#prepare('DELETE FROM cursor WHERE stream = ? AND pack > ?').run(stream, id)
        this.#prepare('DELETE FROM pack WHERE id = ?').run(id)
      }
      for (const queue of new Set(dropped.map((pack) => pack.queue))) {
        const epoch = this.epoch(queue)
        if (epoch) this.#forgetEpoch(epoch.id)
        this.#prepare('DELETE FROM epoch WHERE queue = ?').run(queue)
      }
      return dropped
    })
  }

  /** The queue's stamped pack if there is one, else its oldest sealed one. */
  nextOf(queue: string): PackRow | undefined {
    const row = this.#get("SELECT * FROM pack WHERE state = 'stamped' AND queue = ?", queue)
      ?? this.#get("SELECT * FROM pack WHERE state = 'sealed' AND queue = ? ORDER BY id LIMIT 1", queue)
    return row && toPack(row)
  }

  stamped(): PackRow | undefined {
    const row = this.#get("SELECT * FROM pack WHERE state = 'stamped'")
    return row && toPack(row)
  }

  /** Every pack that has not arrived, oldest first. */
  unsent(): PackRow[] {
    return this.#all(`SELECT * FROM pack WHERE ${isUnsent} ORDER BY id`).map(toPack)
  }

  backlog(): { readonly queue: string; readonly packs: number; readonly bytes: number }[] {
    return this.#all(`SELECT queue, count(*) AS packs, sum(body_bytes) AS bytes FROM pack WHERE ${isUnsent} GROUP BY queue`).map(
      (row) => ({ queue: String(row['queue']), packs: Number(row['packs']), bytes: Number(row['bytes']) }),
    )
  }

  /** By queue, the streams in its packs that have not arrived; undefined where a pack does not say. */
  unsentStreams(): ReadonlyMap<string, ReadonlySet<string> | undefined> {
    const packs = this.#all(`SELECT DISTINCT queue, streams FROM pack WHERE ${isUnsent}`)
      .map((row) => ({ queue: String(row['queue']), streams: streamsOf(row) }))
    return new Map([...Map.groupBy(packs, ({ queue }) => queue)].map(([queue, its]) => {
      const isTold = its.every(({ streams }) => streams !== undefined)
      return [queue, isTold ? new Set(its.flatMap(({ streams }) => streams ?? [])) : undefined]
    }))
  }

  /** What waits in all queues together. */
  waiting(): { readonly packs: number; readonly bytes: number } {
    const queues = this.backlog()
    return {
      packs: queues.reduce((sum, { packs }) => sum + packs, 0),
      bytes: queues.reduce((sum, { bytes }) => sum + bytes, 0),
    }
  }

  totals(): { readonly packs: number; readonly packBytes: number; readonly rawBytes: number; readonly lastSentAt?: number } {
    const row = this.#get("SELECT count(*) AS packs, sum(body_bytes) AS bytes, sum(raw_bytes) AS raw, max(sent_at) AS last FROM pack WHERE state = 'sent'")
    return {
      packs: Number(row?.['packs'] ?? 0), packBytes: Number(row?.['bytes'] ?? 0), rawBytes: Number(row?.['raw'] ?? 0),
      ...(row?.['last'] == null ? {} : { lastSentAt: Number(row['last']) }),
    }
  }

  /** The last pack that arrived. */
  head(): LogHead | undefined {
    const [seq, hash] = [this.meta('head-seq'), this.meta('head-hash')]
    return seq === undefined || hash === undefined ? undefined : { seq: Number(seq), hash: Buffer.from(hash, 'hex') }
  }

  /** Sets the head without a pack of ours: what a rebuild learned from the destination. */
  setHead(head: LogHead): void {
    this.transaction(() => this.#setHead(head))
  }

  #setHead(head: LogHead): void {
    this.setMeta('head-seq', String(head.seq))
    this.setMeta('head-hash', toHex(head.hash))
  }

  /** Gives a sealed pack its place in the device log. Call inside a transaction with the ledger's reservation. */
  stamp(id: number, seq: number, header: Uint8Array): void {
    this.#prepare("UPDATE pack SET state = 'stamped', seq = ?, header = ? WHERE id = ?").run(seq, header, id)
  }

  /** Takes the stamp back from a pack that did not arrive, so that another may go first. */
  unstamp(id: number): void {
    this.transaction(() => this.#prepare("UPDATE pack SET state = 'sealed', seq = NULL, header = NULL WHERE id = ? AND state = 'stamped'").run(id))
  }

  /** The pack arrived: it is the new head. Call inside a transaction with the ledger's settlement. */
  markSent(id: number, head: LogHead, now: number): void {
    this.#prepare("UPDATE pack SET state = 'sent', header = NULL, sent_at = ? WHERE id = ?").run(now, id)
    this.#setHead(head)
  }

  /**
   * Complete versions of a stream's `whole` files that have arrived: the pack with their end, and every pack sealed before
   * it, in whatever queue, for a version may have begun there under another config. In pages, as `inodes`.
   */
  arrivedVersions(stream: string): Iterable<Cursor[]> {
    return arrivedVersions(this.#bigRows, stream)
  }
}
