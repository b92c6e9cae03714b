import { ByteWriter } from '../../pack/bytes.ts'
import { maxBlockBytes } from '../codec.ts'
import { writeParts } from './container.ts'
import { mendEnds } from './ends.ts'
import { orCodecFailed } from './failure.ts'
import { CodeWriter } from './integers.ts'
import { layoutOf, visitValues, type Layout } from './layout.ts'
import { newline, type Model } from './model.ts'
import { Parser } from './parser.ts'
import { Numbers } from './predict.ts'
import { loadModel, saveModel } from './snapshot.ts'
import { eolOf, styleOf, type Style } from './style.ts'
import { ColumnWriter, type Cells } from './write-columns.ts'

/** A block as columns, and what the next block of the chain is to be encoded against. */
export interface EncodedLines {
  readonly code: Uint8Array
  readonly model: Uint8Array
}

/** A block of which more is not JSON as columns take it is better left as it is. */
const mostRawShare = 0.5

/** What the first, small blocks of a chain may grow by: it is paid back by the blocks that follow. */
const mostGrowthBytes = 512

/**
 * Turns a block of JSON lines, cut anywhere, into columns that compress better. `model` is what the encoding of the
 * block before gave, none at the start of a chain. Undefined when it does not pay. Time and memory are linear in block
 * and model: at worst about 40 MiB, and 0.2 s of CPU, for 1 MiB. Throws `codec-failed` when `model` is damaged.
 */
export function encodeLines(raw: Uint8Array, model: Uint8Array = new Uint8Array()): EncodedLines | undefined {
  if (raw.length === 0 || raw.length > maxBlockBytes) return undefined
  const style = styleOf(raw)
  const { text: own, ...ends } = mendEnds(raw, style.spaced, eolOf(style))
  const pool = Buffer.concat([model, own])
  const learned = orCodecFailed(() => loadModel(pool, model.length))
  const [fields, shapes] = [learned.fields, learned.shapes]
  const parser = new Parser(pool, own.length, learned, style.spaced)
  const lines = parseLines(parser, pool, model.length, style)
  if (parser.rawBytes + ends.head.length + ends.tail.length > raw.length * mostRawShare) return undefined
  const [leads, extras, text] = [new ByteWriter(), new ByteWriter(), new ByteWriter()]
  learned.writeDefinitions(leads, text, fields, shapes)
  const codes = new CodeWriter(leads, extras)
  for (let at = 0; at < parser.symbolCount; at++) codes.write(parser.symbols[at] ?? 0)
  writeColumns(parser, learned, leads, codes, text)
  const sections = { leads: leads.finish(), extras: extras.finish(), text: text.finish() }
  const code = writeParts({ rawBytes: raw.length, style, lines, ...ends, ...sections })
  if (code.length > Math.min(maxBlockBytes, raw.length + mostGrowthBytes)) return undefined
  return { code, model: saveModel(learned) }
}

/** How many there are. */
function parseLines(parser: Parser, pool: Uint8Array, start: number, { crlf }: Style): number {
  let lines = 0
  for (let at = start; at < pool.length; lines++) {
    const end = pool.indexOf(newline, at)
    const contentEnd = !crlf ? end : pool[end - 1] === 0x0d ? end - 1 : at
    parser.line(at, contentEnd, end)
    at = end + 1
  }
  return lines
}

function writeColumns(parser: Parser, model: Model, leads: ByteWriter, codes: CodeWriter, text: ByteWriter): void {
  const layout = layoutOf(parser, model)
  const numbers = new Numbers(model, layout, parser.valueCount)
  const cells = { numbers, ...cellsOf(parser, model, layout) }
  const writer = new ColumnWriter(model, layout, cells, leads, codes, text)
  const numeric = new Set(layout.slots.filter(slot => writer.readNumbers(slot)))
  const next = layout.firsts.slice()
  visitValues(parser, model, slot => {
    const at = next[slot] ?? 0
    next[slot] = at + 1
    if (!numeric.has(slot)) return
    const field = model.fieldOf(slot)
    numbers.before[at] = model.fieldLasts[field] ?? 0
    model.fieldLasts[field] = numbers.values[at] ?? 0
  })
  for (const slot of layout.slots) writer.write(slot)
  for (const slot of numeric) model.setLast(slot, numbers.values[(next[slot] ?? 0) - 1] ?? 0)
}

/** The parser's values, sorted by slot. */
function cellsOf(parser: Parser, model: Model, layout: Layout): Omit<Cells, 'numbers'> {
  const { valueCount, firstValues } = parser
  const [starts, ends] = [new Int32Array(valueCount), new Int32Array(valueCount)]
  const next = layout.firsts.slice()
  visitValues(parser, model, (slot, symbol, nth) => {
    const at = next[slot] ?? 0
    next[slot] = at + 1
    const value = (firstValues[symbol] ?? 0) + nth
    starts[at] = parser.starts[value] ?? 0
    ends[at] = parser.ends[value] ?? 0
  })
  return { starts, ends }
}
