import type { Stream } from '../capture/stream.ts'
import type { PackBuilder } from './builder.ts'
import type { ChunkName } from './manifest.ts'
import { indexed, type FrameEffort, type IndexedPicture } from '../compress/frames/codec.ts'
import { pictureOf } from '../compress/frames/picture.ts'
import { provenFrame } from '../compress/frames/proven.ts'
import { frameOfFile } from './frame-chunk.ts'
import { maxStoredFrameBytes, mayReferTo } from './frame-run.ts'
import { keyOf, sha256 } from './sha256.ts'

/** Files whose frames are remembered: a screen that stands still for an hour is looked at once. */
const maxKnownFiles = 1024

/** Packs pictures as frames. */
export class FramePacker {
  /** For the pictures that come now. */
  effort: FrameEffort
  /** The frame that a file with this hash stands for. */
  readonly #known = new Map<string, ChunkName>()

  constructor(effort: FrameEffort) {
    this.effort = effort
  }

  /** Adds `file` to the builder's open entry as a frame; false when it is better stored as bytes. */
  async pack(builder: PackBuilder, stream: Stream, file: Uint8Array): Promise<boolean> {
    const key = keyOf(sha256(file))
    const known = this.#known.get(key)
    if (known && builder.knows(known.hash)) {
      builder.useFrame(known, file.length, false)
      return true
    }
    const found = frameOfFile(file, builder.chunkKey)
    if (!found) return false
    const { name } = found
    const isNew = !builder.knows(name.hash)
    // From here on nobody holds the frame: of a large screen its pixels are a fifth of all memory.
    if (isNew && !(await this.#store(builder, stream, name, indexed(pictureOf(found.frame)), file.length))) return false
    builder.useFrame(name, file.length, isNew)
    this.#remember(key, name)
    return true
  }

  async #store(builder: PackBuilder, stream: Stream, name: ChunkName, current: IndexedPicture, fileBytes: number): Promise<boolean> {
    const { ordinal, kept } = await builder.nextFrame(stream)
    const usable = kept.filter((each) => mayReferTo(each, ordinal, name.bytes))
    const code = await provenFrame(current, usable.map((each) => each.indexed), this.effort)
    if (!code || code.bytes.length > Math.min(fileBytes, maxStoredFrameBytes)) return false
    const references = code.used.map((index) => usable[index]!)
    builder.addFrame(stream, { name, bytes: code.bytes, references, indexed: current }, kept)
    return true
  }

  #remember(key: string, name: ChunkName): void {
    this.#known.delete(key)
    this.#known.set(key, name)
    const oldest = this.#known.keys().next().value
    if (this.#known.size > maxKnownFiles && oldest !== undefined) this.#known.delete(oldest)
  }
}
