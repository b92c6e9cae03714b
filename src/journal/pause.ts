import type { Pause, Settings } from './settings.ts'
import { includesBegin, joinedSpans, spanOf } from '../capture/drop-spans.ts'

/** Half of what the settings hold: pauses that nobody has applied yet, when no service runs for a long time. */
const maxDropped = 100

type Span = Settings['dropped'][number]

/** The settings paused from `now` on. A pause that goes on keeps its begin, unless it changes what becomes of captures. Pure. */
export function startPause(settings: Settings, now: number, until: number | undefined, captures?: Pause['captures']): Settings {
  const before = endPastPause(settings, now)
  const wanted = captures ?? before.pause?.captures ?? 'hold'
  const goesOn = before.pause?.captures === wanted
  const since = goesOn && before.pause ? before.pause.since : now
  const base = goesOn ? before : endPause(before, now)
  return { ...base, pause: { since, ...(until !== undefined && { until }), captures: wanted } }
}

/** The settings without their pause. What was captured during one that drops is still to be dropped. Pure. */
export function endPause(settings: Settings, now: number): Settings {
  const { pause, ...rest } = settings
  if (pause?.captures !== 'drop') return rest
  return withDropped(rest, spanOf(pause.since, Math.min(now, pause.until ?? Infinity)))
}

/**
 * The settings with the end, at `now`, of dropping pauses that captures know of and the settings do not: these were lost, or
 * replaced by others. Pure.
 */
export function endLost(settings: Settings, begins: readonly number[], now: number): Settings {
  const { pause, dropped } = settings
  const holds = pause?.captures === 'drop' ? pause.since : undefined
  const lost = begins.filter((since) => since !== holds && !dropped.some((span) => includesBegin(span, since)))
  return lost.reduce((result, since) => withDropped(result, spanOf(since, Math.min(now, holds ?? now))), settings)
}

const withDropped = (settings: Settings, span: Span): Settings =>
  ({ ...settings, dropped: joinedSpans([...settings.dropped, span], maxDropped) })

/** As `endPause` for a pause whose time is over; others stay. Whoever updates the settings does this first. Pure. */
export function endPastPause(settings: Settings, now: number): Settings {
  const until = settings.pause?.until
  return until !== undefined && until <= now ? endPause(settings, now) : settings
}

/** The settings once the service has applied a pause that drops. Pure. */
export function applied(settings: Settings, span: Span): Settings {
  const isIt = (other: Span): boolean => other.since === span.since && other.until === span.until
  return { ...settings, dropped: settings.dropped.filter((other) => !isIt(other)), droppedBefore: joinedSpans([...settings.droppedBefore, span], maxDropped) }
}
