import { SluiceError } from '../observe/error.ts'
import { stopIfAborted } from './destination-rules.ts'
import type { Destination, RequestOptions } from './destination.ts'
import type { Link } from './link/link.ts'
import { statusError } from './tus-answer.ts'
import { patience, Session, type Patience } from './tus-session.ts'

export interface EnrolOptions {
  /** The collector’s address, as `parseTusAddress` returns it. */
  readonly url: URL
  readonly link: Link
  readonly now: () => number
  readonly patience?: Patience
}

/** What a credential may look like to be sent in a header. */
const credentialPattern = /^[\x21-\x7e]{16,1024}$/

/**
 * Swaps a token for the credential of a device (docs/collector-api.md). Throws `credential-refused`,
 * `destination-missing` where nobody enrols devices, and what a failed request means. Neither is in any error.
 */
export async function enrolDevice(
  { url, link, now, patience: waits = patience }: EnrolOptions, device: string, token: string, request: RequestOptions = {},
): Promise<string> {
  const server = addressOf(url)
  await using session = new Session({ ...request, link, server: server.href, authorization: undefined, patience: waits })
  const at = new URL(server)
  at.pathname = `${at.pathname.replace(/\/$/, '')}/enrol`
  const body = Buffer.from(JSON.stringify({ device, token }))
  const headers = { 'content-type': 'application/json', 'content-length': String(body.length) }
  const answer = await session.ask({ method: 'POST', url: at, headers, body: (async function* () { yield body })() })
  if (answer.status === 404 || answer.status === 405) {
    throw new SluiceError('destination-missing',
      `${server.href} takes no enrolments (${answer.status}). Is it a collector, and is the address right?`, { data: { status: answer.status } })
  }
  if (answer.status !== 201) throw statusError(answer, server.href, 'enrol this device', now())
  const credential = credentialIn(answer.text, device)
  if (credential !== undefined) return credential
  throw new SluiceError('destination-refused', `${server.href} answered the enrolment in a form that Sluice does not know.`)
}

/** Without user and password. */
function addressOf(url: URL): URL {
  const address = new URL(url)
  address.username = ''
  address.password = ''
  return address
}

function credentialIn(text: string, device: string): string | undefined {
  try {
    const answer = JSON.parse(text) as { readonly device?: unknown, readonly credential?: unknown } | null
    const { credential } = answer ?? {}
    return answer?.device === device && typeof credential === 'string' && credentialPattern.test(credential) ? credential : undefined
  } catch {
    return undefined
  }
}

/** Where a device's credential comes from. */
export interface CredentialSource {
  /** What to show now. Throws `credential-missing` for one that cannot be read. */
  current(): string | undefined
  /** Has one made if there is none and somebody left a token for it. Throws as `enrolDevice`, and `credential-missing`. */
  ensure(request: RequestOptions): Promise<void>
  /** Has another made with a token that was left after the one that is refused; false where there is none. Throws as `ensure`. */
  renew(request: RequestOptions): Promise<boolean>
}

/** A destination that enrols the device before it first needs to be known. */
export function enrolling(inner: Destination, credentials: CredentialSource): Destination {
  const known = async <T>(request: RequestOptions, work: () => Promise<T>): Promise<T> => {
    stopIfAborted(request.signal)
    await credentials.ensure(request)
    try {
      return await work().catch(async (error: unknown) => {
        const isRefused = error instanceof SluiceError && error.code === 'credential-refused' && error.data['status'] === 401
        if (isRefused && await credentials.renew(request)) return await work()
        throw error
      })
    } catch (error) {
      throw error instanceof SluiceError && error.code === 'credential-refused' && credentials.current() === undefined
        ? new SluiceError('credential-missing', `${inner.url} wants to know this device, which has no credential yet. Run: sluice enrol`, { cause: error })
        : error
    }
  }
  return {
    url: inner.url,
    reading: inner.reading,
    wireBytes: (payloadBytes) => inner.wireBytes(payloadBytes),
    head: (device, options = {}) => known(options, () => inner.head(device, options)),
    put: (pack, options = {}) => known(options, () => inner.put(pack, options)),
    abandon: (name, options = {}) => known(options, () => inner.abandon(name, options)),
    forget: (name) => inner.forget?.(name),
    devices: () => inner.devices(),
    list: (device) => inner.list(device),
    open: (name) => inner.open(name),
  }
}
