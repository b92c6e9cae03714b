import type { ByteWriter } from '../../pack/bytes.ts'
import { constant, numberForms, stringForms } from './forms.ts'
import { extraBytes, leadOf, type CodeWriter } from './integers.ts'
import type { Layout } from './layout.ts'
import { maxInteger } from './limits.ts'
import { kinds, newline, stringTag, zigzag, type Model } from './model.ts'
import { fractionDigits, integerEnd, readFixed, readInteger } from './numbers.ts'
import { maxSiblings, predictionOf, predictors, type Numbers, type Prediction } from './predict.ts'
import { readTime } from './times.ts'

/** Values that an estimate looks at: more hardly change it. */
const sampled = 1024

/** From so many strings on a column, or a field's past, tells whether they repeat. */
const tellingCount = 32
/** Learning strings that repeat less than once in so many costs more than it saves. */
const worthwhileRepeats = 8

/** The values of a block, sorted by slot, as ranges of the model's pool. */
export interface Cells {
  readonly numbers: Numbers
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** Writes columns one after another: codes through `codes`, strings that are not known yet into `text`. */
export class ColumnWriter {
  readonly #model: Model
  readonly #layout: Layout
  readonly #cells: Cells
  readonly #leads: ByteWriter
  readonly #codes: CodeWriter
  readonly #text: ByteWriter
  /** By slot: the form of a column of numbers; times are numbers, too. */
  readonly #forms = new Map<number, number>()
  readonly #histogram = new Uint32Array(256)

  constructor(model: Model, layout: Layout, cells: Cells, leads: ByteWriter, codes: CodeWriter, text: ByteWriter) {
    this.#model = model
    this.#layout = layout
    this.#cells = cells
    this.#leads = leads
    this.#codes = codes
    this.#text = text
  }

  /** Reads the numbers of a column into the cells; false when it is none of numbers. */
  readNumbers(slot: number): boolean {
    const form = this.#readNumbers(slot)
    if (form < 0) return false
    this.#forms.set(slot, form)
    return true
  }

  #readNumbers(slot: number): number {
    if (slot === this.#model.rawSlot) return -1
    const kind = this.#model.kindOf(slot)
    if (kind === kinds.number) return this.#numberForm(slot)
    return kind === kinds.string ? this.#timeForm(slot) : -1
  }

  #numberForm(slot: number): number {
    const { starts, ends, numbers: { values } } = this.#cells
    const { pool } = this.#model.names
    const [first, end] = this.#range(slot)
    let [most, least, isTrimmed, isSplit] = [0, 15, true, false]
    for (let at = first; at < end; at++) {
      const [from, to] = [starts[at] ?? 0, ends[at] ?? 0]
      const suffix = integerEnd(pool, from, to)
      values[at] = readInteger(pool, from, suffix)
      const digits = fractionDigits(pool, suffix, to)
      isSplit ||= digits < 0 || to - from > 16
      most = Math.max(most, digits)
      least = Math.min(least, digits)
      isTrimmed &&= digits <= 0 || pool[to - 1] !== 0x30
    }
    if (most === 0 && !isSplit) return numberForms.integer
    if (!isSplit && (isTrimmed || most === least) && this.#readFixed(first, end, most)) {
      return numberForms.fixed + 2 * most + (isTrimmed ? 1 : 0)
    }
    return numberForms.split
  }

  /** Replaces integers by numbers with `digits` digits behind the point, unless one of them has no place in that. */
  #readFixed(first: number, end: number, digits: number): boolean {
    const { starts, ends, numbers: { values } } = this.#cells
    const fixed = new Float64Array(end - first)
    for (let at = first; at < end; at++) {
      const value = readFixed(this.#model.names.pool, starts[at] ?? 0, ends[at] ?? 0, digits)
      if (value === undefined) return false
      fixed[at - first] = value
    }
    values.set(fixed, first)
    return true
  }

