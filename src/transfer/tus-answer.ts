import type { ErrorCode } from '../observe/error-codes.ts'
import { SluiceError, type ErrorDetails } from '../observe/error.ts'
import { refusalOf } from './refusal.ts'

/** What a server answered; the names of the headers are in lower case. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** The beginning of the body. */
  readonly text: string
}

/** A header of an answer, the first where there are several. */
export function headerOf({ headers }: Answer, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : value?.[0]
}

/** A header that counts bytes, or undefined when it is missing or no count. */
export function byteCountOf(answer: Answer, name: string): number | undefined {
  const text = headerOf(answer, name) ?? ''
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined
}

/**
 * The error in an answer that comes from something between here and the server, such as the login page of a hotel;
 * undefined where nothing points to that. Only `tus` answers name the protocol in a header.
 */
export function portalError(answer: Answer, url: string, tus: boolean): SluiceError | undefined {
  const { status } = answer
  const succeeded = status >= 200 && status < 300
  const isPage = /^\s*(text\/html|application\/xhtml)/i.test(headerOf(answer, 'content-type') ?? '')
  if (status >= 300 && status < 400) return portal(url, status, `a redirect${redirectHost(answer, url)}, which is not followed`)
  if (status === 511) return portal(url, status, 'that the network wants a login first')
  if (succeeded && isPage) return portal(url, status, 'a web page')
  if (succeeded && tus && headerOf(answer, 'tus-resumable') === undefined) {
    return portal(url, status, 'something that is no tus server (there is no Tus-Resumable header)')
  }
  return undefined
}

function portal(url: string, status: number, what: string): SluiceError {
  return new SluiceError(
    'captive-portal',
    `In place of ${url} came ${what}. Log in to the network in a browser; if that is done, check the address.`,
    { transient: true, data: { status } },
  )
}

/** Names the host only: the rest of such an address may carry secrets. */
function redirectHost(answer: Answer, url: string): string {
  const location = headerOf(answer, 'location') ?? ''
  const host = location !== '' && URL.canParse(location, url) ? new URL(location, url).host : ''
  return host === '' ? '' : ` to ${host}`
}

/** What an answer that is no success means. `doing` completes "did not let Sluice …". */
export function statusError(answer: Answer, url: string, doing: string, now: number): SluiceError {
  const { status } = answer
  const refusal = refusalOf(answer)
  const data = { status, ...(refusal && { refusal: refusal.code }), ...retryAfter(answer, now) }
  const meaning = (refusal && refusals.get(refusal.code)) ?? statuses[status]
    ?? (status >= 500 ? failing : strange)
  const { code, transient = false, words } = meaning
  const clock = code === 'credential-refused' || code === 'destination-forbidden' ? clockNote(answer, now) : ''
  const sentence = transient ? `${url} cannot go on: ${words}` : `${url} did not let Sluice ${doing}: ${words}`
  return new SluiceError(code, `${sentence} (${status}${refusal ? `, ${refusal.code}` : ''}).${clock}`, { transient, data })
}

interface Meaning {
  readonly code: ErrorCode
  readonly transient?: true
  /** Completes a sentence. */
  readonly words: string
}

const failing: Meaning = { code: 'destination-failing', transient: true, words: 'it has trouble of its own' }
const strange: Meaning = { code: 'destination-refused', words: 'Sluice has no way to deal with its answer; is it a server for tus 1.0?' }
const forbidden: Meaning = { code: 'destination-forbidden', words: 'it forbids that to this device; ask whoever runs it' }
const unknown: Meaning = { code: 'credential-refused', words: 'it does not accept the credential, or the user and password, that were shown' }
const tooLarge: Meaning = { code: 'pack-too-large', words: 'the pack is larger than it takes; ask whoever runs it, or make seal.size smaller' }
const full: Meaning = { code: 'destination-full', transient: true, words: 'it has no room left' }
const busy: Meaning = { code: 'destination-busy', transient: true, words: 'it asks to be sent less often' }
const occupied: Meaning = { code: 'destination-busy', transient: true, words: 'it is busy with an earlier request' }

const statuses: Readonly<Record<number, Meaning>> = {
  401: unknown,
  403: forbidden,
  404: { code: 'destination-missing', words: 'it has no uploads at that address; check the address' },
  407: { code: 'proxy-refused', words: 'the proxy wants a user and password, or other ones' },
  408: occupied,
  410: { code: 'destination-missing', words: 'it has no uploads at that address any more; check the address' },
  413: tooLarge,
  423: occupied,
  425: occupied,
  429: busy,
  507: full,
}

