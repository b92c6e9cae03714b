import { fileClockStepMs } from './facts.ts'
import type { Mark } from './marks.ts'
import type { FileFacts } from './take.ts'

/** What is known about whether a `whole` file is finished. */
export interface Readiness {
  readonly facts: FileFacts
  readonly mark: Mark
  readonly quietMs: number
  /** It came to its name complete: no write was seen under this name. */
  readonly movedIntoPlace: boolean
  /** No process has it open for writing. */
  readonly closed: boolean
}

/**
 * From when on a `whole` file counts as finished: at once when it was renamed into place or is provably closed, else
 * when it has been quiet long enough. Never within the file clock's step after its last change, for a further change
 * would go unseen.
 */
export function readyAt({ facts, mark, quietMs, movedIntoPlace, closed }: Readiness): number {
  const seenAt = mark.seen?.at ?? mark.eventAt
  // A change that seems to lie in the future (a clock was set back) counts from when it was first seen.
  const changedAt = Math.min(facts.changedUs / 1000, seenAt)
  const settled = changedAt + fileClockStepMs
  if (movedIntoPlace || closed || (mark.lastEvent !== 'change' && facts.changedUs > facts.modifiedUs)) return settled
  const lastEventAt = mark.lastEvent === undefined ? changedAt : mark.eventAt
  return Math.max(settled, Math.max(changedAt, lastEventAt) + quietMs)
}
