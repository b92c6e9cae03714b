import type { Ledger, LedgerEntry } from '../budget/ledger.ts'
import type { Stream } from '../capture/stream.ts'
import type { Codec } from '../compress/codec.ts'
import type { Destination } from '../transfer/destination.ts'
import type { Salvage } from './aside.ts'
import type { Journal, SealCommit } from './journal.ts'
import type { Spool } from './spool.ts'
import { bytesOfEntry } from '../budget/ledger.ts'
import { SluiceError } from '../observe/error.ts'
import { segmentsOf, type Segment } from '../pack/device-log.ts'
import { maxHeaderBytes } from '../pack/header.ts'
import { readLog } from '../pack/read-log.ts'
import { readBody, sourceOf, type ReadPack } from '../pack/read-pack.ts'
import { sha256, toHex } from '../pack/sha256.ts'
import type { FileVersion } from '../pack/versions.ts'
import { memoryDestination } from '../transfer/memory.ts'
import { findCursors } from './find-cursors.ts'
import { arrivedBefore, headUnknown } from './journal.ts'

export interface RebuildOptions {
  /** New and empty. */
  readonly journal: Journal
  readonly ledger: Ledger
  readonly spool: Spool
  readonly destination: Destination
  readonly device: string
  readonly streams: readonly Stream[]
  /** Name of the queue in which a stream's packs are sent. */
  readonly queueOf: (stream: string) => string
  readonly zstd: Codec
  /** Of the journal that is replaced, where one was put aside. */
  readonly salvage: Salvage | undefined
  /** What counts as used now when nobody can tell what was: as much as the largest cap. 0 in a new state folder. */
  readonly unknownUseBytes: number
  readonly now: () => number
  /** Ends the reading of the log. */
  readonly signal?: AbortSignal
}

export interface RebuildReport {
  readonly packsFromDestination: number
  readonly packsFromSpool: number
  /** Capture files that were found as they had been packed, and need not be packed again. */
  readonly files: number
  /** Where what counts for caps comes from: the old ledger, the device log, or neither (then no cap has anything left). */
  readonly use: 'ledger' | 'log' | 'unknown'
}

/**
 * Fills an empty journal from what is left: the device log says what was sent, the spool what was sealed. A capture
 * file gets its cursor back only when its content proves that it begins with what was packed; any other is packed
 * again. Where reading the log is not free, nothing is asked, as no gate has been yet: it goes on behind the log's head once
 * it may send, and captures that were sent are sent again. So are those of encrypted packs, which it cannot open: not in the log, and not in
 * the spool either, where none can be put under the rules of its queue.
 *
 * No cap is overspent: the ledger gets every entry of the old one that can be read, and every pack of the log that these
 * do not account for. Where entries may be missing and the log is not read either, `unknownUseBytes` count as used now.
 * Throws the destination's errors, and `aborted`.
 */
export async function rebuild(options: RebuildOptions): Promise<RebuildReport> {
  const { journal, destination, device, zstd, signal } = options
  const sent: SentPack[] = []
  const { versions, log } = await readLog({
    // An empty log stands for one that is not read.
    destination: destination.reading === 'free' ? destination : memoryDestination(), device, zstd, content: false,
    ...(signal && { signal }),
    onPack: ({ header, pack }) => void (header && sent.push({ header, sealedAt: pack?.manifest.sealedAt })),
  })
  if (destination.reading === 'free') {
    const head = await destination.head(device)
    if (head && head !== 'untold') journal.setHead({ seq: head.seq, hash: Buffer.from(head.hash, 'hex') })
  } else journal.setMeta(headUnknown, '1')
  const { waiting, closed } = await readSpool(options, new Set(sent.map(({ header }) => toHex(header.bodyHash))))
  const sealedIn = new Map<Segment, number>()
  for (const { pack, manifest, blockOffsets } of waiting) {
    journal.adoptPack(pack)
    log.index({ name: { device, seq: 0, hash: toHex(pack.bodyHash) }, manifest, blockOffsets })
    for (const segment of segmentsOf(manifest)) {
      if (!versions.add(segment, 'spool')) sealedIn.set(segment, pack.id)
    }
  }
  const use = journal.transaction(() => charge(options, { sent, waiting, begun: mostBegun(options, closed) }))
  // Where the log has a gap, a version may be named whose content is not there: its file is packed again.
  const held = versions.newestFirst().filter(({ segments }) => segments.every((segment) => log.holds(segment)))
  const cursors = findCursors(options.streams, held)
  const sealedLast = ({ segments }: FileVersion): number => Math.max(arrivedBefore, ...segments.map((segment) => sealedIn.get(segment) ?? arrivedBefore))
  journal.putCursors([...cursors].map(([cursor, version]) => [cursor, sealedLast(version)]))
  return { packsFromDestination: sent.length, packsFromSpool: waiting.length, files: cursors.size, use }
}

/** What counts of a pack that was sent. `sealedAt` is undefined of an encrypted one. */
interface SentPack {
  readonly header: Pick<ReadPack['header'], 'bodyHash' | 'bodyBytes' | 'headerBytes'>
  readonly sealedAt: number | undefined
}

