import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/observe/error-codes.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { connectionError } from '../../src/transfer/connection-error.ts'
import { ServerClock, clockSkew, clockWrong, statusError, type Answer } from '../../src/transfer/tus-answer.ts'

const now = Date.parse('2026-11-23T12:00:00Z')
const url = 'https://collector.example/'
const hour = 3_600_000

function answer(status: number, body: object | string = '', headers: Answer['headers'] = {}): Answer {
  return { status, headers, text: typeof body === 'string' ? body : JSON.stringify(body) }
}

const meaning = (given: Answer) => statusError(given, url, 'send a pack', now)

describe('a refusal of a collector', () => {
  test.each<[status: number, refusal: string, code: ErrorCode, transient: boolean]>([
    [401, 'credential-refused', 'credential-refused', false],
    [403, 'token-refused', 'credential-refused', false],
    [409, 'device-known', 'credential-refused', false],
    [403, 'forbidden', 'destination-forbidden', false],
    [409, 'log-gap', 'destination-behind', false],
    [409, 'log-forked', 'destination-ahead', false],
    [413, 'pack-too-large', 'pack-too-large', false],
    [422, 'header-mismatch', 'destination-refused', false],
    [423, 'upload-locked', 'destination-busy', true],
    [429, 'rate-limited', 'destination-busy', true],
    [503, 'stopping', 'destination-failing', true],
    [503, 'store-unreachable', 'destination-failing', true],
    [507, 'quota-full', 'destination-full', true],
  ])('%i %s is %s', (status, refusal, code, transient) => {
    const error = meaning(answer(status, { code: refusal, message: 'token=secret' }))
    expect(error).toMatchObject({ code, transient, data: { status, refusal } })
    expect(error.message).toContain(`(${status}, ${refusal})`)
    expect(error.message).not.toContain('secret')
  })

  test('counts by its code, whatever its status, and one that nobody knows by its status', () => {
    expect(meaning(answer(400, { code: 'quota-full' })).code).toBe('destination-full')
    expect(meaning(answer(403, { code: 'constructor' })).code).toBe('destination-forbidden')
    expect(meaning(answer(503, { code: 'teapot' })).code).toBe('destination-failing')
  })
})

describe('an answer that only has a status', () => {
  test.each<[status: number, code: ErrorCode, transient: boolean]>([
    [401, 'credential-refused', false], [403, 'destination-forbidden', false], [404, 'destination-missing', false],
    [407, 'proxy-refused', false], [408, 'destination-busy', true], [410, 'destination-missing', false],
    [412, 'destination-refused', false], [413, 'pack-too-large', false], [423, 'destination-busy', true],
    [429, 'destination-busy', true], [500, 'destination-failing', true], [502, 'destination-failing', true],
    [503, 'destination-failing', true], [507, 'destination-full', true], [599, 'destination-failing', true],
    [600, 'destination-failing', true], [418, 'destination-refused', false],
  ])('%i is %s', (status, code, transient) => {
    expect(meaning(answer(status))).toMatchObject({ code, transient, data: { status } })
  })
})

describe('clocks', () => {
  const dated = (ms: number) => ({ date: new Date(now + ms).toUTCString() })

  test('that differ by minutes agree; others are told by how much and which way', () => {
    expect(clockSkew(answer(200, '', dated(4 * 60_000)), now)).toBeUndefined()
    expect(clockSkew(answer(200, '', { date: 'soon' }), now)).toBeUndefined()
    expect(clockSkew(answer(200, '', dated(-3 * hour)), now)).toBe(3 * hour)
    expect(meaning(answer(403, '', dated(-3 * hour))).message).toContain('This machine’s clock is 3 h ahead of its clock.')
    expect(meaning(answer(401, '', dated(72 * hour))).message).toContain('This machine’s clock is 3 d behind its clock.')
    expect(meaning(answer(401, '', dated(0))).message).not.toContain('clock')
  })

  test('that are the cause are the error, with what is known of them', () => {
    expect(clockWrong(url, -90 * 60_000)).toMatchObject({ code: 'clock-wrong', transient: false, data: { skewMs: -90 * 60_000 } })
    expect(clockWrong(url, -90 * 60_000).message).toContain('90 min behind that of')
    expect(clockWrong(url, undefined).message).toContain('too far off')
  })

  test('are remembered from the last answer that told one', () => {
    const clock = new ServerClock(() => now)
    clock.see(answer(200, '', dated(-3 * hour)))
    clock.see(answer(200))
    expect(clock.skewMs).toBe(3 * hour)
    clock.see(answer(200, '', dated(0)))
    expect(clock.skewMs).toBeUndefined()
  })
})

