import { SluiceError } from '../../observe/error.ts'
import type { NetworkState, PowerState } from '../conditions.ts'

/** Which traces this version reads. */
const traceVersion = 1

/** What a trace says of itself: its first line. */
export interface TraceHeader {
  /** Bytes sealed for each byte captured, by stream; more than 0, at most 2. */
  readonly ratio: Readonly<Record<string, number>>
  /** How fast the line takes bytes, by class of network. */
  readonly line: { readonly free?: number; readonly metered?: number }
}

/** What happened at one time. Several of one time happened at once, in no order. */
export interface TraceEvent {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly power?: PowerState
  readonly network?: NetworkState
  readonly captured?: { readonly stream: string; readonly bytes: number }
  /** `forMs`: how long; missing: until a `resume`. */
  readonly pause?: { readonly forMs?: number; readonly captures: 'hold' | 'drop' }
  readonly resume?: true
  readonly sendNow?: { readonly forMs: number }
  /** The machine falls asleep: nothing runs until `wake`. */
  readonly suspend?: true
  readonly wake?: true
  /** What the person's own programs moved since the last time, for the data plan. */
  readonly userBytes?: number
  /** The machine's clock was set: how far it is ahead of the times of the trace; negative when it is behind. */
  readonly clockAheadMs?: number
}

/** Longest line: a hundred times what the longest event takes. */
const maxLineLength = 16 << 10
/** More than a terabyte in one line, or in a year and a month of it, is a mistake, and would take hours to play. */
const maxBytes = 1e12
/** Longest trace: a year, and a month for the cap that reaches into the next. */
const maxTraceMs = 400 * 86_400_000
const maxTime = Date.UTC(2200, 0)
const maxClockMs = 400 * 86_400_000

type Fields<T> = { readonly [K in keyof Required<T>]: (value: unknown) => T[K] | undefined }

const whole = (min: number, max: number) => (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined
const oneOf = <const T>(...values: readonly T[]) => (value: unknown): T | undefined =>
  values.find((each) => each === value)
const name = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[a-z0-9][a-z0-9._-]{0,63}$/.test(value) ? value : undefined
const ratio = (value: unknown): number | undefined =>
  typeof value === 'number' && value > 0 && value <= 2 ? value : undefined

/** Milliseconds since the epoch, from those or from ISO 8601 with its offset: a time without one is nobody’s. */
function time(value: unknown): number | undefined {
  if (typeof value !== 'string') return whole(0, maxTime)(value)
  const isIso = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(value)
  return isIso ? whole(0, maxTime)(Date.parse(value)) : undefined
}

/** An object with these keys and no others; those in `optional` may be missing. */
function record<T extends object>(fields: Fields<T>, optional: readonly (keyof T)[]) {
  const entries = Object.entries<(value: unknown) => unknown>(fields)
  return (value: unknown, refuse?: (key: string, known: boolean) => never): T | undefined => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    const given = new Map<string, unknown>(Object.entries(value))
    const result: Record<string, unknown> = {}
    for (const [key, read] of entries) {
      const found = given.get(key)
      const isMissing = !given.delete(key)
      if (isMissing && optional.includes(key as keyof T)) continue
      const item = isMissing ? undefined : read(found)
      if (item === undefined) return refuse?.(key, true)
      result[key] = item
    }
    const [unknown] = given.keys()
    return unknown === undefined ? result as T : refuse?.(unknown, false)
  }
}

const power = record<Omit<PowerState, 'saver'> & Partial<Pick<PowerState, 'saver'>>>({
  supply: oneOf('mains', 'battery', 'unknown'),
  percent: whole(0, 100),
  weakCharger: oneOf(true, false),
  saver: oneOf('on', 'off', 'unknown'),
}, ['percent', 'weakCharger', 'saver'])

const network = record<NetworkState>({
  cost: oneOf('free', 'metered', 'near-limit', 'over-limit', 'roaming', 'unknown', 'offline'),
  id: name,
  because: (value) => typeof value === 'string' && /^[\x20-\x7e]{1,80}$/.test(value) ? value : undefined,
  reach: oneOf('full', 'portal', 'limited', 'unknown'),
}, ['id', 'because', 'reach'])

