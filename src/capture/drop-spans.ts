import type { DroppingPause } from './drop-store.ts'

/**
 * A pause that drops is to begin a moment after it was asked for, at most this much later: ended before, it never was. More
 * than this, and the clock was set back in between.
 */
const leadLimitMs = 1_000

/**
 * The span of a pause that ended at `end`. Where it seems to end before it began the clock was set back meanwhile: the span
 * then has its end before its begin, and no time tells what was written in it.
 */
export function spanOf(since: number, end: number): DroppingPause {
  const isUnbegun = end < since && since - end <= leadLimitMs
  return isUnbegun ? { since: end, until: since } : { since, until: end }
}

export const isClockSetBack = ({ since, until }: DroppingPause): boolean => until < since

/** Whether the pause, which began at `since`, seems not to have begun at `now`. */
export const isFarAhead = (since: number, now: number): boolean => since - now > leadLimitMs

/** Whether the pause that began at `since` is this one, or became part of it. */
export const includesBegin = (span: DroppingPause, since: number): boolean =>
  Math.min(span.since, span.until) <= since && since <= lastOf(span)

/** The latest time that is known to lie in the pause. */
export const lastOf = ({ since, until }: DroppingPause): number => Math.max(since, until)

/** By begin, without overlap; of more than `limit` those that are nearest to each other become one, for what was paused is not read. */
export function joinedSpans(spans: readonly DroppingPause[], limit: number): DroppingPause[] {
  const result: DroppingPause[] = []
  for (const { since, until } of spans.toSorted((a, b) => a.since - b.since)) {
    const last = result.at(-1)
    const isSame = last?.since === since && last.until === until
    const isOverlap = last !== undefined && since <= last.until && until >= since
    if (!isSame && !isOverlap) result.push({ since, until })
    else if (last) result[result.length - 1] = { since: last.since, until: Math.max(last.until, until) }
  }
  while (result.length > limit) {
    const gaps = result.slice(1).map((span, index) => span.since - (result[index]?.until ?? 0))
    const at = gaps.indexOf(Math.min(...gaps))
    const [first, second] = [result[at], result[at + 1]]
    if (first && second) result.splice(at, 2, joinedPair(first, second))
  }
  return result
}

function joinedPair(a: DroppingPause, b: DroppingPause): DroppingPause {
  if (isClockSetBack(a) || isClockSetBack(b)) return { since: Math.max(lastOf(a), lastOf(b)), until: Math.min(a.since, a.until, b.since, b.until) }
  return { since: a.since, until: b.until }
}
