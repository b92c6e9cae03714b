import type { Journal } from '../journal/journal.ts'
import type { NamedNetwork } from '../journal/settings.ts'
import type { NetworkClass } from '../scheduler/conditions.ts'
import { toHex } from '../pack/sha256.ts'
import { streamsOf } from '../journal/rows.ts'

/** What left this machine, the latest first; the shape of `history --json` (version 1). Sizes are bytes, times milliseconds since the epoch. */
export interface History {
  readonly version: 1
  readonly packs: readonly SentPack[]
  /** Whether older packs are known than those told. */
  readonly more: boolean
}

export interface SentPack {
  /** Place in the device log; missing where an old journal did not keep it. */
  readonly seq?: number
  readonly sentAt: number
  /** When its last capture was packed. */
  readonly sealedAt: number
  /** Whose captures it holds; missing when a version sealed it that did not write them down. */
  readonly streams?: readonly string[]
  readonly packBytes: number
  /** Bytes of capture files that it stands for. */
  readonly rawBytes: number
  /** Bytes on the wire for it, by the network that they went over, with what was sent again. */
  readonly networks: readonly UsedFor[]
}

interface UsedFor {
  /** Missing where networks cannot be told apart. */
  readonly id?: string
  /** What the worker calls it. */
  readonly name?: string
  readonly class?: NetworkClass
  readonly bytes: number
}

/** The last `limit` packs that arrived, before `before` where that is given. Throws what reading the journal throws. */
export function readHistory(journal: Journal, named: readonly NamedNetwork[], limit: number, before = Number.MAX_SAFE_INTEGER): History {
  const rows = journal.guarded(() => journal.db.prepare(
    "SELECT seq, sent_at, sealed_at, streams, body_hash, body_bytes, raw_bytes FROM pack WHERE state = 'sent' AND sent_at < ? ORDER BY sent_at DESC, id DESC LIMIT ?",
  ).all(before, limit + 1))
  const told = rows.slice(0, limit)
  const uses = usesSince(journal, Math.min(Infinity, ...told.map((row) => Number(row['sealed_at']))), new Map(named.map(({ id, name }) => [id, name])))
  const packs = told.map((row): SentPack => {
    const streams = streamsOf(row)
    return {
      ...(row['seq'] !== null && { seq: Number(row['seq']) }),
      sentAt: Number(row['sent_at']), sealedAt: Number(row['sealed_at']), ...(streams && { streams }),
      packBytes: Number(row['body_bytes']), rawBytes: Number(row['raw_bytes']),
      networks: uses.get(toHex(row['body_hash'] as Uint8Array).slice(0, nameLength)) ?? [],
    }
  })
  return { version: 1, packs, more: rows.length > limit }
}

/** So much of a pack's hash stands in the ledger. */
const nameLength = 12

function usesSince(journal: Journal, at: number, names: ReadonlyMap<string, string>): Map<string, UsedFor[]> {
  const uses = new Map<string, UsedFor[]>()
  if (!Number.isFinite(at)) return uses
  const rows = journal.guarded(() => journal.db.prepare(
    `SELECT pack, network, class, sum(coalesce(settled_bytes, reserved_bytes)) AS bytes FROM ledger
    WHERE at >= ? AND pack <> '' GROUP BY pack, network, class HAVING bytes > 0 ORDER BY pack, bytes DESC`,
  ).all(at))
  for (const row of rows) {
    const { pack, network, class: on } = row
    const name = typeof network === 'string' ? names.get(network) : undefined
    const use: UsedFor = {
      ...(typeof network === 'string' && { id: network }), ...(name !== undefined && { name }),
      ...((on === 'free' || on === 'metered') && { class: on }), bytes: Number(row['bytes']),
    }
    uses.set(String(pack), [...uses.get(String(pack)) ?? [], use])
  }
  return uses
}
