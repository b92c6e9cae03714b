import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { periodAt } from './cap.ts'
import type { Cap, CapUse } from './cap.ts'

/** The ledger's table; the journal creates it with its own. Times are milliseconds since the epoch. */
export const ledgerSchema = `
  CREATE TABLE ledger (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    queue TEXT NOT NULL,
    pack TEXT NOT NULL,
    reserved_bytes INTEGER NOT NULL CHECK (reserved_bytes >= 0),
    settled_bytes INTEGER CHECK (settled_bytes >= 0)
  ) STRICT;
  CREATE INDEX ledger_at ON ledger (at);
`

/** Bytes about to go on the wire. */
export interface Reservation {
  readonly now: number
  readonly queue: string
  /** What the bytes are for, in the caller's words. */
  readonly pack: string
  /** Most bytes that may be sent before `settle`. */
  readonly bytes: number
}

/** No right clock shows an earlier time: 2026-01-01, before there was any Sluice. Machines that lost their time start years before. */
const earliestNow = Date.UTC(2026, 0, 1)

/** Twice the longest period of a cap: a clock that went back by less is taken for wrong now, not for wrong before. */
const clockBackMs = 62 * 86_400_000

/**
 * Every wire byte, reserved before it is sent and settled after. It never shows less than was sent: a reservation that
 * a crash left open counts in full for good.
 *
 * When the clock goes back nothing becomes free. Entries dated after now count in every period that began before them,
 * and a new entry is dated like the last one, so that it still counts once the clock is right again. Only a step back of
 * more than two months is believed (a clock that ran far ahead was put right): later entries then bear their own date.
 *
 * The database must be open with `synchronous=FULL`: durability of `reserve` rests on it.
 */
export class Ledger {
  readonly #reserve: StatementSync
  readonly #settle: StatementSync
  readonly #last: StatementSync
  readonly #used: StatementSync

  constructor(db: DatabaseSync) {
    this.#reserve = db.prepare('INSERT INTO ledger (at, queue, pack, reserved_bytes) VALUES (?, ?, ?, ?)')
    this.#settle = db.prepare('UPDATE ledger SET settled_bytes = ? WHERE id = ? AND settled_bytes IS NULL RETURNING reserved_bytes')
    this.#last = db.prepare('SELECT at FROM ledger ORDER BY id DESC LIMIT 1')
    this.#used = db.prepare('SELECT coalesce(sum(coalesce(settled_bytes, reserved_bytes)), 0) AS bytes FROM ledger WHERE at >= ?')
  }

  /** Sets bytes aside. Durable when this returns, or with the transaction it is called in. Returns the id to settle. */
  reserve({ now, queue, pack, bytes }: Reservation): number {
    assertBytes(bytes)
    return Number(this.#reserve.run(this.#dateOf(now), queue, pack, bytes).lastInsertRowid)
  }

  /**
   * Puts what was really sent in place of the reservation, and returns how many bytes went beyond it: anything but 0 is
   * a defect, recorded in full all the same. A reservation is settled once.
   */
  settle(id: number, bytes: number): number {
    assertBytes(bytes)
    const row = this.#settle.get(bytes, id)
    if (!row) throw new Error(`ledger entry ${id} is not an open reservation`)
    return Math.max(0, bytes - Number(row['reserved_bytes']))
  }

  /** Bytes of all entries dated `at` or later: what was settled, and all of what is still reserved. */
  usedSince(at: number): number {
    return Number(this.#used.get(at)?.['bytes'])
  }

  /** What is used of `cap` in the period that holds `now`. */
  use(cap: Cap, now: number, timeZone: string): CapUse {
    const period = periodAt(cap, now, timeZone)
    return { ...cap, ...period, usedBytes: this.usedSince(period.start) }
  }

  #dateOf(now: number): number {
    const last = Number(this.#last.get()?.['at'] ?? now)
    const clockIsBehind = last > now && (last - now <= clockBackMs || now < earliestNow)
    return clockIsBehind ? last : now
  }
}

function assertBytes(bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw new Error(`${bytes} is not a number of bytes`)
}
