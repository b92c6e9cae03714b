import type { Ledger } from '../budget/ledger.ts'
import type { Stream } from '../capture/stream.ts'
import type { Codec } from '../compress/codec.ts'
import type { Destination } from '../transfer/destination.ts'
import type { Journal, SealCommit } from './journal.ts'
import type { Spool } from './spool.ts'
import { SluiceError } from '../observe/error.ts'
import { segmentsOf } from '../pack/device-log.ts'
import { readLog } from '../pack/read-log.ts'
import { readBody, type ReadPack } from '../pack/read-pack.ts'
import { sha256, toHex } from '../pack/sha256.ts'
import type { Versions } from '../pack/versions.ts'
import { findCursors } from './find-cursors.ts'

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
}

export interface RebuildReport {
  readonly packsFromDestination: number
  readonly packsFromSpool: number
  /** Capture files that were found as they had been packed, and need not be packed again. */
  readonly files: number
}

/**
 * Fills an empty journal from what is left: the device log says what was sent, the spool what was sealed. A capture
 * file gets its cursor back only when its content proves that it begins with what was packed; any other is packed
 * again. The ledger gets every pack that was sent, so that no cap is overspent. Throws the destination's errors.
 */
export async function rebuild(options: RebuildOptions): Promise<RebuildReport> {
  const { journal, ledger, destination, device, zstd } = options
  const sent: ReadPack[] = []
  const { versions } = await readLog({
    destination, device, zstd, content: false,
    onPack: ({ pack }) => void (pack && sent.push(pack)),
  })
  const head = await destination.head(device)
  if (head) journal.setHead({ seq: head.seq, hash: Buffer.from(head.hash, 'hex') })
  journal.transaction(() => charge(ledger, sent))
  const packsFromSpool = await adoptSpool(options, new Set(sent.map((pack) => toHex(pack.header.bodyHash))), versions)
  const cursors = findCursors(options.streams, versions)
  journal.putCursors(cursors)
  return { packsFromDestination: sent.length, packsFromSpool, files: cursors.length }
}

/** A pack left after it was sealed and after those before it, so it is dated by the latest of their seals. */
function charge(ledger: Ledger, sent: readonly ReadPack[]): void {
  let at = 0
  for (const { manifest, header, name } of sent) {
    at = Math.max(at, manifest.sealedAt)
    const bytes = header.bodyBytes + header.headerBytes
    ledger.settle(ledger.reserve({ now: at, queue: 'rebuilt', pack: name.hash.slice(0, 12), bytes }), bytes)
  }
}

/** Takes the bodies in the spool back in the order of their seals. What was sent, or is damaged, is removed by the sweep. */
async function adoptSpool(options: RebuildOptions, sent: ReadonlySet<string>, versions: Versions): Promise<number> {
  const { spool, journal } = options
  const found: SpoolBody[] = []
  for (const hash of await spool.bodies()) {
    const body = sent.has(hash) ? undefined : await readSpooled(options, hash)
    if (body) found.push(body)
  }
  found.sort((a, b) => a.pack.id - b.pack.id)
  let id = 0
  for (const { pack, segments } of found) {
    id = Math.max(id + 1, pack.id)
    journal.adoptPack({ ...pack, id })
    for (const segment of segments) versions.add(segment, 'spool')
  }
  return found.length
}

interface SpoolBody {
  readonly pack: SealCommit['pack']
  readonly segments: ReturnType<typeof segmentsOf>
}

async function readSpooled({ spool, zstd, queueOf }: RebuildOptions, hash: string): Promise<SpoolBody | undefined> {
  const bodyHash = Buffer.from(hash, 'hex')
  const bytes = await spool.readWhole(bodyHash)
  if (!bytes || Buffer.compare(sha256(bytes), bodyHash) !== 0) return undefined
  try {
    const { manifest } = await readBody(bytes, `${hash}.body`, zstd)
    const segments = segmentsOf(manifest)
    const rawBytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
    const newBytes = manifest.blocks.reduce((sum, block) => sum + block.chunks.reduce((bytes, chunk) => bytes + chunk.bytes, 0), 0)
    const queue = queueOf(manifest.streams[0]?.name ?? '')
    const { sealNumber: id, sealedAt } = manifest
    return { pack: { id, queue, bodyHash, bodyBytes: bytes.length, rawBytes, newBytes, sealedAt }, segments }
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'pack-invalid') return undefined
    throw error
  }
}