const event = record<TraceEvent>({
  at: time,
  power: (value) => {
    const state = power(value)
    return state && { ...state, saver: state.saver ?? 'unknown' }
  },
  network: (value) => network(value),
  captured: (value) =>
    record<{ stream: string; bytes: number }>({ stream: name, bytes: whole(0, maxBytes) }, [])(value),
  pause: (value) => {
    const pause = record<{ forMs?: number; captures?: 'hold' | 'drop' }>(
      { forMs: whole(1, maxTraceMs), captures: oneOf('hold', 'drop') }, ['forMs', 'captures'])(value === true ? {} : value)
    return pause && { ...pause, captures: pause.captures ?? 'hold' }
  },
  resume: oneOf(true),
  sendNow: (value) => record<{ forMs: number }>({ forMs: whole(1, maxTraceMs) }, [])(value),
  suspend: oneOf(true),
  wake: oneOf(true),
  userBytes: whole(0, maxBytes),
  clockAheadMs: whole(-maxClockMs, maxClockMs),
}, ['power', 'network', 'captured', 'pause', 'resume', 'sendNow', 'suspend', 'wake', 'userBytes', 'clockAheadMs'])

function ratios(value: unknown): Record<string, number> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entries = Object.entries(value as Record<string, number>)
  const isValid = entries.length <= 100
    && entries.every(([stream, each]) => name(stream) !== undefined && ratio(each) !== undefined)
  return isValid ? Object.fromEntries(entries) : undefined
}

const header = record<{ trace: 1; ratio?: TraceHeader['ratio']; line?: TraceHeader['line'] }>({
  trace: oneOf(traceVersion),
  ratio: ratios,
  line: (value) => record<{ free?: number; metered?: number }>(
    { free: whole(1, 1e10), metered: whole(1, 1e10) }, ['free', 'metered'])(value),
}, ['ratio', 'line'])

/** Reads a trace line by line and keeps but the time of the last one. Throws `trace-invalid` with file and line. */
export class TraceParser {
  readonly #file: string
  #line = 0
  #header: TraceHeader | undefined
  #first: number | undefined
  #last = 0

  constructor(file: string) {
    this.#file = file
  }

  get header(): TraceHeader | undefined {
    return this.#header
  }

  /** The event of a line; undefined for the header and for lines with nothing on them. */
  parse(text: string): TraceEvent | undefined {
    this.#line++
    if (text.trim() === '') return undefined
    if (text.length > maxLineLength) this.refuse(`it is longer than ${maxLineLength} characters`)
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      this.refuse('it is no JSON')
    }
    if (!this.#header) {
      this.#header = this.#readHeader(value)
      return undefined
    }
    const read = event(value, (key, known) => this.refuse(
      known ? `"${key}" is missing or has a value that is not allowed` : `"${key.slice(0, 40)}" is no key of an event`))
    return read ? this.#inOrder(read) : this.refuse('it is no JSON object')
  }

  /** Throws unless a header was seen. */
  end(): void {
    if (!this.#header) this.refuse('the trace is empty')
    if (this.#first === undefined) this.refuse('the trace has no event')
  }

  refuse(why: string): never {
    const line = Math.max(1, this.#line)
    throw new SluiceError(
      'trace-invalid', `${this.#file}, line ${line}: ${why}. docs/simulate.md describes the format.`, { data: { line } },
    )
  }

  #readHeader(value: unknown): TraceHeader {
    const must = `the first line must be {"trace":${traceVersion}}`
    const read = header(value, (key, known) => this.refuse(
      known ? `${must}; its "${key}" is missing or not allowed` : `"${key.slice(0, 40)}" is no key of the first line`))
    return read ? { ratio: read.ratio ?? {}, line: read.line ?? {} } : this.refuse(must)
  }

  #inOrder(read: TraceEvent): TraceEvent {
    if (read.at < this.#last) this.refuse('time goes backwards: it is earlier than the line before')
    this.#first ??= read.at
    this.#last = read.at
    if (read.at - this.#first > maxTraceMs) {
      this.refuse(`it is more than ${maxTraceMs / 86_400_000} days after the first event`)
    }
    return read
  }
}

/** The events of a trace that arrives in pieces; one line and one piece of it are kept. Throws as `TraceParser` does. */
export async function* readTrace(pieces: AsyncIterable<Uint8Array>, parser: TraceParser): AsyncGenerator<TraceEvent> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  const decode = (piece?: Uint8Array): string => {
    try {
      return piece ? decoder.decode(piece, { stream: true }) : decoder.decode()
    } catch {
      return parser.refuse('after it come bytes that are no UTF-8')
    }
  }
  for await (const piece of pieces) {
    const lines = (rest + decode(piece)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const read = parser.parse(line)
      if (read) yield read
    }
    if (rest.length > maxLineLength) parser.parse(rest)
  }
  const last = parser.parse(rest + decode())
  if (last) yield last
  parser.end()
}