/** As undici hands them on: the system's error is a cause. */
function failure(code: string): Error {
  return new TypeError('fetch failed', { cause: Object.assign(new Error('credential=secret'), { code }) })
}

describe('a connection that failed with', () => {
  test.each<[errno: string, code: ErrorCode, transient: boolean, words: RegExp]>([
    ['ENOTFOUND', 'name-unresolved', true, /No server of that name/],
    ['EAI_AGAIN', 'name-unresolved', true, /cannot be looked up now/],
    ['ECONNREFUSED', 'destination-unreachable', true, /Nothing accepts connections/],
    ['ECONNRESET', 'destination-unreachable', true, /was cut/],
    ['EPIPE', 'destination-unreachable', true, /was cut/],
    ['ETIMEDOUT', 'destination-unreachable', true, /in time/],
    ['UND_ERR_CONNECT_TIMEOUT', 'destination-unreachable', true, /in time/],
    ['ENETUNREACH', 'destination-unreachable', true, /no way to it/],
    ['EACCES', 'destination-unreachable', true, /firewall/],
    ['EPROTO', 'destination-unreachable', true, /does not speak TLS/],
    ['HPE_INVALID_CONSTANT', 'destination-unreachable', true, /does not speak HTTP/],
    ['ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR', 'destination-unreachable', true, /TLS failed/],
    ['EWHATEVER', 'destination-unreachable', true, /EWHATEVER/],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'certificate-refused', false, /no kind of TLS/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'certificate-refused', false, /no kind of TLS/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'credential-refused', false, /certificate of this machine/],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'credential-refused', false, /certificate of this machine/],
    ['CERT_HAS_EXPIRED', 'certificate-refused', false, /has expired, or this machine’s clock is ahead/],
    ['CERT_NOT_YET_VALID', 'clock-wrong', false, /clock/],
    ['CERT_REVOKED', 'certificate-refused', false, /revoked/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate-refused', false, /another name/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'certificate-refused', false, /self-signed/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'certificate-refused', false, /authority that this machine does not know/],
  ])('%s is %s', (errno, code, transient, words) => {
    const error = connectionError(failure(errno), url)
    expect(error).toMatchObject({ code, transient, data: { errno } })
    expect(error.message).toMatch(words)
    expect(error.message).not.toContain('secret')
    expect(error.message).toMatch(/[.?]$/)
  })

  test('a certificate that is over is the clock’s fault where the server’s clock was seen to differ', () => {
    expect(connectionError(failure('CERT_HAS_EXPIRED'), url, 400 * 24 * hour)).toMatchObject({ code: 'clock-wrong' })
    expect(connectionError(failure('CERT_HAS_EXPIRED'), url, 400 * 24 * hour).message).toContain('400 d ahead of')
  })

  test.each(['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'SELF_SIGNED_CERT_IN_CHAIN'])(
    '%s says how an authority is made known, and a certificate of another name does not', (errno) => {
      expect(connectionError(failure(errno), url).message).toContain('name its certificate in connection.ca (docs/connection.md).')
      expect(connectionError(failure('ERR_TLS_CERT_ALTNAME_INVALID'), url).message).not.toContain('connection.ca')
    })

  test('an error of Sluice’s own is handed back, and a circle of causes ends', () => {
    const own = new SluiceError('proxy-refused', 'no')
    expect(connectionError(new Error('x', { cause: own }), url)).toBe(own)
    const circle = new Error('a')
    circle.cause = new Error('b', { cause: circle })
    expect(connectionError(circle, url).code).toBe('destination-unreachable')
  })
})
