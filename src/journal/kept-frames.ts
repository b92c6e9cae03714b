import type { ByteReader, ByteWriter } from '../pack/bytes.ts'
import type { KeptFrame } from '../pack/frame-run.ts'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { frameBytes, readFrame } from '../compress/frames/canonical.ts'
import { indexed } from '../compress/frames/codec.ts'
import { maxFrameBytes } from '../compress/frames/frame.ts'
import { frameOf, isWhole, pictureOf } from '../compress/frames/picture.ts'

/** More frames than are ever kept. */
const maxFrames = 8
/** Most bytes that `readFrames` is given. */
export const mostFramesBytes = 80 << 20

/** Pictures as bytes, hardly compressed: they are read at the next start, perhaps seconds later. */
export function writeFrames(writer: ByteWriter, frames: readonly KeptFrame[]): void {
  const whole = frames.filter(({ indexed: { picture } }) => isWhole(picture))
  writer.varint(whole.length)
  for (const { ordinal, start, indexed: { picture } } of whole) {
    writer.varint(ordinal)
    writer.varint(start)
    const params = { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 0 }
    writer.sized(zstdCompressSync(frameBytes(frameOf(picture)), { params }))
  }
}

/** Throws `FormatError`. */
export function readFrames(reader: ByteReader): KeptFrame[] {
  return Array.from({ length: reader.count('frames', 3, maxFrames) }, () => {
    const [ordinal, start] = [reader.varint('ordinal'), reader.varint('start')]
    const bytes = zstdDecompressSync(reader.sized('frame', mostFramesBytes), { maxOutputLength: maxFrameBytes })
    return { ordinal, start, indexed: indexed(pictureOf(readFrame(bytes))) }
  })
}
