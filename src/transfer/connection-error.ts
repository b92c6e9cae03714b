import type { ErrorCode } from '../observe/error-codes.ts'
import { SluiceError, systemCode } from '../observe/error.ts'
import { clockWrong, unreachable } from './tus-answer.ts'

/**
 * What a connection that failed means. `skewMs`: how far this machine's clock is ahead of the server's, as far as an
 * earlier answer told. Errors of Sluice's own, also as a cause, are handed back as they are.
 */
export function connectionError(error: unknown, url: string, skewMs?: number): SluiceError {
  const own = causesOf(error).find((cause) => cause instanceof SluiceError)
  if (own) return own
  const errno = causesOf(error).map(systemCode).find((found) => found !== undefined) ?? 'unknown'
  const details = { cause: error, data: { errno } }
  // A certificate is made before it is used: it is this clock that is behind. One that is over may just be old.
  if (errno === 'CERT_NOT_YET_VALID' || (errno === 'CERT_HAS_EXPIRED' && skewMs !== undefined)) return clockWrong(url, skewMs, details)
  const certificate = certificateFault(errno)
  if (certificate !== undefined) {
    return new SluiceError('certificate-refused',
      `The certificate of ${url} ${certificate} (${errno}). Nothing is sent to a server that cannot prove who it is. `
      + 'On a network with a login page, as in a hotel, log in first.'
      + (isUnknownAuthority(errno) ? ' If the authority is your company’s, name its certificate in connection.ca (docs/connection.md).' : ''), details)
  }
  const name = nameFaults[errno]
  if (name !== undefined) {
    return new SluiceError('name-unresolved', `Cannot reach ${url}. ${name} (${errno}).`, { ...details, transient: true })
  }
  const refusal = tlsRefusal(errno)
  if (refusal) return new SluiceError(refusal.code, `${url} ${refusal.words} (${errno}). Nothing was sent.`, details)
  return unreachable(url, whatHappened(errno), details)
}

/** An error with its causes, outermost first; a circle ends it. */
function causesOf(error: unknown): unknown[] {
  const found: unknown[] = []
  for (let at = error; at !== undefined && !found.includes(at); at = at instanceof Error ? at.cause : undefined) found.push(at)
  return found
}

const nameFaults: Readonly<Record<string, string>> = {
  ENOTFOUND: 'No server of that name is known on this network',
  EAI_AGAIN: 'Its name cannot be looked up now; is this network on the internet?',
  EAI_FAIL: 'Its name cannot be looked up',
  EAI_NODATA: 'That name has no address',
}

const connectionFaults: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Nothing accepts connections there.',
  ECONNRESET: 'The connection was cut.',
  ECONNABORTED: 'The connection was cut.',
  EPIPE: 'The connection was cut.',
  UND_ERR_SOCKET: 'The connection was cut.',
  ETIMEDOUT: 'It did not answer in time.',
  UND_ERR_CONNECT_TIMEOUT: 'It did not answer in time.',
  EHOSTUNREACH: 'There is no way to it from this network.',
  ENETUNREACH: 'There is no way to it from this network.',
  ENETDOWN: 'The network is down.',
  EADDRNOTAVAIL: 'This machine has no address on that network now.',
  EACCES: 'This machine’s firewall does not let Sluice connect.',
  EPERM: 'This machine’s firewall does not let Sluice connect.',
  EPROTO: 'It does not speak TLS; is the port right?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'It does not speak TLS; is the port right?',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'It does not speak TLS; is the port right?',
}

function whatHappened(errno: string): string {
  const known = connectionFaults[errno]
  if (known !== undefined) return known
  if (errno.startsWith('HPE_')) return `What answers there does not speak HTTP (${errno}).`
  return errno.startsWith('ERR_SSL_') ? `TLS failed (${errno}).` : `The connection failed (${errno}).`
}

/** A server that ends the handshake has its reasons: it is not down, and trying again soon is of no use. */
function tlsRefusal(errno: string): { readonly code: ErrorCode, readonly words: string } | undefined {
  if (/^ERR_SSL_\w*(UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|NO_PROTOCOLS_AVAILABLE|NO_SHARED_CIPHER|HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY|DH_KEY_TOO_SMALL)$/.test(errno)) {
    return { code: 'certificate-refused', words: 'speaks no kind of TLS that is safe enough for Sluice' }
  }
  if (/^ERR_SSL_\w*(ALERT_\w*CERTIFICATE\w*|ALERT_UNKNOWN_CA|ALERT_ACCESS_DENIED)$/.test(errno)) {
    return { code: 'credential-refused', words: 'does not accept the certificate of this machine, or wants one' }
  }
  return undefined
}

const certificateFaults: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired, or this machine’s clock is ahead',
  CERT_REVOKED: 'was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another name',
  HOSTNAME_MISMATCH: 'is for another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'comes from an authority of its own that this machine does not know',
}

const isUnknownAuthority = (errno: string): boolean => /^(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)\w*)$/.test(errno)

/** Completes "the certificate …"; undefined for a code that is none of a certificate. */
function certificateFault(errno: string): string | undefined {
  if (certificateFaults[errno] !== undefined) return certificateFaults[errno]
  return /^(UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)|CERT_|CRL_|INVALID_(CA|PURPOSE))/.test(errno)
    ? 'comes from an authority that this machine does not know, or is damaged'
    : undefined
}
