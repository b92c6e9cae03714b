import { ByteReader, ByteWriter } from '../../pack/bytes.ts'
import { maxBlockBytes } from '../codec.ts'
import { maxDepth } from './limits.ts'
import { numberedStyle, styleNumber, type Style } from './style.ts'

/** The largest that `mendEnds` adds at either end. */
const maxMendBytes = 6 * maxDepth + 8

/** The parts of an encoded block. */
export interface Parts {
  readonly rawBytes: number
  readonly style: Style
  readonly lines: number
  readonly prefixBytes: number
  readonly suffixBytes: number
  readonly head: Uint8Array
  readonly tail: Uint8Array
  readonly leads: Uint8Array
  readonly extras: Uint8Array
  readonly text: Uint8Array
}

/** Added to the number of the style when the block was cut inside of a line, and tells how. */
const cutFlag = 4

export function writeParts({ rawBytes, style, lines, prefixBytes, suffixBytes, ...sections }: Parts): Uint8Array {
  const { head, tail, leads, extras, text } = sections
  const ends = [prefixBytes, suffixBytes, head.length, tail.length]
  const isCut = ends.some(bytes => bytes > 0)
  const writer = new ByteWriter()
  writer.byte(styleNumber(style) + (isCut ? cutFlag : 0))
  for (const number of [rawBytes, lines, leads.length, extras.length, ...(isCut ? ends : [])]) writer.varint(number)
  for (const section of [leads, extras, head, tail, text]) writer.bytes(section)
  return writer.finish()
}

/** Views, not copies. Throws `FormatError`. */
export function readParts(code: Uint8Array): Parts {
  const reader = new ByteReader(code)
  const flags = reader.byte('style')
  if (flags >= 2 * cutFlag) reader.fail(`there is no style ${flags}`)
  const rawBytes = reader.varint('block size', maxBlockBytes)
  const lines = reader.varint('lines', maxBlockBytes + 1)
  const [leadBytes, extraBytes] = [reader.varint('leads', code.length), reader.varint('extras', code.length)]
  const limits = flags < cutFlag ? [] : [maxMendBytes, maxMendBytes, rawBytes, rawBytes]
  const ends = limits.map(limit => reader.varint('cut', limit))
  const [prefixBytes = 0, suffixBytes = 0, headBytes = 0, tailBytes = 0] = ends
  const leads = reader.bytes(leadBytes, 'leads')
  const extras = reader.bytes(extraBytes, 'extras')
  const [head, tail] = [reader.bytes(headBytes, 'head'), reader.bytes(tailBytes, 'tail')]
  const text = reader.bytes(reader.remaining, 'text')
  const style = numberedStyle(flags % cutFlag)
  return { style, rawBytes, lines, prefixBytes, suffixBytes, head, tail, leads, extras, text }
}
