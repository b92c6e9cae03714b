import type { Decision, Reason } from './gate.ts'
import { reasons } from './reasons.ts'
import { wrap } from './words.ts'

/** Lines fit a terminal of this width. */
const columns = 80

export interface ExplainOptions {
  readonly now: number
  /** IANA name of the worker's time zone. */
  readonly timeZone: string
}

/** A decision as lines of at most 80 columns: what is held, then each reason with its times and what helps. Pure. */
export function explain(decision: Decision, options: ExplainOptions): string[] {
  const lines = wrap(headline(decision), columns, '')
  for (const reason of decision.reasons) {
    const { meaning, action } = reasons[reason.code]
    lines.push(
      '',
      ...wrap(`${meaning} (${reason.code})`, columns, '  '),
      ...wrap(`Seen: ${reason.evidence}.`, columns, '    '),
      ...wrap(`${laneWords[reason.holds]} ${timesOf(reason, options)}.`, columns, '    '),
      ...wrap(`What you can do: ${action}`, columns, '    '),
    )
  }
  return lines
}

const laneWords = { send: 'Holds sending', prepare: 'Holds packing', both: 'Holds everything' } as const

function headline({ send, prepare }: Decision): string {
  if (send === 'full') return prepare === 'full' ? 'Nothing is held.' : 'Packing is held. What is packed already may be sent.'
  return prepare === 'full' ? 'Sending is held. Captures are still packed.' : 'Everything is held: nothing is packed, nothing is sent.'
}

function timesOf(reason: Reason, options: ExplainOptions): string {
  const since = `since ${timeInWords(reason.since, options)}`
  return reason.until === undefined ? since : `${since}, until ${timeInWords(reason.until, options)}`
}

/** `14:02` today, `Mon 24 Nov, 14:02` on another day, with the year when it is another one. */
function timeInWords(time: number, { now, timeZone }: ExplainOptions): string {
  const show = (at: number, format: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat('en-GB', { timeZone, ...format }).format(at)
  const clock = show(time, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  const full: Intl.DateTimeFormatOptions = { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' }
  if (show(time, full) === show(now, full)) return clock
  const sameYear = show(time, { year: 'numeric' }) === show(now, { year: 'numeric' })
  const date = show(time, sameYear ? { weekday: 'short', day: 'numeric', month: 'short' } : full)
  return `${date.replaceAll(',', '')}, ${clock}`
}
