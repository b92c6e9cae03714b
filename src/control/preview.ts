import type { Codec } from '../compress/codec.ts'
import type { Journal, PackRow } from '../journal/journal.ts'
import type { Spool } from '../journal/spool.ts'
import { SluiceError } from '../observe/error.ts'
import { segmentsOf } from '../pack/device-log.ts'
import { readBody } from '../pack/read-pack.ts'

/** What would leave next; the shape of `preview --json` (version 1). Sizes are bytes, times milliseconds since the epoch. */
export interface Preview {
  readonly version: 1
  /** Packs that wait. */
  readonly packed: { readonly packs: number; readonly packBytes: number; readonly rawBytes: number }
  /** What they hold, by stream, the largest first. */
  readonly streams: readonly WaitingStream[]
  /** Packs whose content is not told by stream: encrypted ones, which this machine cannot read, and those that cannot be read now. */
  readonly closed: { readonly packs: number; readonly packBytes: number; readonly encrypted: number }
  /** Captured and not packed yet, by stream, as far as it is known; missing where no service could be asked. */
  readonly captured?: readonly { readonly stream: string; readonly files: number; readonly bytes: number; readonly oldestAt: number }[]
}

export interface WaitingStream {
  readonly stream: string
  /** Bytes of capture files. */
  readonly rawBytes: number
  /** Capture files that they are of. */
  readonly files: number
  /** When the first and the last of them were written to. */
  readonly oldestAt: number
  readonly newestAt: number
}

interface Counted extends Omit<WaitingStream, 'files'> {
  readonly files: Set<string>
}

/** Most packs that are looked into: some seconds of work. What is beyond is `closed`. */
const mostPacks = 1000

/** What the packs of a journal hold that have not arrived. Throws what reading the journal throws. */
export async function readPreview(journal: Journal, spool: Spool, zstd: Codec): Promise<Omit<Preview, 'captured'>> {
  const packs = journal.unsent()
  const streams = new Map<string, Counted>()
  const closed: PackRow[] = packs.slice(mostPacks)
  for (const pack of packs.slice(0, mostPacks)) {
    if (pack.encrypted || !await count(streams, pack, spool, zstd)) closed.push(pack)
  }
  return {
    version: 1,
    packed: { packs: packs.length, packBytes: sum(packs, 'bodyBytes'), rawBytes: sum(packs, 'rawBytes') },
    streams: [...streams.values()].map(({ files, ...rest }) => ({ ...rest, files: files.size })).sort((a, b) => b.rawBytes - a.rawBytes),
    closed: { packs: closed.length, packBytes: sum(closed, 'bodyBytes'), encrypted: closed.filter(({ encrypted }) => encrypted).length },
  }
}

/** Adds what a pack holds; false when it cannot be read, such as one that has just arrived. */
async function count(streams: Map<string, Counted>, pack: PackRow, spool: Spool, zstd: Codec): Promise<boolean> {
  try {
    await using body = await spool.open(pack.bodyHash, pack.bodyBytes)
    const { manifest } = await readBody(body, 'a pack that waits', zstd)
    for (const { stream: name, entry, bytes } of segmentsOf(manifest)) {
      const at = Math.floor(entry.modifiedUs / 1000)
      const before = streams.get(name) ?? { stream: name, rawBytes: 0, files: new Set<string>(), oldestAt: at, newestAt: at }
      before.files.add(Buffer.from(entry.fileId).toString('hex'))
      streams.set(name, {
        ...before, rawBytes: before.rawBytes + bytes, oldestAt: Math.min(before.oldestAt, at), newestAt: Math.max(before.newestAt, at),
      })
    }
    return true
  } catch (error) {
    if (error instanceof SluiceError) return false
    throw error
  }
}

const sum = (packs: readonly PackRow[], key: 'bodyBytes' | 'rawBytes'): number => packs.reduce((bytes, pack) => bytes + pack[key], 0)
