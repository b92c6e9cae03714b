import { Probabilities, type BitCoder } from './bit-coder.ts'
import { frameFailed } from './frame.ts'
import { unitColumns, unitsPerRow, type Picture } from './picture.ts'
import { units } from './search.ts'

/** Codes or decodes some pixels of one row. */
interface SpanCoder {
  /** Numbers `from` to `to` of one row, in the plane that it was made for. */
  span(columns: number, from: number, to: number): void
}

/** Pixels of an earlier picture of the same shape, taken from so many rows further down. */
export interface CopiedSource {
  readonly pixels: Uint32Array
  readonly rows: number
}

/**
 * The one way through a picture, for both directions: row by row, first what each unit is made from, then the pixels
 * of those that are coded. `sources` are given when decoding: then kinds and pixels are written.
 */
export function walk(coder: BitCoder, { pixels, columns, height }: Picture, kinds: Uint8Array, spanCoder: SpanCoder, sources?: readonly CopiedSource[]): void {
  const perRow = unitsPerRow({ columns })
  const kindModel = new KindModel(coder, perRow)
  const copier = sources && new Copier(pixels, columns, sources)
  for (let row = 0; row < height; row++) {
    const firstUnit = row * perRow
    kindModel.codeRow(kinds, firstUnit)
    for (let index = 0, next = 0; index < perRow; index = next) {
      const kind = kinds[firstUnit + index]!
      for (next = index + 1; next < perRow && kinds[firstUnit + next] === kind;) next++
      const from = row * columns + index * unitColumns
      const to = row * columns + Math.min(next * unitColumns, columns)
      if (kind !== units.coded) copier?.copy(kind, from, to)
      else {
        copier?.flush()
        spanCoder.span(columns, from, to)
      }
    }
  }
  copier?.flush()
}

/** Copies what is not coded; what follows in the same source in one go, as most of a picture does. */
class Copier {
  readonly #pixels: Uint32Array
  readonly #columns: number
  readonly #sources: readonly CopiedSource[]
  #source: CopiedSource | undefined
  #from = 0
  #to = 0

  constructor(pixels: Uint32Array, columns: number, sources: readonly CopiedSource[]) {
    this.#pixels = pixels
    this.#columns = columns
    this.#sources = sources
  }

  /** Numbers `from` to `to` of one row; some of it is there only after `flush`. Throws `codec-failed` when it is not to be had. */
  copy(kind: number, from: number, to: number): void {
    if (kind === units.above) {
      this.flush()
      if (from < this.#columns) throw frameFailed('the first row has none above')
      this.#pixels.copyWithin(from, from - this.#columns, to - this.#columns)
      return
    }
    const source = this.#sources[kind - units.firstSource]
    if (!source) throw frameFailed(`there is no source ${kind - units.firstSource}`)
    const start = from + source.rows * this.#columns
    if (start < 0 || start >= source.pixels.length) throw frameFailed('a unit is copied from outside its source')
    if (source !== this.#source || from !== this.#to) {
      this.flush()
      this.#source = source
      this.#from = from
    }
    this.#to = to
  }

  flush(): void {
    if (!this.#source) return
    const shift = this.#source.rows * this.#columns
    this.#pixels.set(this.#source.pixels.subarray(this.#from + shift, this.#to + shift), this.#from)
    this.#source = undefined
  }
}

/** Kinds lie in patches: whole rows are like the one above, and most others those of the unit above or to the left. */
class KindModel {
  readonly #coder: BitCoder
  readonly #perRow: number
  readonly #isRepeated = new Probabilities(4)
  /** Whether the last two rows were repeated, as bits. */
  #repeated = 0
  readonly #isAbove = new Probabilities(64)
  readonly #isLeft = new Probabilities(32)
  readonly #kinds = new Probabilities(4 * 8)

  constructor(coder: BitCoder, perRow: number) {
    this.#coder = coder
    this.#perRow = perRow
  }

  /** The kinds of a row from `first` on; those before it are in `kinds`, and its own when encoding. */
  codeRow(kinds: Uint8Array, first: number): void {
    const perRow = this.#perRow
    if (first >= perRow) {
      let same = 0
      while (same < perRow && kinds[first + same] === kinds[first + same - perRow]) same++
      const isRepeated = this.#coder.bit(this.#isRepeated, this.#repeated, same === perRow ? 1 : 0)
      this.#repeated = ((this.#repeated << 1) | isRepeated) & 3
      if (isRepeated === 1) return void kinds.copyWithin(first, first - perRow, first)
    }
    for (let unit = first; unit < first + perRow; unit++) kinds[unit] = this.#code(kinds, unit)
  }

  #code(kinds: Uint8Array, unit: number): number {
    const kind = kinds[unit]!
    const hasLeft = unit % this.#perRow > 0
    const hasAbove = unit >= this.#perRow
    const left = hasLeft ? kinds[unit - 1]! : units.firstSource
    const above = hasAbove ? kinds[unit - this.#perRow]! : units.firstSource
    const corner = hasLeft && hasAbove ? kinds[unit - this.#perRow - 1]! : units.firstSource
    const nearby = Math.min(above, 3) * 4 + Math.min(left, 3)
    const turns = above === corner ? 1 : 0
    if (this.#coder.bit(this.#isAbove, nearby * 4 + (above === left ? 2 : 0) + turns, kind === above ? 1 : 0) === 1) return above
    if (left !== above && this.#coder.bit(this.#isLeft, nearby * 2 + turns, kind === left ? 1 : 0) === 1) return left
    let node = 1
    for (let bit = 2; bit >= 0; bit--) node = node * 2 + this.#coder.bit(this.#kinds, Math.min(above, 3) * 8 + node, (kind >> bit) & 1)
    return node & 7
  }
}
