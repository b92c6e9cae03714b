import type { ByteReader } from '../../pack/bytes.ts'
import type { CodeReader } from './integers.ts'
import type { Layout } from './layout.ts'
import { kinds, stringTag, unzigzag, type Model } from './model.ts'
import { Numbers, predictionOf, predictors, type Prediction } from './predict.ts'
import type { TextReader } from './text-reader.ts'
import { timeForms } from './times.ts'
import { constant, numberForms, stringForms } from './forms.ts'

/** How a column of numbers is to be read. */
export interface NumberColumn extends Prediction {
  readonly form: number
}

/** The columns of a block. Texts are ranges of the model's pool. */
export interface Columns {
  readonly layout: Layout
  /** By slot, for the columns of numbers and times. */
  readonly numberColumns: ReadonlyMap<number, NumberColumn>
  /** Their values are still without what is expected. */
  readonly numbers: Numbers
  /** Of strings, suffixes of numbers and raw lines; a literal's number. */
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** Reads what `ColumnWriter` wrote. Throws `FormatError`. */
export class ColumnReader {
  readonly #model: Model
  readonly #leads: ByteReader
  readonly #codes: CodeReader
  readonly #text: TextReader
  readonly #numberColumns = new Map<number, NumberColumn>()
  readonly columns: Columns

  constructor(model: Model, layout: Layout, count: number, leads: ByteReader, codes: CodeReader, text: TextReader) {
    this.#model = model
    this.#leads = leads
    this.#codes = codes
    this.#text = text
    this.columns = {
      layout,
      numberColumns: this.#numberColumns,
      numbers: new Numbers(model, layout, count),
      starts: new Int32Array(count),
      ends: new Int32Array(count),
    }
  }

  read(slot: number): void {
    const { layout, starts } = this.columns
    const first = layout.firsts[slot] ?? 0
    const end = first + (layout.counts[slot] ?? 0)
    if (slot === this.#model.rawSlot) return this.#readTexts(first, end)
    const kind = this.#model.kindOf(slot)
    if (kind === kinds.string) return this.#readStrings(slot, first, end)
    const form = this.#leads.byte('form')
    if (kind === kinds.number) {
      if (form >= numberForms.fixed + 32) this.#leads.fail(`numbers have no form ${form}`)
      this.#readNumbers(slot, form, first, end)
      if (form === numberForms.split) this.#readStrings(slot, first, end)
    } else {
      if ((form & ~constant) !== 0) this.#leads.fail(`literals have no form ${form}`)
      this.#readCodes(form, first, end, (at, code) => {
        if (code > 2) this.#leads.fail(`there is no literal ${code}`)
        starts[at] = code
      })
    }
  }

  #readNumbers(slot: number, form: number, first: number, end: number): void {
    const lead = this.#leads.byte('predictor')
    const prediction = predictionOf(this.#model, slot, lead & ~constant)
    if (prediction.predictor >= predictors.sibling && !this.#numberColumns.has(prediction.sibling)) {
      this.#leads.fail('a column that goes with one that has no numbers')
    }
    this.#numberColumns.set(slot, { form, ...prediction })
    this.#readCodes(lead, first, end, (at, code) => void (this.columns.numbers.values[at] = unzigzag(code)))
  }

  #readStrings(slot: number, first: number, end: number): void {
    const form = this.#leads.byte('form')
    if (form === stringForms.plain) return this.#readTexts(first, end)
    if ((form & ~constant) !== stringForms.known) {
      const isTime = this.#model.kindOf(slot) === kinds.string && form < stringForms.time + timeForms
      if (!isTime) this.#leads.fail(`strings have no form ${form}`)
      return this.#readNumbers(slot, form, first, end)
    }
    const { names } = this.#model
    const tag = stringTag(this.#model.fieldOf(slot))
    const { starts, ends } = this.columns
    const codes = new Float64Array(end - first)
    this.#readCodes(form, first, end, (at, code) => void (codes[at - first] = code))
    for (let at = first; at < end; at++) {
      const code = codes[at - first] ?? 0
      if (code === 0) {
        this.#readTexts(at, at + 1)
        names.learn(tag, starts[at] ?? 0, ends[at] ?? 0)
        continue
      }
      const entry = names.of(tag)[code - 1]
      if (entry === undefined) return this.#leads.fail('a string that is not known')
      starts[at] = names.starts[entry] ?? 0
      ends[at] = names.ends[entry] ?? 0
    }
  }

  #readTexts(first: number, end: number): void {
    const { starts, ends } = this.columns
    for (let at = first; at < end; at++) {
      starts[at] = this.#text.at
      ends[at] = this.#text.next()
    }
  }

  #readCodes(form: number, first: number, end: number, take: (at: number, code: number) => void): void {
    const shared = (form & constant) === 0 ? undefined : this.#codes.read()
    for (let at = first; at < end; at++) take(at, shared ?? this.#codes.read())
  }
}
