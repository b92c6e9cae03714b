import { SluiceError } from '../observe/error.ts'
import { maxBlockBytes, maxReferenceBytes, type CompressOptions, type DecompressOptions } from './codec.ts'

/** log2 of a window that spans a whole block and its reference; a frame that asks for more memory is refused. */
export const windowLog = 22

/** zstd's worst case for a block that does not compress (its manual, `ZSTD_compressBound`). */
export function largestFrameBytes(rawBytes: number): number {
  return rawBytes + (rawBytes >> 8) + 512
}

/** What the headers of a frame say. */
interface Frame {
  readonly contentBytes: number
  readonly windowBytes: number
  /** Where its headers say that the frame ends. */
  readonly frameBytes: number
}

/** Throws `codec-failed` for input that a codec of this format does not take. */
export function checkInput(raw: Uint8Array, { level, reference }: CompressOptions): void {
  if (raw.length > maxBlockBytes) throw codecFailed(`a block of ${raw.length} bytes is above the limit`)
  if (!Number.isInteger(level) || level < 1 || level > 19) throw codecFailed(`there is no level ${level}, only 1 to 19`)
  checkReference(reference)
}

/**
 * Throws `codec-failed` unless `stored` is exactly one zstd frame that says it holds `rawBytes` bytes and needs no more
 * memory than blocks may. Reads headers only. Decoders are not to be trusted with this: node:zlib ignores some of what
 * follows a frame, and the portable one returns part of the content of a cut frame as if it were all.
 */
export function checkFrame(stored: Uint8Array, { rawBytes, reference }: DecompressOptions): void {
  if (!(rawBytes >= 0 && rawBytes <= maxBlockBytes)) throw codecFailed(`a block cannot have ${rawBytes} bytes`)
  checkReference(reference)
  if (stored.length > largestFrameBytes(rawBytes)) throw codecFailed('the frame is longer than any of its content')
  const frame = readFrame(stored)
  if (frame.frameBytes !== stored.length) {
    throw codecFailed(`the frame has ${frame.frameBytes} bytes, and there are ${stored.length}`)
  }
  if (frame.contentBytes !== rawBytes) throw codecFailed(`the frame holds ${frame.contentBytes} bytes, not ${rawBytes}`)
  if (frame.windowBytes > 2 ** windowLog) throw codecFailed(`the frame asks for a window of ${frame.windowBytes} bytes`)
}

/** How many bytes a frame says it holds; `checkFrame` proves it. Throws `codec-failed`, also above what a block may hold. */
export function contentBytesOf(stored: Uint8Array): number {
  const { contentBytes } = readFrame(stored)
  if (contentBytes > maxBlockBytes) throw codecFailed(`a block cannot have ${contentBytes} bytes`)
  return contentBytes
}

/**
 * The reference as both sides hand it to zstd; undefined when there is none. One that begins with a trained
 * dictionary's magic number would be parsed as one, and refused when it is not: it goes in without its first byte.
 */
export function plainReference(reference: Uint8Array | undefined): Uint8Array | undefined {
  if (!reference || reference.length === 0) return undefined
  const looksTrained = reference[0] === 0x37 && reference[1] === 0xa4 && reference[2] === 0x30 && reference[3] === 0xec
  return looksTrained ? reference.subarray(1) : reference
}

export function codecFailed(what: string, cause?: unknown): SluiceError {
  return new SluiceError('codec-failed', `zstd: ${what}`, { cause })
}

function checkReference(reference: Uint8Array | undefined): void {
  if (reference === undefined || reference.length <= maxReferenceBytes) return
  throw codecFailed(`a reference of ${reference.length} bytes is above the limit of ${maxReferenceBytes}`)
}

/** Walks one frame (RFC 8878, section 3.1.1) without decoding it. */
function readFrame(bytes: Uint8Array): Frame {
  let at = 0
  const littleEndian = (length: number): number => {
    if (at + length > bytes.length) throw codecFailed('the frame is cut short')
    let value = 0
    for (let index = length; index-- > 0;) value = value * 256 + (bytes[at + index] ?? 0)
    at += length
    return value
  }

  if (littleEndian(4) !== 0xfd2fb528) throw codecFailed('this is no zstd frame')
  const descriptor = littleEndian(1)
  const singleSegment = (descriptor & 0x20) !== 0
  if ((descriptor & 0x08) !== 0) throw codecFailed('a reserved bit of the frame header is set')
  if ((descriptor & 0x03) !== 0) throw codecFailed('the frame needs a trained dictionary')
  const window = singleSegment ? 0 : littleEndian(1)
  const sizeLength = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
  if (sizeLength === 0) throw codecFailed('the frame does not say how much it holds')
  const contentBytes = littleEndian(sizeLength) + (sizeLength === 2 ? 256 : 0)
  const windowBytes = singleSegment ? contentBytes : 2 ** (10 + (window >> 3)) * (1 + (window & 7) / 8)

  for (let last = false; !last;) {
    const header = littleEndian(3)
    last = (header & 1) === 1
    const type = (header >> 1) & 3
    if (type === 3) throw codecFailed('a block of the frame has a reserved type')
    at += type === 1 ? 1 : header >> 3 // a run is stored as its one byte
  }
  if ((descriptor & 0x04) !== 0) at += 4
  return { contentBytes, windowBytes, frameBytes: at }
}
