import type { Disk } from './disk.ts'
import type { KeptFrame } from '../pack/frame-run.ts'
import type { Lineage } from '../pack/lineage.ts'
import { join } from 'node:path'
import { maxBlockBytes, maxReferenceBytes } from '../compress/codec.ts'
import { ByteWriter, type ByteReader } from '../pack/bytes.ts'
import { sizeOf } from '../pack/frame-run.ts'
import { epochBytes } from '../pack/manifest.ts'
import { toHex } from '../pack/sha256.ts'
import { readCache, writeCache } from './cache-file.ts'
import { mostFramesBytes, readFrames, writeFrames } from './kept-frames.ts'

/** Streams whose lineage is kept in memory; each takes up to 2 MiB. The others begin a new chain, which costs bytes only. */
const maxKept = 24
/** Memory for the frames of all streams together. */
const maxFrameBytes = 64 << 20
/** About what the numbers before content and model take. */
const factsBytes = 64

interface InEpoch<T> {
  readonly epoch: string
  readonly value: T
}

/**
 * What each stream's next block can be compressed against, and its next picture made from. Lives in memory; written to
 * files per stream when the service stops, read back at the next start. It is a cache: lost or damaged, the next block
 * begins a new chain.
 */
export class Lineages {
  readonly #folder: string
  readonly #disk: Disk
  readonly #kept = new Map<string, InEpoch<Lineage>>()
  readonly #frames = new Map<string, InEpoch<readonly KeptFrame[]>>()
  readonly #changed = new Set<string>()
  readonly #changedFrames = new Set<string>()

  constructor(folder: string, disk: Disk) {
    this.#folder = folder
    this.#disk = disk
  }

  get(epoch: Uint8Array, stream: string): Lineage | undefined {
    const known = this.#kept.get(stream)
    return known?.epoch === toHex(epoch) ? known.value : undefined
  }

  set(epoch: Uint8Array, stream: string, lineage: Lineage): void {
    this.#kept.delete(stream)
    this.#kept.set(stream, { epoch: toHex(epoch), value: lineage })
    this.#changed.add(stream)
    const oldest = this.#kept.keys().next().value
    if (this.#kept.size > maxKept && oldest !== undefined) this.#kept.delete(oldest)
  }

  /** The stream's latest frames in the epoch, read back when they are not in memory yet. `nextOrdinal`: how far the journal knows it. */
  async frames(epoch: Uint8Array, stream: string, nextOrdinal: number): Promise<readonly KeptFrame[]> {
    const known = this.#frames.get(stream)
    if (known) return known.epoch === toHex(epoch) ? known.value : []
    const read = await readCache(this.#disk, this.#framesPath(stream), mostFramesBytes, inEpoch(readFrames))
    const isRight = read?.epoch === toHex(epoch) && read.value.every(({ ordinal }) => ordinal < nextOrdinal)
    this.#keepFrames(epoch, stream, isRight ? read.value : [])
    return isRight ? read.value : []
  }

  setFrames(epoch: Uint8Array, stream: string, frames: readonly KeptFrame[]): void {
    this.#keepFrames(epoch, stream, frames)
    this.#changedFrames.add(stream)
  }

  #keepFrames(epoch: Uint8Array, stream: string, value: readonly KeptFrame[]): void {
    this.#frames.delete(stream)
    this.#frames.set(stream, { epoch: toHex(epoch), value })
    let total = [...this.#frames.values()].reduce((sum, { value: frames }) => sum + sizeOf(frames), 0)
    for (const [oldest, { value: frames }] of this.#frames) {
      if (total <= maxFrameBytes || oldest === stream) break
      total -= sizeOf(frames)
      this.#frames.delete(oldest)
      this.#changedFrames.delete(oldest)
    }
  }

  #framesPath(stream: string): string {
    return join(this.#folder, `${stream}.frames`)
  }

  /** Removes what is on disk: it is content of captures, in the clear. */
  async clear(): Promise<void> {
    for (const name of await this.#disk.list(this.#folder)) {
      if (name.includes('.lineage') || name.includes('.frames')) await this.#disk.remove(join(this.#folder, name))
    }
  }

  async save(): Promise<void> {
    await this.#disk.makeFolder(this.#folder)
    for (const stream of this.#changed) {
      const known = this.#kept.get(stream)
      if (known) await this.#write(join(this.#folder, `${stream}.lineage`), known, writeLineage)
    }
    this.#changed.clear()
    for (const stream of this.#changedFrames) {
      const known = this.#frames.get(stream)
      if (known) await this.#write(this.#framesPath(stream), known, writeFrames)
    }
    this.#changedFrames.clear()
  }

  async #write<T>(path: string, { epoch, value }: InEpoch<T>, write: (writer: ByteWriter, value: T) => void): Promise<void> {
    const writer = new ByteWriter()
    writer.bytes(Buffer.from(epoch, 'hex'))
    write(writer, value)
    await writeCache(this.#disk, path, writer)
  }

  /** Reads back the streams that are not in memory yet. `lastOrdinal` tells how far the journal knows the stream. */
  async load(epoch: Uint8Array, streams: Iterable<string>, nextOrdinal: (stream: string) => number): Promise<void> {
    for (const stream of streams) {
      if (this.#kept.has(stream)) continue
      const mostBytes = maxReferenceBytes + maxModelBytes + factsBytes
      const known = await readCache(this.#disk, join(this.#folder, `${stream}.lineage`), mostBytes, inEpoch(readLineage))
      if (known?.epoch === toHex(epoch) && known.value.ordinal < nextOrdinal(stream)) this.#kept.set(stream, known)
    }
  }
}

/** Twice what the limits of a model allow. */
const maxModelBytes = 2 * maxBlockBytes

function inEpoch<T>(read: (reader: ByteReader) => T): (reader: ByteReader) => InEpoch<T> {
  return (reader) => ({ epoch: toHex(reader.bytes(epochBytes, 'epoch')), value: read(reader) })
}

function writeLineage(writer: ByteWriter, { ordinal, depth, chainBytes, content, model }: Lineage): void {
  for (const number of [ordinal, depth, chainBytes]) writer.varint(number)
  writer.sized(content)
  writer.sized(model ?? new Uint8Array())
}

function readLineage(reader: ByteReader): Lineage {
  const [ordinal, depth, chainBytes] = [reader.varint('ordinal'), reader.varint('depth'), reader.varint('chain size')]
  const content = reader.sized('content', maxReferenceBytes)
  const model = reader.sized('model', maxModelBytes)
  return { ordinal, depth, chainBytes, content, ...(model.length > 0 && { model }) }
}
