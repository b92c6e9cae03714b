import { maxDepth } from './limits.ts'
import { kinds, rootField, type Model } from './model.ts'

/**
 * What lines consist of, in the order in which containers open: a raw line, the end of an array, an element (or a
 * whole line) of one of the four kinds, or, from `shape` on, an object of shape *n*.
 */
export const symbols = { rawLine: 0, arrayEnd: 1, element: 2, array: 2 + kinds.node, shape: 6 } as const

const [openObject, closeObject, openArray, closeArray] = [0x7b, 0x7d, 0x5b, 0x5d]
const [quote, backslash, comma, colon, space, minus, zero, nine] = [0x22, 0x5c, 0x2c, 0x3a, 0x20, 0x2d, 0x30, 0x39]
const literals = ['false', 'true', 'null'].map(text => Buffer.from(text))

/** `false`, `true`, `null` by their number. */
export { literals }

/**
 * Takes lines of JSON apart without changing a byte: what it keeps are ranges. It accepts less than JSON is (one
 * spacing, no white space at the ends) and more (any bytes but a newline within strings, any suffix of a number): what
 * counts is that the parts give back the line.
 */
export class Parser {
  readonly #pool: Uint8Array
  readonly #model: Model
  readonly #spaced: boolean

  /** The lines so far. */
  readonly symbols: Int32Array
  /** By symbol: the first of its values. An object's values are its scalars; those of its containers follow later. */
  readonly firstValues: Int32Array
  /** By symbol of an element: the field whose array it stands in. */
  readonly fields: Int32Array
  /** Ranges of scalars and raw lines: strings without their quotes, numbers as they are, literals as their number. */
  readonly starts: Int32Array
  readonly ends: Int32Array
  symbolCount = 0
  valueCount = 0
  rawBytes = 0

  #at = 0
  #end = 0
  #depth = 0
  readonly #isObject = new Uint8Array(maxDepth + 1)
  readonly #isFresh = new Uint8Array(maxDepth + 1)
  /** Of an array: its field. */
  readonly #field = new Int32Array(maxDepth + 1)
  readonly #symbol = new Int32Array(maxDepth + 1)
  readonly #firstMember = new Int32Array(maxDepth + 1)
  /** Members of the objects that are open, the innermost last. */
  #members = new Int32Array(1024)
  #memberStarts = new Int32Array(1024)
  #memberEnds = new Int32Array(1024)
  #memberCount = 0

  /** For lines within `pool` that have no more than `mostBytes`, newlines included. */
  constructor(pool: Uint8Array, mostBytes: number, model: Model, spaced: boolean) {
    this.#pool = pool
    this.#model = model
    this.#spaced = spaced
    this.symbols = new Int32Array(mostBytes)
    this.firstValues = new Int32Array(mostBytes)
    this.fields = new Int32Array(mostBytes)
    this.starts = new Int32Array(mostBytes)
    this.ends = new Int32Array(mostBytes)
  }

