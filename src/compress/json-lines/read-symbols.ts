import type { ByteReader } from '../../pack/bytes.ts'
import type { CodeReader } from './integers.ts'
import type { Lines } from './layout.ts'
import { maxDepth } from './limits.ts'
import { kinds, rootField, type Model } from './model.ts'
import { symbols } from './parser.ts'

export interface ReadLines extends Lines {
  readonly lineCount: number
  readonly valueCount: number
}

/**
 * Reads the symbols of `lineCount` lines, which must not need more than `mostBytes` as text: so neither memory nor time
 * can become more than a block of that size takes. Throws `FormatError`.
 */
export function readSymbols(
  codes: CodeReader, leads: ByteReader, model: Model, lineCount: number, mostBytes: number,
): ReadLines {
  const read = new Int32Array(mostBytes)
  const fields = new Int32Array(mostBytes)
  let [count, valueCount, bytes] = [0, 0, 0]
  // What is to come of the containers that are open: of an object the members from `next` on, of an array its items.
  const next = new Int32Array(maxDepth + 1)
  const ends = new Int32Array(maxDepth + 1)
  const arrayField = new Int32Array(maxDepth + 1)
  let depth = 0

  const take = (field: number, isElement: boolean): void => {
    const symbol = codes.read()
    const isEnd = symbol === symbols.arrayEnd
    if (isEnd ? !isElement : symbol === symbols.rawLine && depth > 0) leads.fail('a symbol in the wrong place')
    if (symbol >= symbols.shape + model.shapes) leads.fail(`there is no shape ${symbol - symbols.shape}`)
    // The least that it can take: a line its end, an array's end its bracket, an object its members.
    bytes += symbol >= symbols.shape ? 2 : 1
    if (bytes > mostBytes) leads.fail('more than the block has room for')
    read[count] = symbol
    fields[count++] = field
    if (isEnd) {
      depth--
    } else if (symbol === symbols.array || symbol >= symbols.shape) {
      if (++depth > maxDepth) leads.fail('deeper than lines may go')
      arrayField[depth] = field
      next[depth] = symbol === symbols.array ? -1 : model.shapeStarts[symbol - symbols.shape] ?? 0
      ends[depth] = symbol === symbols.array ? -1 : model.shapeStarts[symbol - symbols.shape + 1] ?? 0
    } else {
      valueCount++
    }
  }

  for (let line = 0; line < lineCount; line++) {
    take(rootField, false)
    while (depth > 0) {
      const at = next[depth] ?? 0
      if (at < 0) {
        take(arrayField[depth] ?? 0, true)
        continue
      }
      if (at === ends[depth]) {
        depth--
        continue
      }
      next[depth] = at + 1
      const member = model.members[at] ?? 0
      bytes += (member & 3) === kinds.node ? 3 : 4
      if ((member & 3) === kinds.node) take(member >> 2, false)
      else valueCount++
      if (bytes > mostBytes) leads.fail('more than the block has room for')
    }
  }
  return { symbols: read, fields, symbolCount: count, lineCount, valueCount }
}
