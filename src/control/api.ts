import type { Settings, WorkerCap, NamedNetwork, Pause } from '../journal/settings.ts'
import type { History } from './history.ts'
import type { KnownNetwork, NetworkWish } from './networks.ts'
import type { PauseState } from './pause-state.ts'
import type { Preview } from './preview.ts'
import type { CapStatus, QueueStatus, Status } from './status.ts'
import { SluiceError } from '../observe/error.ts'

/** No body, and nothing in the query. */
type Nothing = Readonly<Record<string, never>>

/**
 * Every route of the local API with what it takes and what it answers. `GET` takes its request in the query, `POST` as JSON.
 * Sizes are bytes, times milliseconds since the epoch. Every answer may get more keys.
 */
export interface Api {
  'GET /v1/version': { request: Nothing; answer: ServiceVersion }
  'GET /v1/status': { request: { readonly sendNowMs?: number }; answer: Status }
  'GET /v1/why': { request: Nothing; answer: Why }
  'GET /v1/history': { request: { readonly limit?: number; readonly before?: number }; answer: History }
  'GET /v1/preview': { request: Nothing; answer: Preview }
  'GET /v1/pause': { request: Nothing; answer: PauseState }
  'POST /v1/pause': { request: PauseWish; answer: { readonly pause: Pause; readonly before?: Pause } }
  'POST /v1/resume': { request: Nothing; answer: { readonly ended?: Pause } }
  /** `forMs: 0` takes the wish back. */
  'POST /v1/send-now': { request: { readonly forMs: number }; answer: { readonly sendNow?: NonNullable<Settings['sendNow']>; readonly was: boolean } }
  'GET /v1/caps': { request: Nothing; answer: { readonly caps: readonly CapStatus[] } }
  'POST /v1/caps/set': { request: CapWish; answer: { readonly set: WorkerCap; readonly before?: WorkerCap } }
  'POST /v1/caps/remove': { request: { readonly id: string }; answer: { readonly removed: WorkerCap } }
  'GET /v1/networks': { request: Nothing; answer: { readonly networks: readonly KnownNetwork[] } }
  'POST /v1/networks/set': { request: NetworkWish; answer: { readonly set: NamedNetwork; readonly before?: NamedNetwork } }
  'GET /v1/streams': { request: Nothing; answer: { readonly streams: readonly StreamState[] } }
  'POST /v1/streams/set': { request: { readonly stream: string; readonly on: boolean }; answer: { readonly offSince?: number; readonly wasOff: boolean } }
}

export type RouteName = keyof Api

export interface ServiceVersion {
  readonly api: 1
  readonly program: string
  readonly device: string
  readonly pid: number
}

export interface Why extends Pick<Status, 'running' | 'sendNow'> {
  readonly version: 1
  readonly answer: string
  readonly queues: readonly QueueStatus[]
}

/** Without `until`: until the worker resumes. */
export interface PauseWish {
  readonly until?: number
  readonly captures?: 'hold' | 'drop'
}

export type CapWish = Omit<WorkerCap, 'id'>

export interface StreamState {
  readonly name: string
  readonly purpose: string
  /** Missing while it is on. */
  readonly offSince?: number
  /** Whether the worker may turn it off. */
  readonly optional: boolean
}

/** What `GET /v1/events?of=pause,status,progress` tells, each at once and at every change; without `of` only `pause`. */
export interface ApiEvents {
  readonly pause: PauseState
  readonly status: Status
  readonly progress: Progress
}

/** The pack that moves now; with `packBytes: 0` none does. */
export interface Progress {
  readonly packBytes: number
  readonly sentBytes: number
}

export const eventNames: readonly (keyof ApiEvents)[] = ['pause', 'status', 'progress']

/** What came with a request: the query's texts, or the JSON of the body. */
type Given = Readonly<Record<string, unknown>>

