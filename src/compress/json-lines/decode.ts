import { ByteReader, FormatError } from '../../pack/bytes.ts'
import { readParts } from './container.ts'
import { orCodecFailed } from './failure.ts'
import { CodeReader } from './integers.ts'
import { layoutOf, visitValues } from './layout.ts'
import { maxInteger } from './limits.ts'
import type { Model } from './model.ts'
import { ColumnReader, type Columns } from './read-columns.ts'
import { readSymbols, type ReadLines } from './read-symbols.ts'
import { Renderer } from './render.ts'
import { loadModel, saveModel } from './snapshot.ts'
import { TextReader } from './text-reader.ts'

/** A block, and what the next block of the chain is to be decoded against. */
export interface DecodedLines {
  readonly raw: Uint8Array
  readonly model: Uint8Array
}

/**
 * The block that `encodeLines` made `code` of, given the same `model`. Throws `codec-failed` for anything else, in
 * time and memory that are linear in `maxBlockBytes`, whatever `code` says.
 */
export function decodeLines(code: Uint8Array, model: Uint8Array = new Uint8Array()): DecodedLines {
  return orCodecFailed(() => decode(code, model))
}

function decode(code: Uint8Array, snapshot: Uint8Array): DecodedLines {
  const parts = readParts(code)
  const pool = Buffer.concat([snapshot, parts.text])
  const model = loadModel(pool, snapshot.length)
  const [leads, extras] = [new ByteReader(parts.leads), new ByteReader(parts.extras)]
  const text = new TextReader(pool, snapshot.length, pool.length)
  const codes = new CodeReader(leads, extras)
  model.readDefinitions(leads, text)
  const bodyBytes = parts.rawBytes - parts.head.length - parts.tail.length
  const renderedBytes = bodyBytes + parts.prefixBytes + parts.suffixBytes
  if (bodyBytes < 0) leads.fail('more at the ends than the block has')
  const lines = readSymbols(codes, leads, model, parts.lines, renderedBytes)
  const columns = readColumns(lines, model, leads, codes, text)
  leads.end('leads')
  extras.end('extras')
  if (text.remaining > 0) leads.fail('texts that belong to nothing')
  addPredictions(lines, model, columns)
  const rendered = new Renderer(model, columns, parts.style, renderedBytes).render(lines)
  const body = rendered.subarray(parts.prefixBytes, renderedBytes - parts.suffixBytes)
  return { raw: Buffer.concat([parts.head, body, parts.tail]), model: saveModel(model) }
}

function readColumns(lines: ReadLines, model: Model, leads: ByteReader, codes: CodeReader, text: TextReader): Columns {
  const layout = layoutOf(lines, model)
  const reader = new ColumnReader(model, layout, lines.valueCount, leads, codes, text)
  for (const slot of layout.slots) reader.read(slot)
  return reader.columns
}

/** Makes numbers of residuals, in the order in which the values stand, and leaves the last ones in the model. */
function addPredictions(lines: ReadLines, model: Model, columns: Columns): void {
  const { layout, numbers, numberColumns } = columns
  const next = layout.firsts.slice()
  visitValues(lines, model, slot => {
    const at = next[slot] ?? 0
    next[slot] = at + 1
    const column = numberColumns.get(slot)
    if (!column) return
    const field = model.fieldOf(slot)
    numbers.before[at] = model.fieldLasts[field] ?? 0
    const value = (numbers.values[at] ?? 0) + numbers.expected(slot, column, at)
    if (!(Math.abs(value) <= maxInteger)) throw new FormatError('a number that is too large', 0)
    numbers.values[at] = value
    model.fieldLasts[field] = value
  })
  for (const slot of numberColumns.keys()) model.setLast(slot, numbers.values[(next[slot] ?? 0) - 1] ?? 0)
}
