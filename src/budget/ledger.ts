import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { NetworkClass } from '../scheduler/conditions.ts'
import { dayMs } from './civil-day.ts'
import { clockBackMs, dateAfter } from './clock-back.ts'
import type { Scope, UsageSource } from './usage.ts'

/**
 * The ledger's table, as steps from each version of the journal to the next. Times are milliseconds since the epoch.
 * Entries without a class come from before networks were told apart, or from a rebuild that found no ledger. `stream` holds names of streams,
 * with spaces between them.
 */
export const ledgerSchema = [
  `CREATE TABLE ledger (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    queue TEXT NOT NULL,
    pack TEXT NOT NULL,
    reserved_bytes INTEGER NOT NULL CHECK (reserved_bytes >= 0),
    settled_bytes INTEGER CHECK (settled_bytes >= 0)
  ) STRICT;
  CREATE INDEX ledger_at ON ledger (at);
  `,
  `ALTER TABLE ledger ADD COLUMN network TEXT;
  ALTER TABLE ledger ADD COLUMN class TEXT CHECK (class IN ('free', 'metered'));
  ALTER TABLE ledger ADD COLUMN stream TEXT;
  ALTER TABLE ledger ADD COLUMN extends INTEGER;
  CREATE INDEX ledger_extends ON ledger (extends) WHERE extends IS NOT NULL;
  DROP INDEX ledger_at;
  CREATE INDEX ledger_use ON ledger (at, class, network, stream, settled_bytes, reserved_bytes);
  `,
] as const

/** Bytes about to go on the wire. */
export interface Reservation {
  readonly now: number
  readonly queue: string
  /** What the bytes are for, in the caller's words. */
  readonly pack: string
  /** Most bytes that may be sent before `settle`. */
  readonly bytes: number
  /** Id of the network, 12 hex digits; missing when it cannot be told: they count for every network then. */
  readonly network?: string
  /** Missing when nothing is known of where they went: they count for every class, network and stream then. */
  readonly on?: NetworkClass
  /** Names of the streams they may belong to: they count for each. Missing when that cannot be told: for every stream. */
  readonly streams?: readonly string[]
}

/** An entry as it was written; `settledBytes` is missing where it was left open. Fields as of `Reservation`. */
export interface LedgerEntry extends Omit<Reservation, 'now' | 'bytes'> {
  readonly at: number
  readonly reservedBytes: number
  readonly settledBytes?: number
}

/** An entry from a row of any version of the table. Throws RangeError for values that no ledger wrote. */
export function entryOf(row: Readonly<Record<string, SQLOutputValue>>): LedgerEntry {
  const number = (key: string): number => {
    const value = row[key]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || (key !== 'at' && value < 0)) throw new RangeError(`${key} is no count`)
    return value
  }
  const { queue, pack, network, stream, class: on } = row
  return {
    at: number('at'), queue: String(queue), pack: String(pack), reservedBytes: number('reserved_bytes'),
    ...(row['settled_bytes'] !== null && { settledBytes: number('settled_bytes') }),
    ...(typeof network === 'string' && { network }),
    ...((on === 'free' || on === 'metered') && { on }),
    ...(typeof stream === 'string' && { streams: stream.split(' ') }),
  }
}

/** Bytes of an entry that count. */
export const bytesOfEntry = ({ reservedBytes, settledBytes = reservedBytes }: LedgerEntry): number => settledBytes

/** What went over one network. */
export interface NetworkUse {
  readonly id: string
  readonly firstAt: number
  readonly lastAt: number
  readonly bytes: number
}

/** Every offset from UTC is a multiple of this, so no period of days, weeks or months begins inside one. */
const quarterMs = 15 * 60_000

/** Older entries are out of every period: the longest is 366 days, and the clock may be wrong by two months. */
const keptMs = 368 * dayMs + clockBackMs

const bytesOf = 'coalesce(settled_bytes, reserved_bytes)'

