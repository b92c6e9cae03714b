import type { Frame } from '../compress/frames/frame.ts'
import type { ChunkName } from './manifest.ts'
import { frameParts, frameSize } from '../compress/frames/canonical.ts'
import { readPng } from '../compress/frames/png.ts'
import { chunkNameOfParts } from './sha256.ts'

/** A longer file is stored as bytes: it would be held in memory as a whole. */
export const maxPictureFileBytes = 32 << 20

/** A capture file as the frame that stands for it. */
interface FrameFile {
  readonly frame: Frame
  readonly name: ChunkName
}

/** Undefined when the file is no picture that could be restored from a frame. `chunkKey` names it, as any chunk. */
export function frameOfFile(file: Uint8Array, chunkKey: Uint8Array | undefined): FrameFile | undefined {
  const frame = readPng(file)
  if (!frame) return undefined
  return { frame, name: { hash: chunkNameOfParts(frameParts(frame), chunkKey), bytes: frameSize(frame) } }
}

/** Whether a file holds the picture that a frame of this name is. */
export function isFileOfFrame(file: Uint8Array, name: ChunkName, chunkKey: Uint8Array | undefined): boolean {
  const found = frameOfFile(file, chunkKey)
  return found !== undefined && found.name.bytes === name.bytes && Buffer.compare(found.name.hash, name.hash) === 0
}
