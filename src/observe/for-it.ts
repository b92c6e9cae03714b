import type { ErrorCode } from './error-codes.ts'
import type { SluiceEvent } from './events.ts'
import { errorCodes } from './error-codes.ts'
import { catalogue } from './events.ts'

/** Reasons that are the worker's own business. */
const privateReasons: ReadonlySet<string> = new Set(['paused', 'stream-off'])

/** Messages of these codes name what was met on the way, such as the login page of a hotel. */
const telltale: ReadonlySet<string> = new Set<ErrorCode>(['captive-portal', 'name-unresolved', 'proxy-refused'])

/** The reason as IT reads it: what the worker decided is `held`, whatever it was. */
export function publicReason(code: string): string {
  return privateReasons.has(code) ? 'held' : code
}

/** A cap's id as IT reads it: without the name that the worker gave a network. Ids of IT's own caps stay. */
export function publicCap(id: string): string {
  return id.startsWith('policy-') ? id : id.replace(/\.network\..*$/s, '.network')
}

/** What IT was last told of what is held or slowed; empty: nothing is. */
type ToldIt = string

interface Seen {
  /** Missing: nothing is written. */
  readonly event?: SluiceEvent
  readonly told: ToldIt
}

/**
 * What IT reads of an event, if anything: in the journal, in log files, with `--json`. The worker's pause is not told of, and no
 * line is written because it begins or ends: a change of reasons is told when the others changed.
 */
export function forIt(event: SluiceEvent, told: ToldIt): Seen {
  if (event.event === 'service.started') return { event, told: '' }
  if (event.event === 'work.slowed') return news(event, `slowed ${event.reasons.join()}`, told)
  if (event.event === 'send.resumed') return news(event, '', told)
  if (event.event === 'send.held') {
    const reasons = event.reasons.filter((code) => !privateReasons.has(code))
    if (reasons.length > 0) return news({ ...event, reasons }, `held ${reasons.join()}`, told)
    // What is merely slowed is not told while something is held.
    return told.startsWith('slowed') ? { told } : news({ event: 'send.resumed' }, '', told)
  }
  return 'worker' in catalogue[event.event] ? { told } : { event: withoutPlaces(event), told }
}

/** Without what tells where the worker is. */
function withoutPlaces(event: SluiceEvent): SluiceEvent {
  if (event.event === 'send.failed' || event.event === 'service.failed') {
    return telltale.has(event.code) ? { ...event, message: errorCodes[event.code as ErrorCode] } : event
  }
  if (event.event === 'cap.warned') return { ...event, cap: publicCap(event.cap) }
  if (event.event !== 'upload.summary') return event
  return { ...event, heldBytes: publicHeld(event.heldBytes), caps: event.caps.map((use) => ({ ...use, cap: publicCap(use.cap) })) }
}

function news(event: SluiceEvent, telling: ToldIt, told: ToldIt): Seen {
  return telling === told ? { told } : { event, told: telling }
}

/** Bytes by reason, with the worker's own reasons under `held`. */
export function publicHeld(heldBytes: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  const held: Record<string, number> = {}
  for (const [code, bytes] of Object.entries(heldBytes)) held[publicReason(code)] = (held[publicReason(code)] ?? 0) + bytes
  return held
}
