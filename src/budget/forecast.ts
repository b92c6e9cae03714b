import type { CapUse } from './cap.ts'
import { dayMs } from './civil-day.ts'

export type WarningPercent = 80 | 90

/** How much of a cap is used, in the steps that are worth a warning. */
export function warningOf({ usedBytes, limitBytes }: CapUse): WarningPercent | undefined {
  if (usedBytes >= limitBytes * 0.9) return 90
  return usedBytes >= limitBytes * 0.8 ? 80 : undefined
}

export interface Forecast {
  /** When the cap is used up if it goes on like this; missing when the period ends first. */
  readonly exhaustedAt?: number
  /** Bytes used at the period's end if it goes on like this; more than the limit says what would be needed. */
  readonly endBytes: number
}

/**
 * What comes of a cap if bytes are used on as they were since its period began. A rolling one is judged from its oldest
 * bytes to when these fall out. A paced one is never used up early.
 */
export function forecast(use: CapUse, now: number): Forecast {
  const { per, days = 0, end, usedBytes, limitBytes, pace } = use
  const start = per === 'rolling' ? end - days * dayMs : use.start
  // Over less than a day, or half of a daily cap, one upload in the first minutes would look like a flood.
  const elapsedMs = Math.max(now - start, Math.min(dayMs, (end - start) / 2))
  const bytesPerMs = usedBytes / elapsedMs
  const endBytes = Math.round(usedBytes + bytesPerMs * Math.max(0, end - now))
  if (usedBytes >= limitBytes) return { exhaustedAt: now, endBytes }
  const exhaustedAt = Math.round(now + (limitBytes - usedBytes) / bytesPerMs)
  return exhaustedAt < end && !pace ? { exhaustedAt, endBytes } : { endBytes }
}

/** By id of the cap: what was said about it last. A JSON value. */
export type SaidWarnings = Readonly<Record<string, SaidWarning>>

interface SaidWarning {
  readonly percent: WarningPercent
  readonly limitBytes: number
  /** Start of the period it was said in; missing for rolling caps, which have none. */
  readonly start?: number
}

export interface DueWarning {
  readonly cap: CapUse
  readonly percent: WarningPercent
}

/** Below this share a rolling cap is warned of anew; closer to 80 % it would be said again and again. */
const rearmShare = 0.7

/** The warnings to say now, each once for a cap, its limit and its period, and what has been said then. */
export function dueWarnings(
  caps: readonly CapUse[], said: SaidWarnings,
): { readonly due: readonly DueWarning[]; readonly said: SaidWarnings } {
  const due: DueWarning[] = []
  const saidNow: Record<string, SaidWarning> = {}
  for (const cap of caps) {
    const before = stillSaid(cap, said[cap.id])
    const percent = warningOf(cap)
    if (percent !== undefined && percent > (before?.percent ?? 0)) {
      due.push({ cap, percent })
      saidNow[cap.id] = { percent, limitBytes: cap.limitBytes, ...(cap.per !== 'rolling' && { start: cap.start }) }
    } else if (before) saidNow[cap.id] = before
  }
  return { due, said: saidNow }
}

function stillSaid(cap: CapUse, before: SaidWarning | undefined): SaidWarning | undefined {
  if (before?.limitBytes !== cap.limitBytes) return undefined
  const isOver = cap.per === 'rolling' ? cap.usedBytes < cap.limitBytes * rearmShare : before.start !== cap.start
  return isOver ? undefined : before
}
