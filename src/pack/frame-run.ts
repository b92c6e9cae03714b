import type { IndexedPicture } from '../compress/frames/codec.ts'

/** Most frames that one is made from. */
export const maxFrameReferences = 2
/** How far back, in blocks of the stream, they may stand: a reader that goes through a run keeps so many pictures. */
export const maxFrameDistance = 8
/** Distance times raw size of the frame may not be more: it bounds the memory of that reader. */
const maxFrameReachBytes = 64 << 20
/** Blocks from the first frame of a run to its last: reading one frame never needs more than those. */
const maxFrameRun = 32
/** Of a frame as it is stored. */
export const maxStoredFrameBytes = 16 << 20

/** Pictures kept to make the next ones from: more save 1 % and must be compared each time … */
const maxKept = 2
/** … and what they may take in memory: two of 2560 × 1600, one of 3840 × 2160. */
const maxKeptBytes = 40 << 20

/** Where a frame stands in its stream. */
export interface FramePlace {
  readonly ordinal: number
  /** The earliest block that it needs: its own when it is made from no other. */
  readonly start: number
}

/** A stored frame that others may be made from. */
export interface KeptFrame extends FramePlace {
  readonly indexed: IndexedPicture
}

/** Whether a frame with `rawBytes` in block `ordinal` may be made from another. */
export function mayReferTo(place: FramePlace, ordinal: number, rawBytes: number): boolean {
  const distance = ordinal - place.ordinal
  return distance > 0 && distance <= maxFrameDistance && distance * rawBytes <= maxFrameReachBytes && ordinal - place.start < maxFrameRun
}

/** The place of a frame in block `ordinal` that is made from `references`. */
export function placeOf(ordinal: number, references: readonly FramePlace[]): FramePlace {
  return { ordinal, start: Math.min(ordinal, ...references.map(({ start }) => start)) }
}

/** The latest frames, oldest first, when another is stored. */
export function keepFrame(kept: readonly KeptFrame[], frame: KeptFrame): readonly KeptFrame[] {
  const frames = [...kept, frame].slice(-maxKept)
  while (frames.length > 1 && sizeOf(frames) > maxKeptBytes) frames.shift()
  return frames
}

/** Memory that kept frames take. */
export function sizeOf(frames: readonly KeptFrame[]): number {
  return frames.reduce((sum, { indexed: { picture, hashes } }) => sum + picture.pixels.byteLength + hashes.byteLength, 0)
}