/** The codes of docs/collector-api.md, which say more than a status does. */
const refusals: ReadonlyMap<string, Meaning> = new Map(Object.entries<Meaning>({
  'credential-refused': unknown,
  'token-refused': { code: 'credential-refused', words: 'it does not accept the token, which may be used up or too old; ask your IT for a new one' },
  'device-known': { code: 'credential-refused', words: 'it knows a device of this name already; ask your IT for a token made for this device, or choose another name' },
  'forbidden': forbidden,
  'log-gap': { code: 'destination-behind', words: 'packs that were sent before are not there' },
  'log-forked': { code: 'destination-ahead', words: 'another pack has this place in the log' },
  'pack-too-large': tooLarge,
  'header-mismatch': { code: 'destination-refused', words: 'the pack says something else of itself than its name; ask whoever runs it' },
  'upload-locked': occupied,
  'rate-limited': busy,
  'stopping': { code: 'destination-failing', transient: true, words: 'it is about to stop' },
  'store-unreachable': { code: 'destination-failing', transient: true, words: 'it cannot reach the place where it keeps packs' },
  'quota-full': { code: 'destination-full', transient: true, words: 'what this device may keep there is used up' },
}))

/** Clocks that differ by less are taken to agree. */
const clockToleranceMs = 5 * 60_000

/** How far this machine's clock is ahead of an answer's (RFC 9110, 6.6.1), milliseconds; undefined where they agree or it tells none. */
export function clockSkew(answer: Answer, now: number): number | undefined {
  const skewMs = now - Date.parse(headerOf(answer, 'date') ?? '')
  return Math.abs(skewMs) > clockToleranceMs ? skewMs : undefined
}

/** What a server's answers told of its clock: a certificate that is refused later may only seem too old. */
export class ServerClock {
  readonly #now: () => number
  #skewMs: number | undefined

  constructor(now: () => number) {
    this.#now = now
  }

  /** How far this machine's clock is ahead, milliseconds; undefined where the two agree or that is not known. */
  get skewMs(): number | undefined {
    return this.#skewMs
  }

  see(answer: Answer): void {
    if (headerOf(answer, 'date') !== undefined) this.#skewMs = clockSkew(answer, this.#now())
  }
}

function clockNote(answer: Answer, now: number): string {
  const skewMs = clockSkew(answer, now)
  return skewMs === undefined ? '' : ` This machine’s clock is ${skewInWords(skewMs)} its clock.`
}

/** `3 h ahead of`, `2 d behind` */
function skewInWords(skewMs: number): string {
  const minutes = Math.round(Math.abs(skewMs) / 60_000)
  const size = minutes < 120 ? `${minutes} min` : minutes < 48 * 60 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} d`
  return `${size} ${skewMs > 0 ? 'ahead of' : 'behind'}`
}

/** `clock-wrong` for a refusal that comes of it. `skewMs`: how far this machine's clock is ahead, where that is known. */
export function clockWrong(url: string, skewMs: number | undefined, details: ErrorDetails = {}): SluiceError {
  const far = skewMs === undefined ? 'is too far off for' : `is ${skewInWords(skewMs)} that of`
  const data = { ...details.data, ...(skewMs !== undefined && { skewMs }) }
  return new SluiceError('clock-wrong', `This machine’s clock ${far} ${url}, so nothing was sent. Set its date and time.`, { ...details, data })
}

/** `Retry-After` (RFC 9110, 10.2.3): seconds or a date, as it was asked for; how much of it is believed is the retry plan’s. */
export function retryAfter(answer: Answer, now: number): { readonly retryAfterMs?: number } {
  const text = headerOf(answer, 'retry-after')?.trim() ?? ''
  const delay = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  return Number.isNaN(delay) ? {} : { retryAfterMs: Math.max(0, delay) }
}

export function refused(message: string, details: ErrorDetails = {}): SluiceError {
  return new SluiceError('destination-refused', message, details)
}

export function unreachable(url: string, why: string, details: ErrorDetails = {}): SluiceError {
  return new SluiceError('destination-unreachable', `Cannot reach ${url}. ${why}`, { ...details, transient: true })
}
