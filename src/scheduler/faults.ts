import type { SluiceError } from '../observe/error.ts'
import type { Fault } from './gate.ts'
import type { FaultCode } from './reasons.ts'
import type { Retry, RetryClass } from './retry-plan.ts'
import { afterFailure, afterProgress, afterStart, isWaiting, retryDelay, triedNow } from './retry-plan.ts'

/** How each is tried again. An error with any other code ends the service. */
const retryClasses: Readonly<Record<FaultCode, RetryClass>> = {
  'settings-damaged': 'local',
  'state-full': 'local',
  'state-unusable': 'local',
  'encryption-failed': 'local',
  'spool-full': 'local',
  'credential-missing': 'lasting',
  'credential-refused': 'lasting',
  'destination-forbidden': 'lasting',
  'destination-missing': 'lasting',
  'certificate-refused': 'lasting',
  'clock-wrong': 'lasting',
  'destination-behind': 'lasting',
  'destination-ahead': 'lasting',
  'pack-too-large': 'lasting',
  'destination-refused': 'lasting',
  'destination-full': 'passing',
  'proxy-refused': 'lasting',
  'captive-portal': 'way',
  'name-unresolved': 'way',
  'destination-unreachable': 'passing',
  'destination-failing': 'passing',
  'destination-busy': 'passing',
}

/** A refusal that may pass by itself, as when a proxy cannot reach the destination now, is tried again like a failure. */
function retryClassOf({ transient }: SluiceError, code: FaultCode): RetryClass {
  const kind = retryClasses[code]
  return kind === 'lasting' && transient ? 'passing' : kind
}

const isFaultCode = (code: string): code is FaultCode => Object.hasOwn(retryClasses, code)

/** What keeps something from leaving this machine, and does not lie on it. */
export const sendingFaults: readonly FaultCode[] = Object.keys(retryClasses).filter(isFaultCode)
  .filter((code) => retryClasses[code] !== 'local')

/** Whether a service that cannot start for this waits it out. */
export function isWaitedOut({ code, transient }: SluiceError): boolean {
  return transient || sendingFaults.some((fault) => fault === code)
}

/** How long to wait after the failure with this number. */
export function waitAfter(error: SluiceError, attempts: number, random: number): number {
  return retryDelay(isFaultCode(error.code) ? retryClassOf(error, error.code) : 'local', attempts, random)
}

interface FaultState {
  readonly code: FaultCode
  readonly since: number
  readonly evidence: string
  /** The network on which it was last seen. */
  readonly network?: string | undefined
  readonly retry: Retry
}

/** What cannot go on at the moment, and when it is tried again. */
export class Faults {
  readonly #states = new Map<FaultCode, FaultState>()
  readonly #isNear: boolean

  /** `isNear`: the destination is a folder, and looking at it again costs nothing. */
  constructor(isNear = false) {
    this.#isNear = isNear
  }

  /**
   * Notes a failure on a network. Returns how long to wait, or undefined when the error is not one that is waited out.
   */
  note(error: SluiceError, now: number, random: number, network?: string): number | undefined {
    const { code, message, data } = error
    if (!isFaultCode(code)) return undefined
    const before = this.#states.get(code)
    const askedMs = Number(data['retryAfterMs'] ?? 0)
    const kind = this.#isNear ? 'local' : retryClassOf(error, code)
    const retry = afterFailure(kind, before?.retry, { now, random, askedMs })
    this.#states.set(code, { code, since: Math.min(before?.since ?? now, now), evidence: message, network, retry })
    return retry.delayMs
  }

  /** These are over. */
  clear(...codes: readonly FaultCode[]): void {
    for (const code of codes) this.#states.delete(code)
  }

  /** Bytes arrived. Whatever fails next is not one more failure of the same kind. */
  progress(): void {
    this.#change((state) => ({ ...state, retry: afterProgress(state.retry) }))
  }

  /** Something changed that may have mended what keeps things from leaving: it is tried now. */
  tryNow(now: number, network?: string): void {
    // On another network it is another situation; the same one, back again, may be a line that comes and goes.
    this.#change((state) => ({ ...state, retry: triedNow(state.retry, now, state.network !== network) }))
  }

  #change(change: (state: FaultState) => FaultState): void {
    for (const code of sendingFaults) {
      const state = this.#states.get(code)
      if (state) this.#states.set(code, change(state))
    }
  }

  /** The faults that hold now; one whose time has come is left out, so that it is tried. */
  active(now: number): Fault[] {
    return [...this.#states.values()].filter(({ retry }) => isWaiting(retry, now))
      .map(({ code, since, evidence, retry: { until } }) => ({ code, since, until, evidence }))
  }

  /** Of all faults that are not over, whether they hold now or are being tried again. */
  get codes(): readonly FaultCode[] {
    return [...this.#states.keys()]
  }

  /** Those that outlast the process, as text; those of this machine are found anew. */
  save(): string {
    return JSON.stringify(sendingFaults.flatMap((code) => this.#states.get(code) ?? []))
  }

  /** Takes over what an earlier process saved. What cannot be understood is nothing. */
  restore(text: string | undefined, now: number, random: number): void {
    for (const { retry, ...state } of parseStates(text)) {
      this.#states.set(state.code, { ...state, since: Math.min(state.since, now), retry: afterStart(retry, now, random) })
    }
  }
}

function parseStates(text: string | undefined): readonly FaultState[] {
  try {
    const states: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(states) ? states.filter(isState) : []
  } catch {
    return []
  }
}

function isState(value: unknown): value is FaultState {
  if (!isRecord(value) || !isRecord(value['retry'])) return false
  const { code, since, evidence, network, retry: { attempts, until, delayMs, isAsked } } = value
  return typeof code === 'string' && isFaultCode(code) && typeof evidence === 'string'
    && (network === undefined || typeof network === 'string') && typeof isAsked === 'boolean'
    && [since, attempts, until, delayMs].every((number) => Number.isSafeInteger(number) && Number(number) >= 0)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
