import { crc32, deflateSync, inflateSync } from 'node:zlib'
import { checkedShape, maxMetadataBytes, pixelBytes, rowBytes, type Frame, type FrameShape } from './frame.ts'
import { readRows } from './png-rows.ts'

const signature = Buffer.from('89504e470d0a1a0a', 'hex')
/** Length, type and CRC around a chunk's data. */
const chunkFrameBytes = 12
/** What APNG adds (its specification, version 1.0): pictures besides the one in IDAT. */
const animated = new Set(['acTL', 'fcTL', 'fdAT'])

interface Chunk {
  readonly type: string
  readonly data: Buffer
  /** Where the chunk stands in the file. */
  readonly start: number
  readonly end: number
}

/** A PNG taken apart. What it is made of, save head and tail, stands in memory that the next one takes. */
interface OpenPng {
  readonly frame: Frame
  /** For the codec: the frame's pixels, and a hash of each unit of them; empty where they are not wanted. */
  readonly pixels: Uint32Array
  readonly hashes: Uint32Array
}

/**
 * Takes a PNG apart; undefined when `writePng` could not restore every pixel and every chunk of it: it is damaged, cut,
 * followed by something, animated, interlaced, above the limits of a frame, or no PNG at all. Sizes are checked before
 * anything is inflated, and inflating stops at the size that the header names.
 */
export function openPng(bytes: Uint8Array, wantsPicture: boolean): OpenPng | undefined {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (!file.subarray(0, signature.length).equals(signature)) return undefined
  const chunks = readChunks(file)
  const [header, end] = [chunks?.[0], chunks?.at(-1)]
  if (!chunks || header?.type !== 'IHDR' || end?.type !== 'IEND') return undefined
  const shape = readHeader(header.data)
  const first = chunks.findIndex(({ type }) => type === 'IDAT')
  const last = chunks.findLastIndex(({ type }) => type === 'IDAT')
  if (!shape || first < 0) return undefined
  const compressed = chunks.slice(first, last + 1)
  const others = [...chunks.slice(1, first), ...chunks.slice(last + 1, -1)]
  if (!compressed.every(({ type }) => type === 'IDAT') || !others.every(({ type }) => isKept(type))) return undefined
  const head = file.subarray(header.end, compressed[0]!.start)
  const tail = file.subarray(compressed.at(-1)!.end, end.start)
  if (head.length + tail.length > maxMetadataBytes) return undefined
  const filtered = inflate(shape, compressed.length === 1 ? compressed[0]!.data : Buffer.concat(compressed.map(({ data }) => data)))
  const rows = filtered && readRows(filtered, shape, wantsPicture)
  if (!rows) return undefined
  return { ...rows, frame: { ...shape, pixels: rows.bytes, head: Uint8Array.from(head), tail: Uint8Array.from(tail) } }
}

/** The frame of `openPng`, in memory of its own. */
export function readPng(bytes: Uint8Array): Frame | undefined {
  const frame = openPng(bytes, false)?.frame
  return frame && { ...frame, pixels: frame.pixels.slice() }
}

/** A PNG with the same pixels in the same form and the same other chunks in the same order. */
export function writePng(frame: Frame): Uint8Array {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(frame.width, 0)
  header.writeUInt32BE(frame.height, 4)
  header.set([frame.bitDepth, frame.colorType], 8)
  return Buffer.concat([
    signature, chunk('IHDR', header), frame.head, chunk('IDAT', writePixels(frame)), frame.tail, chunk('IEND', Buffer.alloc(0)),
  ])
}

/** Every chunk up to IEND; undefined when one is cut or fails its CRC, or when something follows. */
function readChunks(file: Buffer): Chunk[] | undefined {
  const chunks: Chunk[] = []
  for (let start = signature.length; start < file.length;) {
    if (start + chunkFrameBytes > file.length) return undefined
    const end = start + chunkFrameBytes + file.readUInt32BE(start)
    if (end > file.length || crc32(file.subarray(start + 4, end - 4)) !== file.readUInt32BE(end - 4)) return undefined
    const type = file.toString('latin1', start + 4, start + 8)
    chunks.push({ type, data: file.subarray(start + 8, end - 4), start, end })
    if (type === 'IEND' && (end < file.length || end > start + chunkFrameBytes)) return undefined
    start = end
  }
  return chunks
}

/** Undefined for interlaced ones, too. */
function readHeader(data: Buffer): FrameShape | undefined {
  if (data.length !== 13 || data[10] !== 0 || data[11] !== 0 || data[12] !== 0) return undefined
  return checkedShape(data.readUInt32BE(0), data.readUInt32BE(4), data[8]!, data[9]!)
}

/** The palette, and everything that a reader may ignore (an upper-case first letter says it may not). */
function isKept(type: string): boolean {
  return type === 'PLTE' || (/^[a-z][A-Za-z]{3}$/.test(type) && !animated.has(type))
}

/** Undefined when it is not exactly the rows of such a picture. */
function inflate(shape: FrameShape, compressed: Buffer): Buffer | undefined {
  const filteredBytes = pixelBytes(shape) + shape.height
  try {
    const options = { maxOutputLength: filteredBytes, chunkSize: Math.max(64, filteredBytes), info: true }
    const { buffer, engine } = inflateSync(compressed, options) as unknown as InflateInfo
    // Whatever follows the stream within IDAT would be lost.
    return buffer.length === filteredBytes && engine.bytesWritten === compressed.length ? buffer : undefined
  } catch {
    return undefined
  }
}

/** What `info: true` returns, which the types of Node do not know. */
interface InflateInfo {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

function writePixels(frame: Frame): Buffer {
  const length = rowBytes(frame)
  const filtered = Buffer.alloc(pixelBytes(frame) + frame.height)
  for (let row = 0; row < frame.height; row++) {
    filtered.set(frame.pixels.subarray(row * length, (row + 1) * length), row * (length + 1) + 1)
  }
  return deflateSync(filtered)
}

function chunk(type: string, data: Uint8Array): Buffer {
  const result = Buffer.alloc(chunkFrameBytes + data.length)
  result.writeUInt32BE(data.length, 0)
  result.write(type, 4, 'latin1')
  result.set(data, 8)
  result.writeUInt32BE(crc32(result.subarray(4, -4)), result.length - 4)
  return result
}