/** As many as there are queues may have been sent in part; which of them cannot be told, so the largest count. */
function mostBegun({ streams, queueOf }: RebuildOptions, closed: readonly ClosedBody[]): SentPack[] {
  const queues = new Set(streams.map(({ name }) => queueOf(name))).size
  const largest = closed.toSorted((a, b) => b.bodyBytes - a.bodyBytes).slice(0, queues)
  return largest.map((body) => ({ header: { ...body, headerBytes: maxHeaderBytes }, sealedAt: undefined }))
}

interface Found {
  readonly sent: readonly SentPack[]
  readonly waiting: readonly SpoolBody[]
  readonly begun: readonly SentPack[]
}

/** Fills the ledger. */
function charge(options: RebuildOptions, found: Found): RebuildReport['use'] {
  const { ledger, salvage = { entries: [], isWhole: false }, destination, unknownUseBytes, now } = options
  // Neither is known to be complete, so each pack counts by whichever tells more of it.
  const told = salvage.isWhole
    ? tellsOf(found.sent.filter(({ sealedAt }) => sealedAt !== undefined), [], now())
    : tellsOf([...found.sent, ...found.begun], found.waiting, now())
  const known = new Map<string, number>()
  for (const entry of salvage.entries) known.set(entry.pack, (known.get(entry.pack) ?? 0) + bytesOfEntry(entry))
  const missing = told.flatMap((entry) => {
    const bytes = entry.reservedBytes - (known.get(entry.pack) ?? 0)
    return bytes > 0 ? [{ ...entry, reservedBytes: bytes, settledBytes: bytes }] : []
  })
  ledger.adopt([...salvage.entries, ...missing])
  if (salvage.isWhole) return 'ledger'
  if (destination.reading === 'free') return 'log'
  if (unknownUseBytes > 0) ledger.settle(ledger.reserve({ now: now(), queue: 'rebuilt', pack: '', bytes: unknownUseBytes }), unknownUseBytes)
  return 'unknown'
}

/**
 * A pack left after it was sealed and after those before it, so it is dated by the latest of their seals. The oldest
 * waiting pack of each queue may have been sent in part, so it counts as if it had been sent. One that does not tell when
 * it was sealed may have left just now.
 */
function tellsOf(sent: readonly SentPack[], waiting: readonly SpoolBody[], now: number): LedgerEntry[] {
  const begun = [...Map.groupBy(waiting, ({ pack }) => pack.queue).values()].flatMap(([first]) => first ?? [])
  const told = [
    ...sent.map(({ sealedAt, header }) => ({ sealedAt, hash: header.bodyHash, bytes: header.bodyBytes + header.headerBytes })),
    ...begun.map(({ pack }) => ({ sealedAt: pack.sealedAt, hash: pack.bodyHash, bytes: pack.bodyBytes + maxHeaderBytes })),
  ]
  let at = 0
  return told.map(({ sealedAt, hash, bytes }) => {
    if (sealedAt !== undefined) at = Math.max(at, sealedAt)
    return { at: sealedAt === undefined ? now : at, queue: 'rebuilt', pack: toHex(hash).slice(0, 12), reservedBytes: bytes, settledBytes: bytes }
  })
}

/**
 * The bodies in the spool in the order of their seals. What was sent, is damaged, or is closed because it is encrypted, is
 * removed by the sweep.
 */
async function readSpool(options: RebuildOptions, sent: ReadonlySet<string>): Promise<{ waiting: SpoolBody[]; closed: ClosedBody[] }> {
  const found: SpoolBody[] = []
  const closed: ClosedBody[] = []
  for (const hash of await options.spool.bodies()) {
    const body = sent.has(hash) ? undefined : await readSpooled(options, hash)
    if (body && 'manifest' in body) found.push(body)
    else if (body) closed.push(body)
  }
  found.sort((a, b) => a.pack.id - b.pack.id)
  let id: number = arrivedBefore
  const waiting = found.map((body) => ({ ...body, pack: { ...body.pack, id: (id = Math.max(id + 1, body.pack.id)) } }))
  return { waiting, closed }
}

interface SpoolBody extends Pick<ReadPack, 'manifest' | 'blockOffsets'> {
  readonly pack: SealCommit['pack']
}

type ClosedBody = Pick<SealCommit['pack'], 'bodyHash' | 'bodyBytes'>

async function readSpooled({ spool, zstd, queueOf }: RebuildOptions, hash: string): Promise<SpoolBody | ClosedBody | undefined> {
  const bodyHash = Buffer.from(hash, 'hex')
  const bytes = await spool.readWhole(bodyHash)
  if (!bytes || Buffer.compare(sha256(bytes), bodyHash) !== 0) return undefined
  try {
    const { manifest, blockOffsets } = await readBody(sourceOf(bytes), `${hash}.body`, zstd)
    const rawBytes = segmentsOf(manifest).reduce((sum, segment) => sum + segment.bytes, 0)
    const newBytes = manifest.blocks.reduce((sum, block) => sum + block.chunks.reduce((bytes, chunk) => bytes + chunk.bytes, 0), 0)
    const queue = queueOf(manifest.streams[0]?.name ?? '')
    const { sealNumber: id, sealedAt } = manifest
    const streams = manifest.streams.map(({ name }) => name)
    return { pack: { id, queue, streams, bodyHash, bodyBytes: bytes.length, rawBytes, newBytes, sealedAt }, manifest, blockOffsets }
  } catch (error) {
    // Whole, and no body: an encrypted one.
    if (error instanceof SluiceError && error.code === 'pack-invalid') return { bodyHash, bodyBytes: bytes.length }
    throw error
  }
}
