import type { Layout } from './layout.ts'
import type { Model } from './model.ts'

/**
 * How the numbers of a column are told: as they are, as the difference to the last one, as the change of that
 * difference, as the difference to the last but one, or to the last number of the field in any shape. From `sibling`
 * on: as the difference to the last one less that of the *n*th member of the same object, which moves alike when both
 * are times.
 */
export const predictors = { none: 0, last: 1, slope: 2, pair: 3, field: 4, sibling: 5 } as const

/** How many of a shape's members may serve as sibling. */
export const maxSiblings = 16

/** How a column is predicted. */
export interface Prediction {
  readonly predictor: number
  /** The member that it moves with, or -1. */
  readonly sibling: number
}

/** The numbers of a block, sorted by slot. */
export class Numbers {
  readonly values: Float64Array
  /** What the field had before each of them. */
  readonly before: Float64Array
  readonly #model: Model
  readonly #layout: Layout

  constructor(model: Model, layout: Layout, count: number) {
    this.#model = model
    this.#layout = layout
    this.values = new Float64Array(count)
    this.before = new Float64Array(count)
  }

  /** What is expected at `place`, from smaller places of its slot and from an earlier member of its object. */
  expected(slot: number, { predictor, sibling }: Prediction, place: number): number {
    const first = this.#layout.firsts[slot] ?? 0
    const last = this.#valueAt(slot, first, place - 1)
    switch (predictor) {
      case predictors.none: return 0
      case predictors.last: return last
      case predictors.slope: return place === first ? last : 2 * last - this.#valueAt(slot, first, place - 2)
      case predictors.pair: return this.#valueAt(slot, first, place - 2)
      case predictors.field: return this.before[place] ?? 0
      default: {
        const other = this.#layout.firsts[sibling] ?? 0
        const there = other + place - first
        return last + (this.values[there] ?? 0) - this.#valueAt(sibling, other, there - 1)
      }
    }
  }

  #valueAt(slot: number, first: number, place: number): number {
    return place < first ? this.#model.last(slot) : this.values[place] ?? 0
  }
}

/** `sibling` is -1 as well when the predictor means a member that does not stand before `slot` in its object. */
export function predictionOf(model: Model, slot: number, predictor: number): Prediction {
  if (predictor < predictors.sibling || slot >= model.members.length) return { predictor, sibling: -1 }
  const sibling = shapeStart(model, slot) + predictor - predictors.sibling
  return { predictor, sibling: sibling < slot ? sibling : -1 }
}

/** The first slot of the shape that `slot` belongs to. */
function shapeStart({ shapeStarts }: Model, slot: number): number {
  let [low, high] = [0, shapeStarts.length - 1]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((shapeStarts[middle] ?? 0) <= slot) low = middle
    else high = middle
  }
  return shapeStarts[low] ?? 0
}
