import type { LedgerEntry } from '../budget/ledger.ts'
import type { Disk } from './disk.ts'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { entryOf } from '../budget/ledger.ts'

/** A damaged journal whose place no new one has taken yet. One that was replaced has a date in its name. */
const asideOf = (path: string): string => join(dirname(path), 'journal.damaged.sqlite')

/** Moves the damaged journal at `path` out of the way of a new one, with the log that holds its latest transactions. */
export async function putAside(path: string, disk: Disk): Promise<void> {
  for (const suffix of ['', '-wal', '-shm']) await disk.remove(`${asideOf(path)}${suffix}`)
  await disk.rename(path, asideOf(path))
  await moveLog(path, disk)
}

async function moveLog(path: string, disk: Disk): Promise<void> {
  if ((await disk.size(`${path}-wal`)) !== undefined) await disk.rename(`${path}-wal`, `${asideOf(path)}-wal`)
}

/** What a journal that was put aside still tells. */
export interface Salvage {
  /** Of its ledger, in the order in which they were written. */
  readonly entries: readonly LedgerEntry[]
  /** There are no others. */
  readonly isWhole: boolean
}

/** Reads the journal that was put aside and not replaced yet; undefined when there is none. */
export async function readAside(path: string, disk: Disk): Promise<Salvage | undefined> {
  if ((await disk.size(asideOf(path))) === undefined) return undefined
  // Whoever put it aside may have died halfway.
  await moveLog(path, disk)
  const entries: LedgerEntry[] = []
  try {
    using db = new DatabaseSync(asideOf(path), { readOnly: true })
    // An index may be damaged where the table is not. SQLite throws at a page of the table that is.
    for (const row of db.prepare('SELECT * FROM ledger NOT INDEXED ORDER BY id').iterate()) entries.push(entryOf(row))
    // One that was emptied was given new tables when it was looked at, and knows nothing.
    const wasOurs = (): boolean => db.prepare("SELECT 1 FROM meta WHERE key = 'device'").get() !== undefined
    return { entries, isWhole: entries.length > 0 || wasOurs() }
  } catch {
    return { entries, isWhole: false }
  }
}

/** A new journal has taken its place: it is kept for whoever wants to look at it, only the latest. */
export async function keepAside(path: string, disk: Disk, now: number): Promise<void> {
  if ((await disk.size(asideOf(path))) === undefined) return
  const folder = dirname(path)
  for (const name of await disk.list(folder)) {
    if (name.startsWith('journal.damaged-')) await disk.remove(join(folder, name))
  }
  const kept = join(folder, `journal.damaged-${now}.sqlite`)
  await disk.remove(`${asideOf(path)}-shm`)
  if ((await disk.size(`${asideOf(path)}-wal`)) !== undefined) await disk.rename(`${asideOf(path)}-wal`, `${kept}-wal`)
  await disk.rename(asideOf(path), kept)
}
