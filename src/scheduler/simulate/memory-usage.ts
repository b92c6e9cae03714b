import type { Scope, UsageSource, Where } from '../../budget/usage.ts'
import { isMeant } from '../../budget/usage.ts'

/** What went over one route: times in order, and the bytes up to and including each. */
interface Sums {
  readonly route: Where
  readonly times: number[]
  readonly totals: number[]
}

/** What was used, in memory: adding to the end and asking cost next to nothing, however long the record. */
export class MemoryUsage implements UsageSource {
  readonly #sums: Sums[] = []

  add(at: number, route: Where, bytes: number): void {
    const { times, totals } = this.#sumsOf(route)
    const index = firstAfter(times, at)
    if (index > 0 && times[index - 1] === at) {
      addFrom(totals, index - 1, bytes)
      return
    }
    // In the middle only where the clock went back.
    times.splice(index, 0, at)
    totals.splice(index, 0, totals[index - 1] ?? 0)
    addFrom(totals, index, bytes)
  }

  usedSince(at: number, scope: Scope): number {
    let used = 0
    for (const { route, times, totals } of this.#sums) {
      if (!isMeant(scope, route)) continue
      used += (totals.at(-1) ?? 0) - (totals[firstAfter(times, at - 1) - 1] ?? 0)
    }
    return used
  }

  oldestSince(at: number, scope: Scope): number | undefined {
    let oldest: number | undefined
    for (const { route, times } of this.#sums) {
      const time = isMeant(scope, route) ? times[firstAfter(times, at - 1)] : undefined
      if (time !== undefined) oldest = Math.min(oldest ?? time, time)
    }
    return oldest
  }

  #sumsOf(route: Where): Sums {
    const { network, on, streams } = route
    const known = this.#sums.find((each) =>
      each.route.network === network && each.route.on === on && each.route.streams?.join() === streams?.join())
    if (known) return known
    const made = { route, times: [], totals: [] }
    this.#sums.push(made)
    return made
  }
}

/** The index of the first time that is later than `at`. */
function firstAfter(times: readonly number[], at: number): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (times[middle]! > at) high = middle
    else low = middle + 1
  }
  return low
}

function addFrom(totals: number[], index: number, bytes: number): void {
  for (let at = index; at < totals.length; at++) totals[at]! += bytes
}
