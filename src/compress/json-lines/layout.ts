import { kinds, type Model } from './model.ts'
import { symbols as codes } from './parser.ts'

/** The lines of a block as symbols, with the field of each element. */
export interface Lines {
  readonly symbols: Int32Array
  readonly fields: Int32Array
  readonly symbolCount: number
}

/** `symbol`: where the symbol is that the value belongs to; `nth`: the how manieth of its values it is, from 0. */
type Visit = (slot: number, symbol: number, nth: number) => void

/** Calls `visit` for each value in the order in which both sides know them: an object's scalars when it opens. */
export function visitValues({ symbols, fields, symbolCount }: Lines, model: Model, visit: Visit): void {
  const { members, shapeStarts } = model
  for (let at = 0; at < symbolCount; at++) {
    const symbol = symbols[at] ?? 0
    if (symbol >= codes.shape) {
      let nth = 0
      const end = shapeStarts[symbol - codes.shape + 1] ?? 0
      for (let slot = shapeStarts[symbol - codes.shape] ?? 0; slot < end; slot++) {
        if (((members[slot] ?? 0) & 3) !== kinds.node) visit(slot, at, nth++)
      }
    } else if (symbol === codes.rawLine) {
      visit(model.rawSlot, at, 0)
    } else if (symbol !== codes.arrayEnd && symbol !== codes.array) {
      visit(model.elementSlot(fields[at] ?? 0, symbol - codes.element), at, 0)
    }
  }
}

/** Where the values of each slot lie when they are sorted by slot. The values of a slot are its **column**. */
export interface Layout {
  /** In the order of their first value: that is the order of the columns. */
  readonly slots: readonly number[]
  /** By slot: the place of its first value. */
  readonly firsts: Int32Array
  /** By slot. */
  readonly counts: Int32Array
}

export function layoutOf(lines: Lines, model: Model): Layout {
  const slots: number[] = []
  const firsts = new Int32Array(model.rawSlot + 1)
  const counts = new Int32Array(model.rawSlot + 1)
  visitValues(lines, model, slot => {
    if (counts[slot] === 0) slots.push(slot)
    counts[slot] = (counts[slot] ?? 0) + 1
  })
  let place = 0
  for (const slot of slots) {
    firsts[slot] = place
    place += counts[slot] ?? 0
  }
  return { slots, firsts, counts }
}
