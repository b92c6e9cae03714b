import { ByteReader, ByteWriter } from '../../pack/bytes.ts'
import { checkedShape, maxMetadataBytes, pixelBytes, type Frame } from './frame.ts'
import { writeShape } from './picture.ts'

/** A frame as bytes, the same for the same frame (docs/format.md, *Frames*). */
export function frameBytes(frame: Frame): Uint8Array {
  return Buffer.concat(frameParts(frame))
}

/** `frameBytes` in pieces that need no copy of the pixels. */
export function frameParts(frame: Frame): readonly Uint8Array[] {
  return [shapeBytes(frame), frame.pixels]
}

/** How many they are. */
export function frameSize(frame: Omit<Frame, 'pixels'>): number {
  return shapeBytes(frame).length + pixelBytes(frame)
}

function shapeBytes(frame: Omit<Frame, 'pixels'>): Uint8Array {
  const writer = new ByteWriter()
  writeShape(writer, frame)
  return writer.finish()
}

/** The inverse of `frameBytes`; the frame is made of views. Throws `FormatError`. */
export function readFrame(bytes: Uint8Array): Frame {
  const reader = new ByteReader(bytes)
  const [width, height] = [reader.varint('width'), reader.varint('height')]
  const bitDepth = reader.byte('bit depth')
  const shape = checkedShape(width, height, bitDepth, reader.byte('color type')) ?? reader.fail('no frame has this size and form')
  const head = reader.sized('metadata', maxMetadataBytes)
  const tail = reader.sized('metadata', maxMetadataBytes - head.length)
  const pixels = reader.bytes(pixelBytes(shape), 'pixels')
  reader.end('frame')
  return { ...shape, head, tail, pixels }
}
