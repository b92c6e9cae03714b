import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { ledgerSchema } from '../budget/ledger.ts'
import { SluiceError, systemCode } from '../observe/error.ts'
import { dropSchema } from './drops.ts'

const firstTables = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE cursor (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL, path BLOB NOT NULL, file_id BLOB NOT NULL, offset INTEGER NOT NULL, complete INTEGER NOT NULL,
    head BLOB NOT NULL, tail BLOB NOT NULL, chunker_hash INTEGER NOT NULL, chunker_since INTEGER NOT NULL,
    device INTEGER NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL, modified_us INTEGER NOT NULL,
    changed_us INTEGER NOT NULL, mode INTEGER NOT NULL, pack INTEGER NOT NULL,
    UNIQUE (stream, file_id)
  );
  CREATE INDEX cursor_path ON cursor (stream, path);
  CREATE INDEX cursor_inode ON cursor (stream, inode, device);
  CREATE INDEX cursor_pack ON cursor (pack);
  CREATE TABLE epoch (queue TEXT PRIMARY KEY, id BLOB NOT NULL, started_at INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE lineage (epoch BLOB NOT NULL, stream TEXT NOT NULL, next_ordinal INTEGER NOT NULL, PRIMARY KEY (epoch, stream)) WITHOUT ROWID;
  CREATE TABLE chunk (epoch BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (epoch, hash)) WITHOUT ROWID;
  CREATE TABLE known_file (epoch BLOB NOT NULL, size INTEGER NOT NULL, chunk_sizes BLOB NOT NULL, PRIMARY KEY (epoch, size)) WITHOUT ROWID;
  CREATE TABLE pack (
    id INTEGER PRIMARY KEY, queue TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('sealed', 'stamped', 'sent')),
    body_hash BLOB NOT NULL UNIQUE, body_bytes INTEGER NOT NULL, raw_bytes INTEGER NOT NULL, new_bytes INTEGER NOT NULL,
    sealed_at INTEGER NOT NULL, seq INTEGER UNIQUE, header BLOB, sent_at INTEGER
  );
  CREATE INDEX pack_state ON pack (state, queue, id);
`

/** A cursor is found by its file's inode, or path; a file id keeps its inode. */
const cursorsByInode = `
  ALTER TABLE cursor RENAME TO former;
  CREATE TABLE cursor (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL, path BLOB NOT NULL, file_id BLOB NOT NULL, offset INTEGER NOT NULL, complete INTEGER NOT NULL,
    head BLOB NOT NULL, tail BLOB NOT NULL, chunker_hash INTEGER NOT NULL, chunker_since INTEGER NOT NULL,
    device INTEGER NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL, modified_us INTEGER NOT NULL,
    changed_us INTEGER NOT NULL, mode INTEGER NOT NULL, pack INTEGER NOT NULL, base INTEGER NOT NULL DEFAULT 0
  );
  INSERT INTO cursor SELECT * FROM former ORDER BY id;
  DROP TABLE former;
  CREATE INDEX cursor_path ON cursor (stream, path);
  CREATE INDEX cursor_inode ON cursor (stream, inode, device);
  CREATE INDEX cursor_pack ON cursor (stream, pack);
`

/**
 * How each version of the tables comes from the one before; the first from nothing. A step that was released never
 * changes. A newer version than the last is refused.
 */
const steps: readonly string[] = [
  `${firstTables} ${ledgerSchema[0]}`,
  // `base`: where a file begins behind captures that a pause dropped. `streams`: a JSON list of names, null of older packs.
  `${ledgerSchema[1]} ALTER TABLE cursor ADD COLUMN base INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE pack ADD COLUMN streams TEXT; ${dropSchema}`,
  'ALTER TABLE pack ADD COLUMN encrypted INTEGER NOT NULL DEFAULT 0;',
  // Where the cuts of a file of the same size were: looking for them is as quick.
  'DROP TABLE known_file;',
  // File ids are random: keeping an index of them cost as much as all the rest of sealing many small files.
  cursorsByInode,
]

/** SQLite's primary result codes that mean something to us (sqlite.org/rescode.html). */
const sqlite = { busy: 5, readOnly: 8, ioError: 10, corrupt: 11, full: 13, cannotOpen: 14, notADatabase: 26 } as const

/** Runs `work`, turning SQLite's failures into errors that say what to do. `path` is only for the message. */
export function guarded<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw explain(path, error)
  }
}

function explain(path: string, error: unknown): unknown {
  const result = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
  if (result === sqlite.corrupt || result === sqlite.notADatabase) {
    return new SluiceError('journal-damaged', `the journal ${path} is damaged`, { cause: error })
  }
  if (result === sqlite.full) {
    return new SluiceError('state-full', `the disk that holds ${path} is full: free some space`, { transient: true, cause: error })
  }
  if (result === sqlite.ioError || result === sqlite.busy) {
    return new SluiceError('state-unusable', `the journal ${path} cannot be used now`, { transient: true, cause: error })
  }
  if (result === sqlite.readOnly || result === sqlite.cannotOpen) {
    return new SluiceError('state-unusable', `the journal ${path} cannot be written: check owner, mode and disk`, { cause: error })
  }
  const code = systemCode(error)
  if (code === undefined || code.startsWith('ERR_')) return error
  if (code === 'ENOSPC') {
    return new SluiceError('state-full', `the disk that holds ${path} is full: free some space`, { transient: true, cause: error })
  }
  return new SluiceError('state-unusable', `the journal ${path} cannot be opened (${code}): check its folder, owner and mode`, { cause: error })
}

/**
 * Opens or creates the journal's database, and brings an older one up to date: all in one transaction, or not at all. A
 * reader does so too, for it can read no older one. WAL with `synchronous=FULL`: a committed transaction survives a
 * power cut. Throws `journal-damaged`, `state-newer`, `state-full`, `state-unusable`.
 */
export function openDatabase(path: string, mode: 'write' | 'read'): DatabaseSync {
  return guarded(path, () => {
    // The journal holds names of capture files; SQLite gives its other files the mode of this one.
    if (mode === 'write') closeSync(openSync(path, 'a', 0o600))
    const db = new DatabaseSync(path, { readOnly: mode === 'read' })
    try {
      db.exec('PRAGMA busy_timeout = 5000')
      if (mode === 'write') db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -2048')
      const version = versionOf(db)
      if (version > steps.length) {
        throw new SluiceError('state-newer', `${path} was written by a newer version of Sluice: upgrade, or use another state folder`)
      }
      const check = db.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
      if (check !== 'ok') throw new SluiceError('journal-damaged', `the journal ${path} is damaged: ${String(check)}`)
      if (mode === 'write') bringUpToDate(db)
      else if (version > 0 && version < steps.length) openDatabase(path, 'write').close()
      return db
    } catch (error) {
      db.close()
      throw error
    }
  })
}

function versionOf(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
}

/** What fails halfway is undone when the database is closed. */
function bringUpToDate(db: DatabaseSync): void {
  if (versionOf(db) === steps.length) return
  db.exec('BEGIN IMMEDIATE')
  // Another process may have done it while this one waited.
  const version = versionOf(db)
  for (const step of steps.slice(version)) db.exec(step)
  db.exec(`PRAGMA user_version = ${Math.max(version, steps.length)}; COMMIT`)
}
