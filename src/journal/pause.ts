import type { Pause, Settings } from './settings.ts'

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
  const until = Math.min(now, pause.until ?? Infinity)
  return { ...rest, dropped: joined([...rest.dropped, { since: Math.min(pause.since, until), until }]) }
}

/** As `endPause` for a pause whose time is over; others stay. Whoever updates the settings does this first. Pure. */
export function endPastPause(settings: Settings, now: number): Settings {
  const until = settings.pause?.until
  return until !== undefined && until <= now ? endPause(settings, now) : settings
}

/** The settings once the service has applied a pause that drops. Pure. */
export function applied(settings: Settings, span: Span): Settings {
  const isIt = (other: Span): boolean => other.since === span.since && other.until === span.until
  return { ...settings, dropped: settings.dropped.filter((other) => !isIt(other)), droppedBefore: joined([...settings.droppedBefore, span]) }
}

/** The settings for a journal that knows of no pause. Pure. */
export function forgotten(settings: Settings): Settings {
  return { ...settings, dropped: joined([...settings.droppedBefore, ...settings.dropped]), droppedBefore: [] }
}

/** By time, without overlap; of too many those that are nearest to each other become one, for what was paused is not read. */
function joined(spans: readonly Span[]): Span[] {
  const result: Span[] = []
  for (const span of spans.toSorted((a, b) => a.since - b.since)) {
    const last = result.at(-1)
    if (last && span.since <= last.until) result[result.length - 1] = { since: last.since, until: Math.max(last.until, span.until) }
    else result.push(span)
  }
  while (result.length > maxDropped) {
    const gaps = result.slice(1).map((span, index) => span.since - (result[index]?.until ?? 0))
    const at = gaps.indexOf(Math.min(...gaps))
    const [first, second] = [result[at], result[at + 1]]
    if (first && second) result.splice(at, 2, { since: first.since, until: second.until })
  }
  return result
}