  #timeForm(slot: number): number {
    const { starts, ends, numbers: { values } } = this.#cells
    const [first, end] = this.#range(slot)
    let form = -1
    for (let at = first; at < end; at++) {
      const length = (ends[at] ?? 0) - (starts[at] ?? 0)
      if (length < 19 || length > 32) return -1
      const time = readTime(Buffer.from(this.#bytes(at)).toString('latin1'))
      if (!time || Math.abs(time.value) >= maxInteger || (form >= 0 && time.form !== form)) return -1
      form = time.form
      values[at] = time.value
    }
    return form < 0 ? -1 : stringForms.time + form
  }

  #range(slot: number): readonly [number, number] {
    const first = this.#layout.firsts[slot] ?? 0
    return [first, first + (this.#layout.counts[slot] ?? 0)]
  }

  #bytes(at: number): Uint8Array {
    return this.#model.names.pool.subarray(this.#cells.starts[at], this.#cells.ends[at])
  }

  write(slot: number): void {
    const [first, end] = this.#range(slot)
    const form = this.#forms.get(slot)
    if (form !== undefined) {
      this.#leads.byte(form)
      this.#writeNumbers(slot, first, end)
      if (this.#model.kindOf(slot) === kinds.number && form === numberForms.split) this.#writeSuffixes(slot, first, end)
    } else if (slot === this.#model.rawSlot) {
      this.#writeTexts(this.#cells.starts, first, end)
    } else if (this.#model.kindOf(slot) === kinds.literal) {
      this.#writeCodes(0, this.#cells.starts.subarray(first, end))
    } else {
      this.#writeStrings(slot, this.#cells.starts, first, end)
    }
  }

  #writeSuffixes(slot: number, first: number, end: number): void {
    const { starts, ends } = this.#cells
    const suffixes = starts.slice()
    for (let at = first; at < end; at++) {
      suffixes[at] = integerEnd(this.#model.names.pool, starts[at] ?? 0, ends[at] ?? 0)
    }
    this.#writeStrings(slot, suffixes, first, end)
  }

  #writeNumbers(slot: number, first: number, end: number): void {
    let [best, bestBits] = [predictionOf(this.#model, slot, predictors.none), Infinity]
    for (const prediction of this.#predictions(slot)) {
      const bits = this.#bits(this.#residuals(slot, prediction, first, Math.min(end, first + sampled)))
      if (bits < bestBits) [best, bestBits] = [prediction, bits]
    }
    this.#writeCodes(best.predictor, this.#residuals(slot, best, first, end))
  }

  /** All that are worth trying. */
  #predictions(slot: number): Prediction[] {
    return Array.from({ length: predictors.sibling + maxSiblings }, (_, at) => predictionOf(this.#model, slot, at))
      .filter(({ predictor, sibling }) => predictor < predictors.sibling || this.#forms.has(sibling))
  }

  #residuals(slot: number, prediction: Prediction, first: number, end: number): Float64Array {
    const { numbers } = this.#cells
    const residuals = new Float64Array(end - first)
    for (let at = first; at < end; at++) {
      residuals[at - first] = zigzag((numbers.values[at] ?? 0) - numbers.expected(slot, prediction, at))
    }
    return residuals
  }

  /** About what the codes cost after compression: the entropy of their first bytes, and the others as they are. */
  #bits(codes: Float64Array): number {
    const histogram = this.#histogram
    let [bits, most] = [0, 0]
    for (const code of codes) {
      const lead = leadOf(code)
      histogram[lead] = (histogram[lead] ?? 0) + 1
      most = Math.max(most, lead)
    }
    for (let lead = 0; lead <= most; lead++) {
      const count = histogram[lead] ?? 0
      // A byte that is not in the column yet costs something, too, and rather less when it is small.
      if (count > 0) bits += count * (Math.log2(codes.length / count) + 8 * extraBytes(lead)) + Math.log2(lead + 1)
    }
    histogram.fill(0, 0, most + 1)
    return bits
  }

  #writeCodes(form: number, codes: Float64Array | Int32Array): void {
    const isConstant = codes.length > 1 && codes.every(code => code === codes[0])
    this.#leads.byte(form | (isConstant ? constant : 0))
    for (const code of isConstant ? codes.subarray(0, 1) : codes) this.#codes.write(code)
  }

  /** Strings that end where the cells do: by their number in the field, or as they are. */
  #writeStrings(slot: number, starts: Int32Array, first: number, end: number): void {
    const { names } = this.#model
    const tag = stringTag(this.#model.fieldOf(slot))
    const before = names.count
    const known = names.of(tag).length
    const codes = new Int32Array(end - first)
    const fresh: number[] = []
    for (let at = first; at < end; at++) {
      const [from, to] = [starts[at] ?? 0, this.#cells.ends[at] ?? 0]
      const number = names.find(tag, from, to)
      codes[at - first] = number + 1
      if (number >= 0) continue
      names.learn(tag, from, to)
      fresh.push(at)
    }
    const repeats = codes.length - fresh.length
    if (repeats * worthwhileRepeats < codes.length && Math.max(codes.length, known) >= tellingCount) {
      names.forget(before)
      this.#leads.byte(stringForms.plain)
      this.#writeTexts(starts, first, end)
      return
    }
    this.#writeCodes(stringForms.known, codes)
    for (const at of fresh) this.#writeTexts(starts, at, at + 1)
  }

  #writeTexts(starts: Int32Array, first: number, end: number): void {
    for (let at = first; at < end; at++) {
      this.#text.bytes(this.#model.names.pool.subarray(starts[at], this.#cells.ends[at]))
      this.#text.byte(newline)
    }
  }
}
