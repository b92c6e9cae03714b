import type { Frame } from '../compress/frames/frame.ts'
import type { ChunkName } from './manifest.ts'
import { frameBytes } from '../compress/frames/canonical.ts'
import { readPng } from '../compress/frames/png.ts'
import { chunkNameOf } from './sha256.ts'

/** A longer file is stored as bytes: it would be held in memory as a whole. */
export const maxPictureFileBytes = 32 << 20

/** A capture file as the frame that stands for it. */
export interface FrameFile {
  readonly frame: Frame
  readonly name: ChunkName
}

/** Undefined when the file is no picture that could be restored from a frame. `chunkKey` names it, as `chunkNameOf` does. */
export function frameOfFile(file: Uint8Array, chunkKey: Uint8Array | undefined): FrameFile | undefined {
  const frame = readPng(file)
  if (!frame) return undefined
  const bytes = frameBytes(frame)
  return { frame, name: { hash: chunkNameOf(bytes, chunkKey), bytes: bytes.length } }
}

/** Whether a file holds the picture that a frame of this name is. */
export function isFileOfFrame(file: Uint8Array, name: ChunkName, chunkKey: Uint8Array | undefined): boolean {
  const found = frameOfFile(file, chunkKey)
  return found !== undefined && found.name.bytes === name.bytes && Buffer.compare(found.name.hash, name.hash) === 0
}