  /** Adds the line `[start, lineEnd)` with the value `[start, end)`, raw if it is anything unusual. */
  line(start: number, end: number, lineEnd: number): void {
    const { symbolCount, valueCount } = this
    this.#at = start
    this.#end = end
    this.#depth = 0
    this.#memberCount = 0
    if (this.#parse()) return
    this.symbolCount = symbolCount
    this.valueCount = valueCount
    this.rawBytes += lineEnd - start
    this.#symbolOf(symbols.rawLine, rootField)
    this.#value(start, lineEnd)
  }

  #parse(): boolean {
    if (!this.#item(rootField)) return false
    while (this.#depth > 0) {
      if (!(this.#isObject[this.#depth] === 1 ? this.#member() : this.#element())) return false
    }
    return this.#at === this.#end
  }

  #symbolOf(symbol: number, field: number): number {
    this.symbols[this.symbolCount] = symbol
    this.fields[this.symbolCount] = field
    this.firstValues[this.symbolCount] = this.valueCount
    return this.symbolCount++
  }

  #value(start: number, end: number): void {
    this.starts[this.valueCount] = start
    this.ends[this.valueCount++] = end
  }

  /** Goes over `byte` and, in spaced lines, the space behind it. */
  #separator(byte: number): boolean {
    if (this.#pool[this.#at] !== byte) return false
    this.#at++
    if (!this.#spaced) return true
    return this.#pool[this.#at++] === space
  }

  #element(): boolean {
    const depth = this.#depth
    if (this.#pool[this.#at] === closeArray) {
      this.#at++
      this.#depth--
      this.#symbolOf(symbols.arrayEnd, rootField)
      return true
    }
    if (this.#isFresh[depth] === 1) this.#isFresh[depth] = 0
    else if (!this.#separator(comma)) return false
    return this.#item(this.#field[depth] ?? 0)
  }

  #member(): boolean {
    const depth = this.#depth
    if (this.#pool[this.#at] === closeObject) return this.#closeObject()
    if (this.#isFresh[depth] === 1) this.#isFresh[depth] = 0
    else if (!this.#separator(comma)) return false
    if (this.#pool[this.#at] !== quote) return false
    const start = this.#at + 1
    const end = this.#stringEnd(start)
    if (end < 0) return false
    const field = this.#model.field(start, end)
    this.#at = end + 1
    return field >= 0 && this.#separator(colon) && this.#item(field)
  }

  #closeObject(): boolean {
    this.#at++
    const depth = this.#depth--
    const [from, to] = [this.#firstMember[depth] ?? 0, this.#memberCount]
    const shape = this.#model.shape(this.#members, from, to)
    if (shape < 0) return false
    const symbol = this.#symbol[depth] ?? 0
    this.symbols[symbol] = symbols.shape + shape
    this.firstValues[symbol] = this.valueCount
    for (let at = from; at < to; at++) {
      if (((this.#members[at] ?? 0) & 3) === kinds.node) continue
      this.#value(this.#memberStarts[at] ?? 0, this.#memberEnds[at] ?? 0)
    }
    this.#memberCount = from
    return true
  }

  /** Goes over a scalar, or into a container, that is the value of a member or element of `field`. */
  #item(field: number): boolean {
    const start = this.#at
    const byte = this.#pool[start] ?? 0
    if (start >= this.#end) return false
    if (byte === quote) {
      const end = this.#stringEnd(start + 1)
      this.#at = end + 1
      return end >= 0 && this.#scalar(field, kinds.string, start + 1, end)
    }
    if (byte === minus || (byte >= zero && byte <= nine)) {
      this.#at = this.#numberEnd(start)
      return this.#at > 0 && this.#scalar(field, kinds.number, start, this.#at)
    }
    if (byte === openObject || byte === openArray) return this.#open(field, byte === openObject)
    const literal = literals.findIndex(text => text.every((each, index) => this.#pool[start + index] === each))
    if (literal < 0) return false
    this.#at += literals[literal]?.length ?? 0
    return this.#scalar(field, kinds.literal, literal, literal)
  }

  #scalar(field: number, kind: number, start: number, end: number): boolean {
    if (this.#isObject[this.#depth] === 1 && this.#depth > 0) {
      this.#addMember(field << 2 | kind, start, end)
    } else {
      this.#symbolOf(symbols.element + kind, field)
      this.#value(start, end)
    }
    return true
  }

  #open(field: number, isObject: boolean): boolean {
    if (this.#depth === maxDepth) return false
    if (this.#isObject[this.#depth] === 1 && this.#depth > 0) this.#addMember(field << 2 | kinds.node, 0, 0)
    const depth = ++this.#depth
    this.#at++
    this.#isObject[depth] = isObject ? 1 : 0
    this.#isFresh[depth] = 1
    this.#field[depth] = field
    this.#firstMember[depth] = this.#memberCount
    this.#symbol[depth] = this.#symbolOf(symbols.array, field)
    return true
  }

  #addMember(code: number, start: number, end: number): void {
    if (this.#memberCount === this.#members.length) {
      this.#members = doubled(this.#members)
      this.#memberStarts = doubled(this.#memberStarts)
      this.#memberEnds = doubled(this.#memberEnds)
    }
    this.#members[this.#memberCount] = code
    this.#memberStarts[this.#memberCount] = start
    this.#memberEnds[this.#memberCount++] = end
  }

  /** Where the quote is that ends a string, or -1. */
  #stringEnd(start: number): number {
    const [pool, end] = [this.#pool, this.#end]
    for (let at = start; at < end; at++) {
      const byte = pool[at]
      if (byte === quote) return at
      if (byte === backslash) at++
    }
    return -1
  }

  /** Behind a number, or -1 when it has no digit in front. */
  #numberEnd(start: number): number {
    const [pool, end] = [this.#pool, this.#end]
    let at = start
    if (pool[at] === minus) at++
    const first = pool[at] ?? 0
    if (at >= end || first < zero || first > nine) return -1
    while (at < end && isInNumber(pool[at] ?? 0)) at++
    return at
  }
}

const [point, smallE, largeE, plus] = [0x2e, 0x65, 0x45, 0x2b]

function isInNumber(byte: number): boolean {
  if (byte >= zero && byte <= nine) return true
  return byte === point || byte === smallE || byte === largeE || byte === plus || byte === minus
}

function doubled(items: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(items.length * 2)
  larger.set(items)
  return larger
}
