import { ByteReader, ByteWriter, FormatError } from './bytes.ts'
import { sha256 } from './sha256.ts'

/** `\x89SLC\r\n\x1a\n`: like PNG's, it breaks visibly when a transfer treats the file as text. */
const magic = Uint8Array.of(0x89, 0x53, 0x4c, 0x43, 0x0d, 0x0a, 0x1a, 0x0a)
const formatVersion = 1
export const hashBytes = 32
/** Longest header: magic, version, flags, device length, 64 bytes of device, seq, previous hash, body length, body hash. */
export const maxHeaderBytes = 8 + 1 + 1 + 1 + 64 + 8 + hashBytes + 8 + hashBytes
/** A pack may not be larger: a reader may hold one in memory. Writers seal far below it. */
export const maxPackBytes = 64 << 20
/** What a previous hash is at seq 1. */
export const noPrevious: Uint8Array = new Uint8Array(hashBytes)

/** The only flag so far; a reader refuses others, for it would not know what the body is. */
const encryptedFlag = 1

const devicePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/

/** What is stamped in front of a sealed body when it is first sent. */
export interface PackHeader {
  readonly device: string
  readonly seq: number
  /** SHA-256 of the predecessor's header; zeros at seq 1. */
  readonly previous: Uint8Array
  readonly bodyBytes: number
  /** SHA-256 of the body as it is stored. */
  readonly bodyHash: Uint8Array
  /** `age`: the body is an age file, and the blocks, manifest and trailer are what it decrypts to. */
  readonly encryption?: 'age'
}

/** Whether a name can be a device's or a stream's: one plain path segment on every system. */
export function isDeviceName(name: string): boolean {
  return devicePattern.test(name)
}

export function encodeHeader(header: PackHeader): Uint8Array {
  const writer = new ByteWriter()
  writer.bytes(magic)
  writer.byte(formatVersion)
  writer.byte(header.encryption ? encryptedFlag : 0)
  const device = Buffer.from(header.device, 'ascii')
  writer.byte(device.length)
  writer.bytes(device)
  writer.uint64(header.seq)
  writer.bytes(header.previous)
  writer.uint64(header.bodyBytes)
  writer.bytes(header.bodyHash)
  return writer.finish()
}

/** Reads a header from the first bytes of a pack (`maxHeaderBytes` or the whole pack). Throws `FormatError`. */
export function decodeHeader(bytes: Uint8Array): PackHeader & { readonly headerBytes: number } {
  const reader = new ByteReader(bytes)
  if (Buffer.compare(reader.bytes(magic.length, 'magic'), magic) !== 0) throw new FormatError('not a Sluice pack', 0)
  const version = reader.byte('version')
  if (version !== formatVersion) throw new FormatError(`format version ${version}, this reader knows ${formatVersion}`, 8)
  const flags = reader.byte('flags')
  if (flags > encryptedFlag) reader.fail(`unknown flags ${flags}`)
  const device = Buffer.from(reader.bytes(reader.byte('device length'), 'device')).toString('latin1')
  if (!isDeviceName(device)) reader.fail('device name is not allowed')
  const seq = reader.uint64('seq')
  if (seq < 1) reader.fail('seq 0')
  const previous = reader.bytes(hashBytes, 'previous hash')
  const bodyBytes = reader.uint64('body length')
  const bodyHash = reader.bytes(hashBytes, 'body hash')
  if (reader.offset + bodyBytes > maxPackBytes) reader.fail(`body length ${bodyBytes} is above the limit`)
  const header = { device, seq, previous, bodyBytes, bodyHash, headerBytes: reader.offset }
  return flags === encryptedFlag ? { ...header, encryption: 'age' } : header
}

/** The pack's hash: SHA-256 of its header, which holds the hash of the body and of the predecessor. */
export function headerHash(header: Uint8Array): Uint8Array {
  return sha256(header)
}
