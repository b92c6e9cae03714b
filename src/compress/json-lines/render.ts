import { FormatError } from '../../pack/bytes.ts'
import { maxDepth } from './limits.ts'
import { kinds, newline, type Model } from './model.ts'
import { fixedText, integerText } from './numbers.ts'
import { literals, symbols } from './parser.ts'
import type { Columns } from './read-columns.ts'
import type { ReadLines } from './read-symbols.ts'
import { eolOf, type Style } from './style.ts'
import { timeText } from './times.ts'
import { numberForms, stringForms } from './forms.ts'

/** Writes lines as text again, into a buffer of the size that they must have. */
export class Renderer {
  readonly #model: Model
  readonly #columns: Columns
  readonly #out: Buffer
  readonly #next: Int32Array
  readonly #eol: Uint8Array
  readonly #comma: Uint8Array
  readonly #colon: Uint8Array
  #length = 0

  constructor(model: Model, columns: Columns, style: Style, sizeBytes: number) {
    this.#model = model
    this.#columns = columns
    this.#out = Buffer.alloc(sizeBytes)
    this.#next = columns.layout.firsts.slice()
    this.#eol = eolOf(style)
    this.#comma = Buffer.from(style.spaced ? ', ' : ',')
    this.#colon = Buffer.from(style.spaced ? '": ' : '":')
  }

  /** Throws `FormatError` unless the lines fill the buffer exactly. */
  render(lines: ReadLines): Uint8Array {
    const { symbols: read, fields } = lines
    // Of an object that is open: its next member, their end, which one of its shape it is. Of an array: -1.
    const [next, ends, nth] = [new Int32Array(maxDepth + 1), new Int32Array(maxDepth + 1), new Int32Array(maxDepth + 1)]
    const isFresh = new Uint8Array(maxDepth + 1)
    const seen = new Int32Array(this.#model.shapes)
    let [at, depth] = [0, 0]

    const item = (): void => {
      const field = fields[at] ?? 0
      const symbol = read[at++] ?? 0
      if (symbol < symbols.array) {
        const slot = this.#model.elementSlot(field, symbol - symbols.element)
        this.#value(slot, this.#take(slot))
        return
      }
      const shape = symbol - symbols.shape
      this.#byte(symbol === symbols.array ? 0x5b : 0x7b)
      depth++
      isFresh[depth] = 1
      next[depth] = symbol === symbols.array ? -1 : this.#model.shapeStarts[shape] ?? 0
      if (symbol === symbols.array) return
      ends[depth] = this.#model.shapeStarts[shape + 1] ?? 0
      nth[depth] = seen[shape] ?? 0
      seen[shape] = (seen[shape] ?? 0) + 1
    }

    for (let line = 0; line < lines.lineCount; line++) {
      if (read[at] === symbols.rawLine) {
        at++
        this.#text(this.#take(this.#model.rawSlot))
        this.#byte(newline)
        continue
      }
      item()
      while (depth > 0) {
        const slot = next[depth] ?? 0
        const isArray = slot < 0
        if (isArray ? read[at] === symbols.arrayEnd : slot === ends[depth]) {
          if (isArray) at++
          this.#byte(isArray ? 0x5d : 0x7d)
          depth--
          continue
        }
        if (isFresh[depth] === 0) this.#bytes(this.#comma)
        isFresh[depth] = 0
        if (isArray) {
          item()
          continue
        }
        next[depth] = slot + 1
        const member = this.#model.members[slot] ?? 0
        this.#key(member >> 2)
        if ((member & 3) === kinds.node) item()
        else this.#value(slot, (this.#columns.layout.firsts[slot] ?? 0) + (nth[depth] ?? 0))
      }
      this.#bytes(this.#eol)
    }
    if (this.#length !== this.#out.length) throw new FormatError(`${this.#length} bytes of ${this.#out.length}`, 0)
    return this.#out
  }

  #take(slot: number): number {
    const place = this.#next[slot] ?? 0
    this.#next[slot] = place + 1
    return place
  }

  #key(field: number): void {
    const { pool, starts, ends } = this.#model.names
    const entry = this.#model.fieldName(field)
    this.#byte(0x22)
    this.#range(pool, starts[entry] ?? 0, ends[entry] ?? 0)
    this.#bytes(this.#colon)
  }

  #value(slot: number, place: number): void {
    const kind = this.#model.kindOf(slot)
    if (kind === kinds.literal) return this.#bytes(literals[this.#columns.starts[place] ?? 0] ?? literals[0]!)
    const column = this.#columns.numberColumns.get(slot)
    const number = this.#columns.numbers.values[place] ?? 0
    if (kind === kinds.number) {
      const form = column?.form ?? 0
      if (form >= numberForms.fixed) {
        return this.#ascii(fixedText(number, (form - numberForms.fixed) >> 1, form % 2 === 1))
      }
      this.#ascii(integerText(number))
      if (form === numberForms.split) this.#text(place)
      return
    }
    this.#byte(0x22)
    if (column) this.#ascii(timeText(number, column.form - stringForms.time))
    else this.#text(place)
    this.#byte(0x22)
  }

  #text(place: number): void {
    this.#range(this.#model.names.pool, this.#columns.starts[place] ?? 0, this.#columns.ends[place] ?? 0)
  }

  #ascii(text: string): void {
    this.#room(text.length)
    for (let at = 0; at < text.length; at++) this.#out[this.#length++] = text.charCodeAt(at)
  }

  #bytes(bytes: Uint8Array): void {
    this.#range(bytes, 0, bytes.length)
  }

  #range(source: Uint8Array, start: number, end: number): void {
    this.#room(end - start)
    for (let at = start; at < end; at++) this.#out[this.#length++] = source[at] ?? 0
  }

  #byte(byte: number): void {
    this.#room(1)
    this.#out[this.#length++] = byte
  }

  #room(bytes: number): void {
    if (this.#length + bytes > this.#out.length) throw new FormatError('more than the block has room for', 0)
  }
}