/** Parameters: date, network, class, stream; null: any. What an entry does not say counts. */
const inScope = `at >= ?1 AND (class IS NULL OR (
  (?2 IS NULL OR network IS NULL OR network = ?2) AND (?3 IS NULL OR class = ?3)
  AND (?4 IS NULL OR stream IS NULL OR instr(' ' || stream || ' ', ' ' || ?4 || ' ') > 0)))`

/** What is summed up: settled, dated before ?1, and of one day, class, network and stream. */
const oldGroups = `FROM ledger WHERE at < ?1 AND settled_bytes IS NOT NULL
  GROUP BY at / ${dayMs}, class, network, stream`

/** Where the ledger's table is: the journal. */
export interface LedgerDatabase {
  readonly db: DatabaseSync
  /** Runs `work`; says what failed. */
  guarded<T>(work: () => T): T
}

/**
 * Every wire byte, reserved before it is sent and settled after. It never shows less than was sent: a reservation that
 * a crash left open counts in full for good.
 *
 * When the clock goes back nothing becomes free. Entries dated after now count in every period that began before them,
 * and a new entry is dated like the last one (see `dateAfter`).
 *
 * Entries that no period can reach any more are summed up by day, network, class and stream, dated like the last of
 * them.
 *
 * The database must be open with `synchronous=FULL`: durability of `reserve` and `extend` rests on it.
 */
export class Ledger implements UsageSource {
  readonly #database: LedgerDatabase
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  /** When entries were last summed up, in days. */
  #tidiedDay: number | undefined

  constructor(database: LedgerDatabase) {
    this.#database = database
    this.#db = database.db
  }

