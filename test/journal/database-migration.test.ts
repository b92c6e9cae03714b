import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Ledger } from '../../src/budget/ledger.ts'
import { openDatabase } from '../../src/journal/database.ts'
import { Journal } from '../../src/journal/journal.ts'
import { plain } from '../plain.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** The tables as version 1 made them. Never change this text: states in the field have them. */
const version1 = `
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
  CREATE TABLE ledger (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    queue TEXT NOT NULL,
    pack TEXT NOT NULL,
    reserved_bytes INTEGER NOT NULL CHECK (reserved_bytes >= 0),
    settled_bytes INTEGER CHECK (settled_bytes >= 0)
  ) STRICT;
  CREATE INDEX ledger_at ON ledger (at);
  PRAGMA user_version = 1;
`

const now = Date.UTC(2026, 10, 23)

/** A state of version 1: a pack that waits, a head, and entries of which a crash left one open. */
async function oldJournal(): Promise<string> {
  const path = join(await temporaryFolder(), 'journal.sqlite')
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA journal_mode = WAL; ${version1}
    INSERT INTO meta VALUES ('device', 'laptop'), ('head-seq', '3'), ('head-hash', 'abcd');
    INSERT INTO cursor VALUES (7, 'mail', x'61', x'0102030405060708', 20, 1, x'aa', x'bb', 1, 2, 8, 9, 30, 40, 50, 420, 4);
    INSERT INTO pack VALUES (4, 'any', 'sealed', x'11', 100, 1000, 900, ${now}, NULL, NULL, NULL);
    INSERT INTO ledger VALUES (1, ${now}, 'any', 'p1', 500, 400), (2, ${now + 1}, 'any', 'p2', 300, NULL);`)
  db.close()
  return path
}

/** Tables, columns and indexes, and the version. */
function shapeOf(db: DatabaseSync): unknown[] {
  const names = db.prepare("SELECT type, name, tbl_name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name").all()
  const columns = names.map(({ name }) => db.prepare('SELECT name, type, "notnull", pk FROM pragma_table_info(?)').all(String(name)))
  return JSON.parse(JSON.stringify([names, columns, db.prepare('PRAGMA user_version').get()])) as unknown[]
}

test('a journal of version 1 opens and keeps its packs, its head, its cursors and every byte of its ledger', async () => {
  using journal = new Journal(await oldJournal())
  const ledger = new Ledger(journal)
  expect(plain(journal.byInode('mail', 8n, 9n))).toEqual(plain({
    stream: 'mail', path: Buffer.from('a'), fileId: Buffer.from('0102030405060708', 'hex'), offset: 20, complete: true,
    fingerprint: { head: Buffer.of(0xaa), tail: Buffer.of(0xbb) }, chunker: { hash: 1, sinceBoundary: 2 },
    facts: { device: 8n, inode: 9n, sizeBytes: 30, modifiedUs: 40, changedUs: 50, mode: 0o644 },
  }))
  expect(journal.head()?.seq).toBe(3)
  expect(journal.unsent().map(({ id }) => id)).toEqual([4])
  expect(ledger.usedSince(now)).toBe(700)
  // Where they went was not written down, so they count everywhere.
  expect(ledger.usedSince(now, { network: '0123456789ab', on: 'free', stream: 'mail' })).toBe(700)
  ledger.settle(2, 250)
  ledger.reserve({ now: now + 2, queue: 'any', pack: 'p3', bytes: 1, on: 'metered' })
  expect(ledger.usedSince(now)).toBe(651)
  expect(ledger.usedSince(now, { on: 'free' })).toBe(650)
})

test('what comes out of version 1 has the same tables, columns and indexes as a new journal', async () => {
  const old = openDatabase(await oldJournal(), 'write')
  const made = openDatabase(join(await temporaryFolder(), 'journal.sqlite'), 'write')
  onTestFinished(() => {
    old.close()
    made.close()
  })
  expect(shapeOf(old)).toEqual(shapeOf(made))
})

test('a reader brings an older journal up to date, beside a service of the old version that goes on', async () => {
  const path = await oldJournal()
  const service = new DatabaseSync(path)
  onTestFinished(() => { service.close() })
  const insert = service.prepare('INSERT INTO ledger (at, queue, pack, reserved_bytes) VALUES (?, ?, ?, ?)')
  using journal = new Journal(path, 'read')
  const ledger = new Ledger(journal)
  expect(ledger.usedSince(now)).toBe(700)
  insert.run(now + 3, 'any', 'p3', 20)
  expect(ledger.usedSince(now)).toBe(720)
})

test('a migration that fails in the middle leaves the journal as it was', async () => {
  const path = await oldJournal()
  const db = new DatabaseSync(path)
  // In the way of the last thing that the step to version 2 makes.
  db.exec('CREATE TABLE ledger_use (x)')
  const before = shapeOf(db)
  expect(() => openDatabase(path, 'write')).toThrow()
  expect(shapeOf(db)).toEqual(before)
  db.exec('DROP TABLE ledger_use')
  db.close()
  using journal = new Journal(path)
  expect(new Ledger(journal).usedSince(now)).toBe(700)
})
