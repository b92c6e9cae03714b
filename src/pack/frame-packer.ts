import type { Stream } from '../capture/stream.ts'
import type { PackBuilder } from './builder.ts'
import type { ChunkName } from './manifest.ts'
import type { EncodedFrame, FrameEffort, IndexedPicture } from '../compress/frames/codec.ts'
import { isWhole } from '../compress/frames/picture.ts'
import { SluiceError } from '../observe/error.ts'
import { memoryOf } from '../workers/jobs.ts'
import { inline, type Workers } from '../workers/workers.ts'
import { maxStoredFrameBytes, mayReferTo } from './frame-run.ts'
import { keyOf, sha256 } from './sha256.ts'

/** Files whose frames are remembered: a screen that stands still for an hour is looked at once. */
const maxKnownFiles = 1024

/** Packs pictures as frames; `workers` read and code them. */
export class FramePacker {
  /** For the pictures that come now. */
  effort: FrameEffort
  readonly #workers: Workers
  /** The frame that a file with this hash stands for. */
  readonly #known = new Map<string, ChunkName>()

  constructor(effort: FrameEffort, workers: Workers = inline) {
    this.effort = effort
    this.#workers = workers
  }

  /** Adds `file` to the builder's open entry as a frame; false when it is better stored as bytes. */
  async pack(builder: PackBuilder, stream: Stream, file: Uint8Array): Promise<boolean> {
    const key = keyOf(sha256(file))
    const known = this.#known.get(key)
    if (known && builder.knows(known.hash)) {
      builder.useFrame(known, file.length, false)
      return true
    }
    const found = await this.#workers.run('picture', { file, chunkKey: builder.chunkKey })
    if (!found) return false
    const { name, current } = found
    const isNew = !builder.knows(name.hash)
    if (isNew && !(await this.#store(builder, stream, name, current, file.length))) return false
    builder.useFrame(name, file.length, isNew)
    this.#remember(key, name)
    return true
  }

  async #store(builder: PackBuilder, stream: Stream, name: ChunkName, current: IndexedPicture, fileBytes: number): Promise<boolean> {
    const { ordinal, kept } = await builder.nextFrame(stream)
    const usable = kept.filter((each) => isWhole(each.indexed.picture) && mayReferTo(each, ordinal, name.bytes))
    const code = await this.#code(current, usable.map((each) => each.indexed))
    if (!code || code.bytes.length > Math.min(fileBytes, maxStoredFrameBytes)) return false
    const references = code.used.map((index) => usable[index]!)
    builder.addFrame(stream, { name, bytes: code.bytes, references, indexed: current }, kept)
    return true
  }

  /** The pictures' memory goes to another thread, and comes back. */
  async #code(current: IndexedPicture, references: readonly IndexedPicture[]): Promise<EncodedFrame | undefined> {
    const all = [current, ...references]
    try {
      const back = await this.#workers.run('frame', { current, references, effort: this.effort }, all.flatMap(memoryOf))
      for (const [index, each] of [back.current, ...back.references].entries()) Object.assign(all[index]!, each)
      return back.code
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'codec-failed') return undefined
      throw error
    }
  }

  #remember(key: string, name: ChunkName): void {
    this.#known.delete(key)
    this.#known.set(key, name)
    const oldest = this.#known.keys().next().value
    if (this.#known.size > maxKnownFiles && oldest !== undefined) this.#known.delete(oldest)
  }
}
