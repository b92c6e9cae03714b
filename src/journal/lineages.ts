import type { Disk } from './disk.ts'
import type { Lineage } from '../pack/lineage.ts'
import { join } from 'node:path'
import { maxReferenceBytes } from '../compress/codec.ts'
import { ByteReader, ByteWriter, FormatError } from '../pack/bytes.ts'
import { hashBytes } from '../pack/header.ts'
import { epochBytes } from '../pack/manifest.ts'
import { sha256, toHex } from '../pack/sha256.ts'

/** Streams whose lineage is kept in memory; each takes up to 2 MiB. The others begin a new chain, which costs bytes only. */
const maxKept = 24

/**
 * What each stream's next block can be compressed against. Lives in memory; written to one file per stream when the
 * service stops, read back at the next start. It is a cache: lost or damaged, the next block begins a new chain.
 */
export class Lineages {
  readonly #folder: string
  readonly #disk: Disk
  readonly #kept = new Map<string, { readonly epoch: string; readonly lineage: Lineage }>()
  readonly #changed = new Set<string>()

  constructor(folder: string, disk: Disk) {
    this.#folder = folder
    this.#disk = disk
  }

  get(epoch: Uint8Array, stream: string): Lineage | undefined {
    const known = this.#kept.get(stream)
    return known?.epoch === toHex(epoch) ? known.lineage : undefined
  }

  set(epoch: Uint8Array, stream: string, lineage: Lineage): void {
    this.#kept.delete(stream)
    this.#kept.set(stream, { epoch: toHex(epoch), lineage })
    this.#changed.add(stream)
    const oldest = this.#kept.keys().next().value
    if (this.#kept.size > maxKept && oldest !== undefined) this.#kept.delete(oldest)
  }

  /** Removes what is on disk: it is content of captures, in the clear. */
  async clear(): Promise<void> {
    for (const name of await this.#disk.list(this.#folder)) {
      if (name.includes('.lineage')) await this.#disk.remove(join(this.#folder, name))
    }
  }

  async save(): Promise<void> {
    await this.#disk.makeFolder(this.#folder)
    for (const stream of this.#changed) {
      const known = this.#kept.get(stream)
      if (!known) continue
      const writer = new ByteWriter()
      writer.bytes(Buffer.from(known.epoch, 'hex'))
      writer.varint(known.lineage.ordinal)
      writer.varint(known.lineage.depth)
      writer.sized(known.lineage.content)
      writer.bytes(sha256(writer.finish()))
      const path = join(this.#folder, `${stream}.lineage`)
      await using file = await this.#disk.open(`${path}.tmp`, 'w')
      await file.write(writer.finish(), 0)
      await this.#disk.rename(`${path}.tmp`, path)
    }
    this.#changed.clear()
  }

  /** Reads back the streams that are not in memory yet. `lastOrdinal` tells how far the journal knows the stream. */
  async load(epoch: Uint8Array, streams: Iterable<string>, nextOrdinal: (stream: string) => number): Promise<void> {
    for (const stream of streams) {
      if (this.#kept.has(stream)) continue
      // A cache: one that cannot be read is one that is not there.
      const known = await this.#read(stream).catch(() => undefined)
      if (known && known.epoch === toHex(epoch) && known.lineage.ordinal < nextOrdinal(stream)) this.#kept.set(stream, known)
    }
  }

  async #read(stream: string): Promise<{ readonly epoch: string; readonly lineage: Lineage } | undefined> {
    const path = join(this.#folder, `${stream}.lineage`)
    const size = await this.#disk.size(path)
    if (size === undefined || size > maxReferenceBytes + 256) return undefined
    await using file = await this.#disk.open(path, 'r')
    const bytes = Buffer.alloc(size)
    if ((await file.read(bytes, 0)) !== size || size < hashBytes) return undefined
    const hash = sha256(bytes.subarray(0, -hashBytes))
    if (Buffer.compare(hash, bytes.subarray(-hashBytes)) !== 0) return undefined
    try {
      const reader = new ByteReader(bytes)
      const epoch = toHex(reader.bytes(epochBytes, 'epoch'))
      const [ordinal, depth] = [reader.varint('ordinal'), reader.varint('depth')]
      return { epoch, lineage: { ordinal, depth, content: reader.sized('content', maxReferenceBytes) } }
    } catch (error) {
      if (error instanceof FormatError) return undefined
      throw error
    }
  }
}
