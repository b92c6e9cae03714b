import type { ErrorCode } from '../../observe/error-codes.ts'
import { SluiceError } from '../../observe/error.ts'
import { clockSkew, clockWrong, headerOf, portalError, retryAfter, type Answer } from '../tus-answer.ts'
import { parseXml, textOf } from './xml.ts'

/** What a store says of a request it did not fulfil. Its own words are not shown: they may repeat what was signed. */
export interface Refusal {
  /** `NoSuchKey`, … */
  readonly code: string
  /** Where the bucket really is. */
  readonly region?: string
  readonly endpoint?: string
}

/** The refusal in an answer, or undefined when its body is none. */
export function refusalIn(answer: Answer & { readonly bytes: Buffer }): Refusal | undefined {
  const error = parseXml(answer.bytes.toString(), 'Error')
  const code = error && textOf(error, 'Code')
  if (!error || code === undefined || !/^\w{1,64}$/.test(code)) return undefined
  const region = headerOf(answer, 'x-amz-bucket-region') ?? textOf(error, 'Region')
  const endpoint = textOf(error, 'Endpoint')
  return {
    code,
    ...(region !== undefined && /^[\w-]{1,63}$/.test(region) && { region }),
    ...(endpoint !== undefined && /^[\w.-]{1,255}$/.test(endpoint) && { endpoint }),
  }
}

/** As `portalError`; stores too redirect, but sign their answers as such. */
export function notOfStore(answer: Answer, place: string): SluiceError | undefined {
  const isStore = ['x-amz-request-id', 'x-amz-bucket-region'].some((name) => headerOf(answer, name) !== undefined)
  const redirects = answer.status >= 300 && answer.status < 400
  if (redirects && (isStore || /<Error>\s*<Code>/.test(answer.text))) return undefined
  return portalError(answer, place, false)
}

export interface Failure {
  readonly answer: Answer
  readonly refusal: Refusal | undefined
  /** The place in words. */
  readonly place: string
  /** Completes "did not let Sluice …". */
  readonly doing: string
  readonly region: string
  readonly now: number
}

interface Meaning {
  readonly code: ErrorCode
  readonly transient?: true
  /** Completes "… did not let Sluice …: ". */
  readonly why: (failure: Failure) => string
}

const busy: Meaning = { code: 'destination-busy', transient: true, why: () => 'it asks to be sent less often' }
const failing: Meaning = { code: 'destination-failing', transient: true, why: () => 'it has trouble of its own' }
const full: Meaning = { code: 'destination-full', transient: true, why: () => 'no room is left there' }
const tooLarge: Meaning = {
  code: 'pack-too-large', why: () => 'the pack is larger than it takes. Make seal.size smaller, or ask whoever runs it',
}
const damaged: Meaning = { code: 'destination-unreachable', transient: true, why: () => 'what arrived there is not what was sent' }
const forbidden: Meaning = {
  code: 'destination-forbidden', why: () => 'these keys are not allowed to. Ask whoever runs it; docs/s3.md lists what is needed',
}
const noBucket: Meaning = { code: 'destination-missing', why: () => 'there is no such bucket. Check its name and the endpoint' }
const elsewhere: Meaning = { code: 'destination-refused', why: (failure) => `the bucket is not there. ${whereElse(failure)}` }
const busyWithEarlier: Meaning = { code: 'destination-busy', transient: true, why: () => 'it is busy with another request for the same pack' }

function keys(why: string, transient?: true): Meaning {
  return { code: 'credential-refused', why: () => why, ...(transient && { transient }) }
}

const wrongKeys = keys('it does not accept this access key or its secret. Check both, and whom they belong to')

/** What the codes of stores mean; those of Amazon, which others follow. */
const byCode: Readonly<Record<string, Meaning>> = {
  NoSuchBucket: noBucket,
  AccessDenied: forbidden, AllAccessDisabled: forbidden, AccountProblem: forbidden, UserSuspended: forbidden, MethodNotAllowed: forbidden,
  InvalidAccessKeyId: wrongKeys, SignatureDoesNotMatch: wrongKeys, NotSignedUp: wrongKeys, InvalidSecurity: wrongKeys,
  ExpiredToken: keys('the session token of its keys has expired; they are read again', true),
  TokenRefreshRequired: keys('the session token of its keys has expired; they are read again', true),
  InvalidToken: keys('it does not accept the session token. Check that it belongs to the access key'),
  SlowDown: busy, ServiceUnavailable: busy, RequestLimitExceeded: busy, TooManyRequests: busy, Busy: busy, Throttling: busy,
  InternalError: failing,
  EntityTooLarge: tooLarge,
  QuotaExceeded: full, InsufficientStorage: full, XMinioStorageFull: full,
  PermanentRedirect: elsewhere, TemporaryRedirect: elsewhere, AuthorizationHeaderMalformed: elsewhere,
  IllegalLocationConstraintException: elsewhere,
  BadDigest: damaged, XAmzContentSHA256Mismatch: damaged, IncompleteBody: damaged, InvalidDigest: damaged,
  RequestTimeout: { code: 'destination-unreachable', transient: true, why: () => 'it waited too long for the rest of the request' },
  OperationAborted: busyWithEarlier, ConditionalRequestConflict: busyWithEarlier,
}

const clockCodes = new Set(['RequestTimeTooSkewed', 'RequestExpired'])

function byStatus(status: number): Meaning {
  if (status === 401) return wrongKeys
  if (status === 403) return forbidden
  if (status === 404 || status === 410) return { code: 'destination-missing', why: () => 'there is no such bucket or path. Check the address' }
  if (status === 409) return busyWithEarlier
  if (status === 413) return tooLarge
  if (status === 429 || status === 503) return busy
  if (status === 507) return full
  if (status >= 300 && status < 400) return elsewhere
  if (status === 408 || (status >= 500 && status !== 501)) return failing
  return { code: 'destination-refused', why: () => 'Sluice has no way to deal with that answer. Is it an S3-compatible store?' }
}

/** What an answer that is no success means. */
export function s3Error(failure: Failure): SluiceError {
  const { answer, refusal, place, doing, now } = failure
  const { status } = answer
  const data = { status, ...(refusal && { s3Code: refusal.code }), ...retryAfter(answer, now) }
  if (refusal && clockCodes.has(refusal.code)) return clockWrong(place, clockSkew(answer, now), { data })
  const known = refusal && Object.hasOwn(byCode, refusal.code) ? byCode[refusal.code] : undefined
  const { code, transient, why } = known ?? byStatus(status)
  const said = refusal ? `${status}, ${refusal.code}` : String(status)
  return new SluiceError(code, `${place} did not let Sluice ${doing} (${said}): ${why(failure)}.`.replace(/\?\.$/, '?'), {
    ...(transient && { transient }), data,
  })
}

function whereElse({ refusal, answer, region }: Failure): string {
  const there = refusal?.region ?? headerOf(answer, 'x-amz-bucket-region')
  if (there !== undefined && /^[\w-]{1,63}$/.test(there) && there !== region) {
    return `It is in the region ${there}, not ${region}: say region: ${there} in the config, or region=${there} in the address`
  }
  if (refusal?.endpoint !== undefined) return `Its endpoint is ${refusal.endpoint}: say so in the config or the address`
  return 'Check region and endpoint'
}
