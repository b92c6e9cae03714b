import type { ByteReader, ByteWriter } from '../../pack/bytes.ts'
import { checkedShape, maxMetadataBytes, maxSide, type Frame } from './frame.ts'
import { writeShape, type Picture } from './picture.ts'
import { maxSources, type Source } from './search.ts'

/** Everything of a picture but its pixels. */
type FrameFacts = Omit<Frame, 'pixels'>

/** What stands before the coded units and pixels. */
export interface CodeHead {
  readonly method: 'model' | 'residuals'
  /** log2 of the contexts that each memory of the model holds. */
  readonly memoryBits: number
  /** The model sees the references first. */
  readonly learns: boolean
  /** Shape and metadata are those of the first reference. */
  readonly inherits: boolean
  readonly facts: FrameFacts
  readonly sources: readonly Source[]
}

const methods = ['model', 'residuals'] as const
export const leastMemoryBits = 8
/** Three memories of 2 MiB each: more are slower than the bytes they save are worth. */
const mostMemoryBits = 18

export function writeHead(writer: ByteWriter, head: CodeHead): void {
  writer.byte(methods.indexOf(head.method) | (head.learns ? 2 : 0) | (head.inherits ? 4 : 0))
  writer.byte(head.memoryBits)
  if (!head.inherits) writeShape(writer, head.facts)
  writer.varint(head.sources.length)
  for (const { reference, rows } of head.sources) {
    writer.varint(reference)
    writer.varint(rows < 0 ? -2 * rows - 1 : 2 * rows)
  }
}

/** Throws `FormatError` for what no head can be, and for sources that do not fit the references. */
export function readHead(reader: ByteReader, references: readonly Picture[]): CodeHead {
  const flags = reader.byte('flags')
  if (flags > 7) reader.fail('unknown flags')
  const memoryBits = reader.byte('memory size')
  if (memoryBits < leastMemoryBits || memoryBits > mostMemoryBits) reader.fail(`memory of 2^${memoryBits} contexts`)
  const inherits = (flags & 4) !== 0
  const facts = inherits ? references[0] ?? reader.fail('there is no reference to inherit from') : readFacts(reader)
  const count = reader.count('sources', 2, maxSources)
  const sources = Array.from({ length: count }, () => {
    const reference = reader.varint('reference', maxSources)
    if (reference >= references.length) reader.fail(`there is no reference ${reference}`)
    const zigzag = reader.varint('rows', 2 * maxSide)
    return { reference, rows: zigzag % 2 === 1 ? -(zigzag + 1) / 2 : zigzag / 2 }
  })
  return { method: methods[flags & 1]!, learns: (flags & 2) !== 0, inherits, memoryBits, facts, sources }
}

function readFacts(reader: ByteReader): FrameFacts {
  const width = reader.varint('width')
  const height = reader.varint('height')
  const bitDepth = reader.byte('bit depth')
  const shape = checkedShape(width, height, bitDepth, reader.byte('color type')) ?? reader.fail('no frame has this size and form')
  // Copies: the code is not to be kept for as long as the picture.
  const head = Uint8Array.from(reader.sized('metadata', maxMetadataBytes))
  const tail = Uint8Array.from(reader.sized('metadata', maxMetadataBytes - head.length))
  return { ...shape, head, tail }
}