/** How the request of each route is read. They throw `usage`, with what is allowed. */
export const readRequest: { readonly [R in RouteName]: (given: Given) => Api[R]['request'] } = {
  'GET /v1/version': nothing,
  'GET /v1/status': (given) => only(given, { sendNowMs: optional(numberText(1, 86_400_000)) }),
  'GET /v1/why': nothing,
  'GET /v1/history': (given) => only(given, { limit: optional(numberText(1, 1000)), before: optional(numberText(0, Number.MAX_SAFE_INTEGER)) }),
  'GET /v1/preview': nothing,
  'GET /v1/pause': nothing,
  'POST /v1/pause': (given) => only(given, { until: optional(whole(0, Number.MAX_SAFE_INTEGER)), captures: optional(oneOf('hold', 'drop')) }),
  'POST /v1/resume': nothing,
  'POST /v1/send-now': (given) => only(given, { forMs: whole(0, 86_400_000) }),
  'GET /v1/caps': nothing,
  'POST /v1/caps/set': (given) => only(given, {
    limitBytes: whole(1, Number.MAX_SAFE_INTEGER), per: oneOf('day', 'week', 'month', 'rolling'), resetDay: optional(whole(1, 31)),
    days: optional(whole(1, 366)), network: optional(name), on: optional(oneOf('free', 'metered')), stream: optional(name), pace: optional(yesNo),
  }),
  'POST /v1/caps/remove': (given) => only(given, { id: text }),
  'GET /v1/networks': nothing,
  'POST /v1/networks/set': (given) => only(given, { which: name, cost: oneOf('free', 'metered', 'auto'), name: optional(name) }),
  'GET /v1/streams': nothing,
  'POST /v1/streams/set': (given) => only(given, { stream: name, on: yesNo }),
}

interface Rule<T> {
  readonly allowed: string
  readonly take: (value: unknown) => T | undefined
  readonly optional?: true
}

type Taken<Rules> = { readonly [K in keyof Rules as Rules[K] extends { readonly optional: true } ? never : K]: Rules[K] extends Rule<infer T> ? T : never }
  & { readonly [K in keyof Rules as Rules[K] extends { readonly optional: true } ? K : never]?: Rules[K] extends Rule<infer T> ? T : never }

function only<const Rules extends Readonly<Record<string, Rule<unknown>>>>(given: Given, rules: Rules): Taken<Rules> {
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(rules, key))
  if (unknown !== undefined) {
    throw new SluiceError('usage', `"${unknown.slice(0, 40)}" is not known here; known are: ${Object.keys(rules).join(', ') || 'no keys'}`)
  }
  const taken = Object.entries(rules).flatMap(([key, rule]) => {
    if (given[key] === undefined && rule.optional) return []
    const value = rule.take(given[key])
    if (value === undefined) throw new SluiceError('usage', `"${key}" takes ${rule.allowed}`)
    return [[key, value]]
  })
  return Object.fromEntries(taken) as Taken<Rules>
}

function nothing(given: Given): Nothing {
  return only(given, {})
}

function optional<T>(rule: Rule<T>): Rule<T> & { readonly optional: true } {
  return { ...rule, optional: true }
}

function whole(min: number, max: number): Rule<number> {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  return { allowed: `a whole number ${range}`, take: (value) => Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max ? Number(value) : undefined }
}

/** As `whole`, from a query. */
function numberText(min: number, max: number): Rule<number> {
  const { allowed, take } = whole(min, max)
  return { allowed, take: (value) => typeof value === 'string' && /^\d{1,16}$/.test(value) ? take(Number(value)) : undefined }
}

function oneOf<const T extends string>(...words: readonly T[]): Rule<T> {
  return { allowed: words.join(' or '), take: (value) => words.find((word) => word === value) }
}

const yesNo: Rule<boolean> = { allowed: 'true or false', take: (value) => typeof value === 'boolean' ? value : undefined }
const text: Rule<string> = { allowed: 'a text of 1 to 256 characters', take: (value) => typeof value === 'string' && value !== '' && value.length <= 256 ? value : undefined }
const name: Rule<string> = {
  allowed: 'a name of at most 64 characters a-z, 0-9, ".", "_", "-", beginning with a letter or digit',
  take: (value) => typeof value === 'string' && /^[a-z0-9][a-z0-9._-]{0,63}$/.test(value) ? value : undefined,
}
