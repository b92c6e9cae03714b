import type { ByteWriter } from '../../pack/bytes.ts'
import { bytesPerPixel, pixelBytes, rowBytes, type Frame, type FrameShape } from './frame.ts'

/**
 * A frame as the codec works on it: one number a pixel, its first stored byte lowest. Samples of 1, 2 and 4 bits stay
 * packed, so that a byte of several counts as one pixel here; a pixel of 6 or 8 bytes counts as two.
 */
export interface Picture extends FrameShape {
  /** Width in numbers of `pixels`, not always that of the frame. */
  readonly columns: number
  readonly pixels: Uint32Array
  /** Bytes of the frame that each number stands for: 1 to 4. */
  readonly bytesPerColumn: number
  readonly head: Uint8Array
  readonly tail: Uint8Array
}

/** Widest run of one row that is compared, copied or coded as a whole: 64 columns. */
export const unitColumns = 64

export function unitsPerRow(picture: Pick<Picture, 'columns'>): number {
  return Math.ceil(picture.columns / unitColumns)
}

/** Columns and bytes for each, of a frame of this shape. */
export function layoutOf(shape: FrameShape): Pick<Picture, 'columns' | 'bytesPerColumn'> {
  const distance = bytesPerPixel(shape)
  const bytesPerColumn = distance > 4 ? distance / 2 : distance
  return { columns: rowBytes(shape) / bytesPerColumn, bytesPerColumn }
}

/** The codec's form of a frame. Both may be used side by side: nothing is shared but head and tail. */
export function pictureOf(frame: Frame): Picture {
  const { width, height, bitDepth, colorType, head, tail, pixels: bytes } = frame
  const { columns, bytesPerColumn } = layoutOf(frame)
  const pixels = new Uint32Array(columns * height)
  switch (bytesPerColumn) {
    case 1: pixels.set(bytes); break
    case 3: unpackThrees(bytes, pixels); break
    default: for (let at = 0, from = 0; at < pixels.length; at++) {
      for (let shift = 0; shift < bytesPerColumn * 8; shift += 8) pixels[at] = pixels[at]! | (bytes[from++]! << shift)
    }
  }
  return { width, height, bitDepth, colorType, columns, bytesPerColumn, pixels, head, tail }
}

/** Four pixels from three words at a time, lowest byte first as on every machine that Node runs on. */
function unpackThrees(bytes: Uint8Array, pixels: Uint32Array): void {
  const words = bytes.byteOffset % 4 === 0 ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) : new Int32Array(0)
  let at = 0
  for (let next = 0; next + 3 <= words.length; next += 3, at += 4) {
    const a = words[next]!
    const b = words[next + 1]!
    const c = words[next + 2]!
    pixels[at] = a & 0xffffff
    pixels[at + 1] = (a >>> 24) | ((b & 0xffff) << 8)
    pixels[at + 2] = (b >>> 16) | ((c & 0xff) << 16)
    pixels[at + 3] = c >>> 8
  }
  for (let from = at * 3; at < pixels.length; at++, from += 3) pixels[at] = bytes[from]! | (bytes[from + 1]! << 8) | (bytes[from + 2]! << 16)
}

/** The inverse of `pictureOf`. */
export function frameOf(picture: Picture): Frame {
  const { width, height, bitDepth, colorType, head, tail, pixels, bytesPerColumn } = picture
  const bytes = new Uint8Array(pixelBytes(picture))
  for (let at = 0, to = 0; at < pixels.length; at++) {
    let rest = pixels[at]!
    for (let left = bytesPerColumn; left > 0; left--, rest >>>= 8) bytes[to++] = rest
  }
  return { width, height, bitDepth, colorType, pixels: bytes, head, tail }
}

/** False while its pixels are with another thread, and when they were lost there. */
export function isWhole({ pixels, columns, height }: Picture): boolean {
  return pixels.length === columns * height
}

/** Whether two pictures are those of equal frames. */
export function samePicture(a: Picture, b: Picture): boolean {
  return sameShape(a, b) && sameMetadata(a, b) && Buffer.compare(viewOf(a.pixels), viewOf(b.pixels)) === 0
}

export function sameShape(a: FrameShape, b: FrameShape): boolean {
  return a.width === b.width && a.height === b.height && a.bitDepth === b.bitDepth && a.colorType === b.colorType
}

export function sameMetadata(a: Pick<Frame, 'head' | 'tail'>, b: Pick<Frame, 'head' | 'tail'>): boolean {
  return Buffer.compare(a.head, b.head) === 0 && Buffer.compare(a.tail, b.tail) === 0
}

/** Size, form and metadata, as they stand in a frame's bytes and in its code. */
export function writeShape(writer: ByteWriter, { width, height, bitDepth, colorType, head, tail }: Omit<Frame, 'pixels'>): void {
  writer.varint(width)
  writer.varint(height)
  writer.byte(bitDepth)
  writer.byte(colorType)
  writer.sized(head)
  writer.sized(tail)
}

function viewOf(pixels: Uint32Array): Uint8Array {
  return new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength)
}
