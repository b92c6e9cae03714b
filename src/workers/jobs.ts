import type { CompressOptions } from '../compress/codec.ts'
import type { EncodedLines } from '../compress/json-lines/encode.ts'
import { provenLines } from '../compress/json-lines/proven.ts'
import type { EncodedFrame, FrameEffort, IndexedPicture } from '../compress/frames/codec.ts'
import { provenFrame } from '../compress/frames/proven.ts'
import { compressNow } from '../compress/zstd-native.ts'
import { pictureOfFile, type PictureFile } from '../pack/frame-chunk.ts'
import { cut, type CutInput, type CutOutput } from '../pack/cut.ts'

/** What a job gives back, and which memory of it changes hands instead of being copied. */
export interface Done<Output> {
  readonly output: Output
  readonly moved?: readonly ArrayBuffer[]
}

interface ZstdInput extends CompressOptions {
  readonly raw: Uint8Array
}

function zstd({ raw, ...options }: ZstdInput): Done<Uint8Array> {
  const output = compressNow(raw, options)
  return { output, moved: ownBuffers(output) }
}

interface LinesInput {
  readonly raw: Uint8Array
  readonly model: Uint8Array | undefined
}

function lines({ raw, model }: LinesInput): Done<EncodedLines | undefined> {
  const output = provenLines(raw, model)
  return { output, ...(output && { moved: ownBuffers(output.code, output.model) }) }
}

interface PictureInput {
  readonly file: Uint8Array
  readonly chunkKey: Uint8Array | undefined
}

function picture({ file, chunkKey }: PictureInput): Done<PictureFile | undefined> {
  const output = pictureOfFile(file, chunkKey)
  return { output, ...(output && { moved: memoryOf(output.current) }) }
}

interface FrameInput {
  readonly current: IndexedPicture
  readonly references: readonly IndexedPicture[]
  readonly effort: FrameEffort
}

interface FrameOutput extends Pick<FrameInput, 'current' | 'references'> {
  readonly code: EncodedFrame | undefined
}

function frame({ current, references, effort }: FrameInput): Done<FrameOutput> {
  const code = provenFrame(current, references, effort)
  return { output: { code, current, references }, moved: [current, ...references].flatMap(memoryOf) }
}

/** What moves with a picture. */
export function memoryOf({ picture: { pixels }, hashes }: IndexedPicture): ArrayBuffer[] {
  return ownBuffers(pixels, hashes)
}

/** Those that belong to one of the arrays alone. */
function ownBuffers(...arrays: readonly (Uint8Array | Uint32Array)[]): ArrayBuffer[] {
  return arrays.flatMap(({ buffer, byteLength }) => (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? buffer : []))
}

/**
 * Everything that takes long enough to be done off the main thread: pure functions of what can be handed from thread to
 * thread. They look at shared memory without a copy of it, and keep nothing of it.
 */
export const jobs = {
  /** Cuts and names chunks. */
  cut: (input: CutInput): Done<CutOutput> => ({ output: cut(input) }),
  /** `zstdNative.compress`. */
  zstd,
  /** Turns JSON lines into columns, with the proof. */
  lines,
  /** Reads a PNG as the frame that it is; undefined when it is better stored as bytes. */
  picture,
  /** Codes a picture, with the proof. The pictures are to be moved, and come back. */
  frame,
} as const

export type Jobs = typeof jobs
export type JobName = keyof Jobs
export type InputOf<Name extends JobName> = Parameters<Jobs[Name]>[0]
export type OutputOf<Name extends JobName> = Awaited<ReturnType<Jobs[Name]>>['output']
