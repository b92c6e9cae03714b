import { SluiceError, systemCode, type ErrorDetails } from '../observe/error.ts'

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
  const data = { status, ...retryAfter(answer, now) }
  const transient = { transient: true, data }
  switch (status) {
    case 401: case 407:
      return refused(`${url} did not let Sluice ${doing}: it wants a user and password, or other ones (${status}).`, { data })
    case 403:
      return refused(`${url} did not let Sluice ${doing}: it forbids it (403). Ask whoever runs it for access.`, { data })
    case 404: case 410:
      return refused(`${url} did not let Sluice ${doing}: it has no uploads at that address (${status}). Check the address.`, { data })
    case 413:
      return refused(`${url} did not let Sluice ${doing}: the pack is larger than it takes (413). Make seal.size smaller, or ask whoever runs it.`, { data })
    case 507:
      return new SluiceError('destination-full', `No room left at ${url} (507).`, transient)
    case 429:
      return unreachable(url, 'It asks to be sent less often (429).', { data })
    case 408: case 423: case 425:
      return unreachable(url, `It is busy with an earlier request (${status}).`, { data })
    default:
      return status >= 500
        ? unreachable(url, `It has trouble of its own (${status}).`, { data })
        : refused(`${url} did not let Sluice ${doing}: it answered ${status}, which Sluice has no way to deal with. Is it a tus 1.0 server?`, { data })
  }
}

/** Longest wait that is believed, a day: a wrong clock or a wrong header must not silence a device for good. */
const longestRetryAfterMs = 24 * 3600_000

/** `Retry-After` (RFC 9110, 10.2.3): seconds or a date. */
function retryAfter(answer: Answer, now: number): { readonly retryAfterMs?: number } {
  const text = headerOf(answer, 'retry-after')?.trim() ?? ''
  const delay = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  return Number.isNaN(delay) ? {} : { retryAfterMs: Math.min(Math.max(0, delay), longestRetryAfterMs) }
}

/** What a connection that failed means. Errors of Sluice's own, also as a cause, are handed back as they are. */
export function connectionError(error: unknown, url: string): SluiceError {
  const own = causesOf(error).find((cause) => cause instanceof SluiceError)
  if (own) return own
  const code = causesOf(error).map(systemCode).find((found) => found !== undefined) ?? 'unknown'
  const details = { cause: error, data: { errno: code } }
  const certificate = certificateFault(code)
  if (certificate !== undefined) {
    return refused(
      `The certificate of ${url} ${certificate} (${code}). Nothing is sent to a server that cannot prove who it is. `
      + 'On a network with a login page, as in a hotel, log in first.', details,
    )
  }
  return unreachable(url, connectionFaults[code] ?? `The connection failed (${code}).`, details)
}

/** An error with its causes, outermost first; a circle ends it. */
function causesOf(error: unknown): unknown[] {
  const found: unknown[] = []
  for (let at = error; at !== undefined && !found.includes(at); at = at instanceof Error ? at.cause : undefined) found.push(at)
  return found
}

const connectionFaults: Readonly<Record<string, string>> = {
  ENOTFOUND: 'No server has that name, or this machine is offline.',
  EAI_AGAIN: 'Its name cannot be looked up now; is this machine online?',
  ECONNREFUSED: 'Nothing accepts connections there.',
  ECONNRESET: 'The connection was cut.',
  EPIPE: 'The connection was cut.',
  UND_ERR_SOCKET: 'The connection was cut.',
  ETIMEDOUT: 'It did not answer in time.',
  UND_ERR_CONNECT_TIMEOUT: 'It did not answer in time.',
  EHOSTUNREACH: 'There is no way to it from this network.',
  ENETUNREACH: 'There is no way to it from this network.',
  EPROTO: 'It does not speak TLS; is the port right?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'It does not speak TLS; is the port right?',
}

const certificateFaults: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired, or this machine’s clock is wrong',
  CERT_NOT_YET_VALID: 'is not valid yet, or this machine’s clock is wrong',
  CERT_REVOKED: 'was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another name',
  HOSTNAME_MISMATCH: 'is for another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'comes from an authority of its own that this machine does not know',
}

/** Completes "the certificate …"; undefined for a code that is none of a certificate. */
function certificateFault(code: string): string | undefined {
  if (certificateFaults[code] !== undefined) return certificateFaults[code]
  return /^(UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)|CERT_|CRL_|INVALID_(CA|PURPOSE))/.test(code)
    ? 'comes from an authority that this machine does not know, or is damaged'
    : undefined
}

export function refused(message: string, details: ErrorDetails = {}): SluiceError {
  return new SluiceError('destination-refused', message, details)
}

export function unreachable(url: string, why: string, details: ErrorDetails = {}): SluiceError {
  return new SluiceError('destination-unreachable', `Cannot reach ${url}. ${why}`, { ...details, transient: true })
}
