import type { SQLInputValue, SQLOutputValue } from 'node:sqlite'
import type { Cursor, CursorState, FileFacts } from '../capture/take.ts'
import { isUnsent, toCursor, unsigned } from './rows.ts'

/** Rows of a query, with integers as bigint. */
export type Reader<Row> = (sql: string, ...values: SQLInputValue[]) => Row[]

/** A page takes some milliseconds: whoever reads it may let the loop turn between two. */
const rowsPerPage = 500
const leastInteger = -(2n ** 63n)

const stateColumns = 'path, base, offset, complete, device, inode, size, modified_us, changed_us'

export function fromPath(rows: Reader<SQLOutputValue[]>, stream: string, path: Uint8Array, limit: number): CursorState[] {
  const sql = `SELECT ${stateColumns} FROM cursor WHERE stream = ? AND path >= ? ORDER BY path, id LIMIT ?`
  return rows(sql, stream, path, limit).map(toState)
}

function toState([path, base, offset, complete, device, inode, size, modifiedUs, changedUs]: SQLOutputValue[]): CursorState {
  return {
    path: path as Uint8Array, base: Number(base), offset: Number(offset), complete: Number(complete) === 1,
    facts: {
      device: unsigned(device), inode: unsigned(inode), sizeBytes: Number(size), modifiedUs: Number(modifiedUs), changedUs: Number(changedUs),
    },
  }
}

/** Read in pages, so that rows may change meanwhile and memory stays small. */
export function* inodes(rows: Reader<SQLOutputValue[]>, stream: string): Iterable<Pick<FileFacts, 'device' | 'inode'>> {
  const sql = `SELECT device, inode FROM cursor WHERE stream = ? AND (inode, device) > (?, ?) ORDER BY inode, device LIMIT ${rowsPerPage}`
  let last: SQLOutputValue[] | undefined = [leastInteger, leastInteger]
  while (last) {
    const [device = null, inode = null]: SQLOutputValue[] = last
    const page = rows(sql, stream, inode, device)
    for (const row of page) yield { device: unsigned(row[0]), inode: unsigned(row[1]) }
    last = page.at(-1)
  }
}

export function* arrivedVersions(rows: Reader<Record<string, SQLOutputValue>>, stream: string): Iterable<Cursor[]> {
  const sql = `SELECT * FROM cursor WHERE stream = ? AND (pack, id) > (?, ?) AND complete = 1
    AND pack < coalesce((SELECT min(id) FROM pack WHERE ${isUnsent}), ${Number.MAX_SAFE_INTEGER}) ORDER BY pack, id LIMIT ${rowsPerPage}`
  let last: Record<string, SQLOutputValue> | undefined = { pack: -1, id: 0 }
  while (last) {
    const { pack = null, id = null }: Record<string, SQLOutputValue> = last
    const page = rows(sql, stream, pack, id)
    if (page.length > 0) yield page.map(toCursor)
    last = page.at(-1)
  }
}
