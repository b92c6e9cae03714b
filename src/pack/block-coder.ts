import type { Codec } from '../compress/codec.ts'
import type { Lineage } from './lineage.ts'
import type { Workers } from '../workers/workers.ts'
import { compressBlock, type PackedBlock } from '../compress/choose.ts'
import { codecIds, maxBlockBytes } from '../compress/codec.ts'
import { inline } from '../workers/workers.ts'
import { Slabs } from '../workers/shared-memory.ts'
import { mayContinue } from './lineage.ts'
import { TrialPolicy } from './trial-policy.ts'

/** Blocks below this size are not tried both ways: what a short one shows says little. */
const trialBytes = maxBlockBytes / 2
/** The quickest level tells columns and plain lines apart as well as any. */
const trialLevel = 1

/** One is written while another is compressed. */
const leastWidth = 2

/** A block on its way into a pack, and what it leaves for the next one of its stream. */
export interface CodedBlock {
  /** The block continues it. */
  readonly lineage: Lineage | undefined
  /** What went into zstd, for the next one to refer to; missing where that goes on with what was before. */
  readonly content?: Uint8Array
  readonly model?: Uint8Array | undefined
  readonly packed: Promise<PackedBlock>
  /** Of the slabs: `packed` may stand in it. */
  readonly room?: Uint8Array
}

/**
 * Decides how blocks are stored: as columns of JSON lines or as they are, against what came before or alone. Neither is
 * assumed: both are tried on a few full blocks of a stream, and what that showed holds for a while. Measured at level 6,
 * a reference saves a fifth of JSON lines, 2 % of PNG screenshots and nothing of random data, at two to ten times the CPU.
 */
export class BlockCoder {
  readonly #zstd: Codec
  readonly #references = new TrialPolicy()
  readonly #columns = new TrialPolicy()

  /** zstd's, 1–19: for the blocks that come now. */
  level: number
  /** They are compressed each by itself, as they are. */
  isBulk = false
  readonly #workers: Workers
  /** Memory for blocks. */
  readonly slabs: Slabs

  constructor(zstd: Codec, level: number, workers: Workers = inline) {
    this.#zstd = zstd
    this.level = level
    this.#workers = workers
    this.slabs = new Slabs(maxBlockBytes, 2 * this.width)
  }

  /** Blocks worth having under way at once; each takes up to 1 MiB, and as much again compressed. */
  get width(): number {
    return Math.max(leastWidth, this.#workers.width)
  }

  async code(stream: string, raw: Uint8Array, known: Lineage | undefined): Promise<CodedBlock> {
    if (this.isBulk) return { lineage: undefined, ...this.#alone(raw) }
    const lineage = known && mayContinue(known, raw.length) ? known : undefined
    return (await this.#asLines(stream, raw, lineage)) ?? this.#asBytes(stream, raw, lineage)
  }

  /** Undefined where columns do not pay, or do not give back every byte. */
  async #asLines(stream: string, raw: Uint8Array, lineage: Lineage | undefined): Promise<CodedBlock | undefined> {
    const phase = this.#columns.next(stream)
    if (phase === 'skip') return undefined
    const lines = await this.#workers.run('lines', { raw, model: lineage?.model })
    if (!lines) {
      if (phase === 'trial') this.#columns.record(stream, 1, 1)
      return undefined
    }
    if (phase === 'trial' && raw.length >= trialBytes) {
      const [plain, columns] = await Promise.all([raw, lines.code].map((bytes) => compressBlock(this.#zstd, bytes, { level: trialLevel })))
      this.#columns.record(stream, plain?.bytes.length ?? 0, columns?.bytes.length ?? 0)
      if (columns && plain && columns.bytes.length >= plain.bytes.length) return undefined
    }
    const reference = lineage && { reference: lineage.content }
    // Awaited: if there is no frame, the block is stored as it is, and the next one must know.
    const packed = await compressBlock(this.#zstd, lines.code, { level: this.level, ...reference })
    if (packed.codec !== codecIds.zstd) return undefined
    return { lineage, content: lines.code, model: lines.model, packed: Promise.resolve({ codec: codecIds.lines, bytes: packed.bytes }) }
  }

  #alone(raw: Uint8Array): Pick<CodedBlock, 'packed' | 'room'> {
    const room = this.slabs.take()
    return { packed: compressBlock(this.#zstd, raw, { level: this.level, room }), room }
  }

  async #asBytes(stream: string, raw: Uint8Array, lineage: Lineage | undefined): Promise<CodedBlock> {
    if (!lineage) return { lineage, content: raw, model: undefined, ...this.#alone(raw) }
    const against = (): Promise<PackedBlock> => compressBlock(this.#zstd, raw, { level: this.level, reference: lineage.content })
    const continuing = { lineage, content: raw, model: lineage.model }
    const phase = raw.length < trialBytes ? 'use' : this.#references.next(stream)
    if (phase === 'use') return { ...continuing, packed: against() }
    if (phase === 'skip') return { lineage: undefined, content: raw, model: undefined, ...this.#alone(raw) }
    const [without, withIt] = await Promise.all([compressBlock(this.#zstd, raw, { level: this.level }), against()])
    this.#references.record(stream, without.bytes.length, withIt.bytes.length)
    return { ...continuing, packed: Promise.resolve(withIt) }
  }
}
