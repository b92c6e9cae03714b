import type { ErrorCode } from '../observe/error-codes.ts'
import type { SluiceError } from '../observe/error.ts'
import type { Fault } from './gate.ts'
import type { FaultCode } from './reasons.ts'

/** First wait after a fault, doubled with each one that follows without progress. */
const firstRetryMs = 1000
/** A full disk or a dead server is looked at this often in the end: cheap for us, soon enough for a person. */
const longestRetryMs = 5 * 60_000

/** Which reason an error becomes when the service can wait it out; an error that is not here ends the service. */
const faultOf: Partial<Record<ErrorCode, FaultCode>> = {
  'spool-full': 'spool-full',
  'state-full': 'state-full',
  'state-unusable': 'state-unusable',
  'settings-damaged': 'settings-damaged',
  'destination-full': 'destination-full',
  'destination-unreachable': 'destination-unreachable',
  'captive-portal': 'captive-portal',
  'destination-refused': 'destination-refused',
  'destination-behind': 'destination-behind',
  'destination-ahead': 'destination-ahead',
}

interface FaultState extends Fault {
  readonly until: number
  readonly delay: number
  readonly attempts: number
}

/** Full jitter (Brooker, AWS Architecture Blog 2015): devices that failed together do not come back together. */
export function retryDelay(attempts: number, random: number): number {
  return Math.max(firstRetryMs, Math.floor(random * Math.min(longestRetryMs, firstRetryMs * 2 ** attempts)))
}

/** What cannot go on at the moment, and when it is tried again. */
export class Faults {
  readonly #states = new Map<FaultCode, FaultState>()

  /** Notes a failure. Returns how long to wait, or undefined when the error is not one that waiting can mend. */
  note(error: SluiceError, now: number, random: number): number | undefined {
    const code = faultOf[error.code]
    if (!code) return undefined
    const before = this.#states.get(code)
    const attempts = (before?.attempts ?? 0) + 1
    // The other side may know better when to come back.
    const delay = Math.max(retryDelay(attempts, random), Number(error.data['retryAfterMs'] ?? 0))
    this.#states.set(code, { code, since: before?.since ?? now, until: now + delay, delay, attempts, evidence: error.message })
    return delay
  }

  /** Progress was made: these are over. */
  clear(...codes: readonly FaultCode[]): void {
    for (const code of codes) this.#states.delete(code)
  }

  /** The faults that hold now; one whose time has come is left out, so that it is tried. So is one that a clock set back put off. */
  active(now: number): Fault[] {
    return [...this.#states.values()].filter(({ until, delay }) => until > now && until - now <= delay).map(({ code, since, until, evidence }) => ({ code, since, until, evidence }))
  }

  /** Of all faults that are not over, whether they hold now or are being tried again. */
  get codes(): readonly FaultCode[] {
    return [...this.#states.keys()]
  }
}
