/** What adds up over time, in the order of `Summary.sums`. Sizes in bytes; `packs` is a count. */
export const additive = [
  'capturedBytes', 'newBytes', 'packedBytes', 'sentBytes', 'sentPackBytes', 'againBytes', 'packs', 'batteryMs', 'meteredMs',
  'cpuMs',
] as const

export type Additive = (typeof additive)[number]

/** How a device's cap stood. */
export interface CapState {
  readonly cap: string
  readonly limitBytes: number
  readonly usedBytes: number
  readonly atRisk: boolean
}

/** Names with amounts, such as reasons with the bytes that they hold. */
export type Amounts = readonly (readonly [name: string, amount: number])[]

/** One `upload.summary` line, checked. Times are milliseconds since the epoch. */
export interface Summary {
  readonly device: string
  readonly version: string
  readonly period: 'hour' | 'day'
  readonly from: number
  readonly to: number
  readonly sums: readonly number[]
  readonly backlogBytes: number
  readonly oldestWaitingMs: number
  readonly held: Amounts
  readonly errors: Amounts
  readonly caps: readonly CapState[]
}

/** What every line of interest contains, whatever shape it is logged in. */
export const summaryMark = 'upload.summary'

/** A petabyte in an hour is no laptop: one such line would drown the figures of all others. */
const mostAmount = 1e15
/** A machine that slept writes one line for all of it; longer than this is a broken clock. */
const longestMs = 31 * 86_400_000
const longestName = 256
/** Codes and caps that one line can name; a service has fewer. */
const mostEntries = 64

type Fields = Readonly<Record<string, unknown>>

/**
 * Reads one line: plain, ECS, or either as the message of a `journalctl -o json` line. 'other' when it is something else
 * than a summary; undefined when it is broken or says what cannot be.
 */
export function parseSummary(text: string): Summary | 'other' | undefined {
  const line = objectIn(text)
  if (!line) return undefined
  const message = line['MESSAGE']
  return typeof message === 'string' ? fromJournal(message) : fromLine(line)
}

function fromJournal(message: string): Summary | 'other' | undefined {
  if (!message.includes(summaryMark)) return 'other'
  const line = objectIn(message.slice(Math.max(0, message.indexOf('{'))))
  return line && fromLine(line)
}

function objectIn(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fromLine(line: Fields): Summary | 'other' | undefined {
  if (line['event'] === summaryMark) return summaryOf(line['device'], line['version'], line)
  if (ecs(line, 'event', 'action') !== summaryMark) return 'other'
  return summaryOf(ecs(line, 'host', 'name'), ecs(line, 'service', 'version'), ecsFields(line))
}

/** ECS names are written with dots or as objects in objects; both mean the same. */
function ecs(line: Fields, outer: string, inner: string): unknown {
  const nested = line[outer]
  return line[`${outer}.${inner}`] ?? (isObject(nested) ? nested[inner] : undefined)
}

function ecsFields(line: Fields): Fields {
  const nested = line['sluice']
  if (isObject(nested)) return nested
  const own = Object.entries(line).filter(([name]) => name.startsWith('sluice.'))
  return Object.fromEntries(own.map(([name, value]) => [name.slice('sluice.'.length), value]))
}

function summaryOf(device: unknown, version: unknown, fields: Fields): Summary | undefined {
  const { period, from, to } = fields
  if (typeof device !== 'string' || device === '' || device.length > longestName) return undefined
  if (period !== 'hour' && period !== 'day') return undefined
  if (!isTime(from) || !isTime(to) || to < from || to - from > longestMs) return undefined
  const { cpuSeconds = 0 } = fields
  const cpuMs = typeof cpuSeconds === 'number' ? amount(cpuSeconds * 1000) : NaN
  const sums = additive.map((name) => name === 'cpuMs' ? cpuMs : amount(fields[name]))
  const backlogBytes = amount(fields['backlogBytes'])
  const oldestWaitingMs = amount(fields['oldestWaitingMs'])
  const held = amounts(fields['heldBytes'])
  const errors = amounts(fields['errors'])
  const caps = capsOf(fields['caps'])
  if (!held || !errors || !caps || [...sums, backlogBytes, oldestWaitingMs].some(Number.isNaN)) return undefined
  return {
    device, version: typeof version === 'string' ? version.slice(0, longestName) : '', period, from, to, sums, backlogBytes,
    oldestWaitingMs, held, errors, caps,
  }
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Whole, so that sums do not depend on their order. NaN for what is no amount; what an older version does not tell counts as nothing. */
function amount(value: unknown): number {
  if (value === undefined) return 0
  return typeof value === 'number' && value >= 0 && value <= mostAmount ? Math.round(value) : NaN
}

/** Codes as they are; what is no code, and what is too much, goes by the name `other`. */
function amounts(value: unknown): Amounts | undefined {
  if (value === undefined) return []
  if (!isObject(value)) return undefined
  const entries = Object.entries(value).map(([name, each], at): [string, number] =>
    [at < mostEntries && /^[a-z][a-z0-9-]{0,39}$/.test(name) ? name : 'other', amount(each)])
  return entries.some(([, each]) => Number.isNaN(each)) ? undefined : entries.filter(([, each]) => each > 0)
}

function capsOf(value: unknown): CapState[] | undefined {
  if (value === undefined) return []
  if (!Array.isArray(value)) return undefined
  const caps = value.slice(0, mostEntries).map((each: unknown): CapState | undefined => {
    if (!isObject(each)) return undefined
    const { cap, atRisk } = each
    const [limitBytes, usedBytes] = [amount(each['limitBytes']), amount(each['usedBytes'])]
    if (typeof cap !== 'string' || cap.length > longestName || Number.isNaN(limitBytes + usedBytes)) return undefined
    return { cap, limitBytes, usedBytes, atRisk: atRisk === true }
  })
  return caps.every((each) => each !== undefined) ? caps : undefined
}