  /** Reads; says what failed. */
  #read<T>(work: () => T): T {
    return this.#database.guarded(work)
  }

  #sql(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known) return known
    const prepared = this.#db.prepare(sql)
    this.#statements.set(sql, prepared)
    return prepared
  }

  /** Sets bytes aside. Durable when this returns, or with the transaction it is called in. Returns the id to settle. */
  reserve({ now, queue, pack, bytes, network, on, streams }: Reservation): number {
    assertBytes(bytes)
    const at = this.#dateOf(now)
    this.#tidy(at)
    const insert = this.#sql(`INSERT INTO ledger (at, queue, pack, reserved_bytes, network, class, stream)
      VALUES (?, ?, ?, ?, ?, ?, ?)`)
    return Number(insert.run(at, queue, pack, bytes, network ?? null, on ?? null, streams?.join(' ') ?? null).lastInsertRowid)
  }

  /** Sets more aside for an open reservation, which counts in the period that holds `now`. Durable like `reserve`. */
  extend(id: number, moreBytes: number, now: number): void {
    assertBytes(moreBytes)
    const last = this.#open(id).at(-1)
    const at = this.#dateOf(now)
    // All of it is dated now then: no calendar period began in between, and rolling ones count it a little longer.
    if (last && last.id === this.#newest()?.id && Math.floor(last.at / quarterMs) === Math.floor(at / quarterMs)) {
      const update = this.#sql('UPDATE ledger SET at = ?, reserved_bytes = reserved_bytes + ? WHERE id = ?')
      update.run(at, moreBytes, last.id)
      return
    }
    this.#sql(`INSERT INTO ledger (at, queue, pack, reserved_bytes, network, class, stream, extends)
      SELECT ?, queue, pack, ?, network, class, stream, id FROM ledger WHERE id = ?`).run(at, moreBytes, id)
  }

  /**
   * Puts what was really sent in place of the reservation, and returns how many bytes went beyond it: anything but 0 is
   * a defect, recorded in full all the same. A reservation is settled once. What was sent used up what was set aside
   * first.
   */
  settle(id: number, bytes: number): number {
    assertBytes(bytes)
    const parts = this.#open(id)
    let rest = bytes
    this.#atOnce(() => {
      for (const [index, part] of parts.entries()) {
        const own = index === parts.length - 1 ? rest : Math.min(rest, part.reservedBytes)
        this.#sql('UPDATE ledger SET settled_bytes = ? WHERE id = ?').run(own, part.id)
        rest -= own
      }
    })
    return Math.max(0, bytes - parts.reduce((sum, part) => sum + part.reservedBytes, 0))
  }

  /** Takes in entries of a ledger that was lost, in any order. Call inside a transaction. */
  adopt(entries: readonly LedgerEntry[]): void {
    const insert = this.#sql(`INSERT INTO ledger (at, queue, pack, reserved_bytes, settled_bytes, network, class, stream)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
    for (const { at, queue, pack, reservedBytes, settledBytes, network, on, streams } of entries.toSorted((a, b) => a.at - b.at)) {
      insert.run(at, queue, pack, reservedBytes, settledBytes ?? null, network ?? null, on ?? null, streams?.join(' ') ?? null)
    }
  }

  usedSince(at: number, { network, on, stream }: Scope = {}): number {
    const row = this.#read(() => this.#sql(`SELECT coalesce(sum(${bytesOf}), 0) AS bytes FROM ledger WHERE ${inScope}`)
      .get(at, network ?? null, on ?? null, stream ?? null))
    return Number(row?.['bytes'])
  }

  oldestSince(at: number, { network, on, stream }: Scope = {}): number | undefined {
    const row = this.#read(() => this.#sql(`SELECT at FROM ledger WHERE ${inScope} AND ${bytesOf} > 0 ORDER BY at LIMIT 1`)
      .get(at, network ?? null, on ?? null, stream ?? null))
    return row && Number(row['at'])
  }

  /** The networks that bytes went over, the latest first. */
  networks(): NetworkUse[] {
    const rows = this.#read(() => this.#sql(`SELECT network, min(at) AS first, max(at) AS last, sum(${bytesOf}) AS bytes
      FROM ledger WHERE network IS NOT NULL GROUP BY network ORDER BY last DESC, network`).all())
    return rows.map((row) => ({
      id: String(row['network']),
      firstAt: Number(row['first']),
      lastAt: Number(row['last']),
      bytes: Number(row['bytes']),
    }))
  }

  /** The parts of an open reservation, in the order in which they were set aside. */
  #open(id: number): { readonly id: number; readonly at: number; readonly reservedBytes: number }[] {
    const rows = this.#sql(`SELECT id, at, reserved_bytes FROM ledger
      WHERE ((id = ?1 AND extends IS NULL) OR extends = ?1) AND settled_bytes IS NULL ORDER BY id`).all(id)
    const parts = rows.map((row) => (
      { id: Number(row['id']), at: Number(row['at']), reservedBytes: Number(row['reserved_bytes']) }
    ))
    if (parts[0]?.id !== id) throw new Error(`ledger entry ${id} is not an open reservation`)
    return parts
  }

  #newest(): { readonly id: number; readonly at: number } | undefined {
    const row = this.#sql('SELECT id, at FROM ledger ORDER BY id DESC LIMIT 1').get()
    return row && { id: Number(row['id']), at: Number(row['at']) }
  }

  #dateOf(now: number): number {
    return dateAfter(this.#newest()?.at ?? now, now)
  }

  /** Once a day at most. Reservations that a crash left open stay as they are: they are few, and one may be in use. */
  #tidy(at: number): void {
    const day = Math.floor(at / dayMs)
    if (day === this.#tidiedDay) return
    this.#tidiedDay = day
    this.#atOnce(() => {
      this.#sql(`UPDATE ledger
        SET at = last, reserved_bytes = bytes, settled_bytes = bytes, queue = '', pack = '', extends = NULL
        FROM (SELECT max(id) AS keep, max(at) AS last, sum(settled_bytes) AS bytes ${oldGroups} HAVING count(*) > 1)
        WHERE id = keep`).run(at - keptMs)
      this.#sql(`DELETE FROM ledger
        WHERE at < ?1 AND settled_bytes IS NOT NULL AND id NOT IN (SELECT max(id) ${oldGroups})`).run(at - keptMs)
    })
  }

  /** All of `work` or nothing, inside a transaction of the caller's or by itself. */
  #atOnce(work: () => void): void {
    this.#db.exec('SAVEPOINT ledger')
    try {
      work()
      this.#db.exec('RELEASE ledger')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK TO ledger; RELEASE ledger')
      throw error
    }
  }
}

function assertBytes(bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw new Error(`${bytes} is not a number of bytes`)
}
