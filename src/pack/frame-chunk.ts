import type { IndexedPicture } from '../compress/frames/codec.ts'
import type { Frame } from '../compress/frames/frame.ts'
import type { ChunkName } from './manifest.ts'
import { frameParts, frameSize } from '../compress/frames/canonical.ts'
import { layoutOf } from '../compress/frames/picture.ts'
import { openPng } from '../compress/frames/png.ts'
import { chunkNameOfParts } from './sha256.ts'

/** A longer file is stored as bytes: it would be held in memory as a whole. */
export const maxPictureFileBytes = 32 << 20

/** A capture file as the codec works on it. */
export interface PictureFile {
  readonly name: ChunkName
  readonly current: IndexedPicture
}

/** Undefined when the file is no picture that could be restored from a frame. `chunkKey` names it, as any chunk. */
export function pictureOfFile(file: Uint8Array, chunkKey: Uint8Array | undefined): PictureFile | undefined {
  const open = openPng(file, true)
  if (!open) return undefined
  const { frame } = open
  const picture = { ...frame, ...layoutOf(frame), pixels: open.pixels.slice() }
  return { name: nameOf(frame, chunkKey), current: { picture, hashes: open.hashes.slice() } }
}

function nameOf(frame: Frame, chunkKey: Uint8Array | undefined): ChunkName {
  return { hash: chunkNameOfParts(frameParts(frame), chunkKey), bytes: frameSize(frame) }
}

/** Whether a file holds the picture that a frame of this name is. */
export function isFileOfFrame(file: Uint8Array, name: ChunkName, chunkKey: Uint8Array | undefined): boolean {
  const open = openPng(file, false)
  if (!open) return false
  const found = nameOf(open.frame, chunkKey)
  return found.bytes === name.bytes && Buffer.compare(found.hash, name.hash) === 0
}
