import type { CollectorEvent, EmitCollector } from '../observe/collector-events.ts'

/** Refusals told in one minute; who sends nonsense must not fill the disk that holds the log. */
const mostPerMinute = 300
const minuteMs = 60_000

const refusals: ReadonlySet<CollectorEvent['event']> = new Set(['credential.refused', 'enrolment.refused', 'request.refused'])

/** Passes events on, of refusals so many a minute; then how many were left out. */
export function quieter(emit: EmitCollector, now: () => number): EmitCollector {
  let begunAt = now()
  let told = 0
  return (event) => {
    if (Math.abs(now() - begunAt) >= minuteMs) {
      if (told > mostPerMinute) emit({ event: 'refusals.omitted', count: told - mostPerMinute })
      begunAt = now()
      told = 0
    }
    if (!refusals.has(event.event) || ++told <= mostPerMinute) emit(event)
  }
}
