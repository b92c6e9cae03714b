import type { SQLOutputValue } from 'node:sqlite'
import type { Cursor } from '../capture/take.ts'
import type { PackRow, PackState } from './journal.ts'

/** Said so that the index serves: sent packs are never deleted, and most are. */
export const isUnsent = "state IN ('sealed', 'stamped')"

/** SQLite's integers have a sign; inodes and devices do not. */
export const signed = (value: bigint): bigint => BigInt.asIntN(64, value)
export const unsigned = (value: SQLOutputValue | undefined): bigint => BigInt.asUintN(64, value as bigint)

/** From a row whose integers are bigint. */
export function toCursor(row: Record<string, SQLOutputValue>): Cursor {
  return {
    stream: String(row['stream']),
    path: row['path'] as Uint8Array,
    fileId: row['file_id'] as Uint8Array,
    ...(Number(row['base']) > 0 && { base: Number(row['base']) }),
    offset: Number(row['offset']),
    complete: Number(row['complete']) === 1,
    fingerprint: { head: row['head'] as Uint8Array, tail: row['tail'] as Uint8Array },
    chunker: { hash: Number(row['chunker_hash']), sinceBoundary: Number(row['chunker_since']) },
    facts: {
      device: unsigned(row['device']), inode: unsigned(row['inode']), sizeBytes: Number(row['size']),
      modifiedUs: Number(row['modified_us']), changedUs: Number(row['changed_us']), mode: Number(row['mode']),
    },
  }
}

/** The `streams` of a pack's row; undefined where it does not say. */
export function streamsOf(row: Record<string, SQLOutputValue>): string[] | undefined {
  return typeof row['streams'] === 'string' ? JSON.parse(row['streams']) as string[] : undefined
}

/** From a row whose integers are numbers. */
export function toPack(row: Record<string, SQLOutputValue>): PackRow {
  const streams = streamsOf(row)
  return {
    id: Number(row['id']), queue: String(row['queue']), ...(streams && { streams }), state: row['state'] as PackState,
    bodyHash: row['body_hash'] as Uint8Array, bodyBytes: Number(row['body_bytes']),
    ...(Number(row['encrypted']) === 1 && { encrypted: true }),
    rawBytes: Number(row['raw_bytes']), newBytes: Number(row['new_bytes']), sealedAt: Number(row['sealed_at']),
    ...(row['seq'] == null ? {} : { seq: Number(row['seq']) }),
    ...(row['header'] == null ? {} : { header: row['header'] as Uint8Array }),
    ...(row['sent_at'] == null ? {} : { sentAt: Number(row['sent_at']) }),
  }
}
