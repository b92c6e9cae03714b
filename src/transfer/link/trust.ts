import { createHash, X509Certificate } from 'node:crypto'
import { createSecureContext, getCACertificates, type DetailedPeerCertificate, type SecureContext, type TLSSocket } from 'node:tls'

/** Whom a link trusts, and what it shows of itself. */
export interface LinkTls {
  /** Certificates to trust beside the system's and those that come with Node.js, PEM. */
  readonly ca?: string | Buffer | (string | Buffer)[]
  /** What this machine shows to a destination that asks who it is, PEM. */
  readonly client?: { readonly certificate: string | Buffer, readonly key: string | Buffer }
  /** SHA-256 of public keys (SPKI), base64. With any, one of them must be in the destination's chain. */
  readonly pins?: readonly string[]
}

let commonAuthorities: readonly string[] | undefined

/** Takes 60 ms the first time, for a few hundred certificates. */
function authorities(): readonly string[] {
  commonAuthorities ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])]
  return commonAuthorities
}

/** Makes the settings of TLS once, when first asked for: they take 15 ms and hold some hundred certificates. */
export class Trust {
  readonly #tls: LinkTls
  #destination: SecureContext | undefined
  #proxy: SecureContext | undefined

  constructor(tls: LinkTls) {
    this.#tls = tls
  }

  get destination(): SecureContext {
    const { client } = this.#tls
    this.#destination ??= this.#contextWith(client ? { cert: client.certificate, key: client.key } : {})
    return this.#destination
  }

  /** Proxies are shown no certificate. */
  get proxy(): SecureContext {
    if (!this.#tls.client) return this.destination
    this.#proxy ??= this.#contextWith({})
    return this.#proxy
  }

  /** Whether a destination whose certificate was verified has a key that was pinned, or none had to be. */
  isPinned(socket: TLSSocket): boolean {
    const { pins } = this.#tls
    return pins === undefined || chainOf(socket.getPeerCertificate(true), Date.now()).some((each) => pins.includes(pinOf(each)))
  }

  #contextWith(own: { readonly cert?: string | Buffer, readonly key?: string | Buffer }): SecureContext {
    const { ca = [] } = this.#tls
    // Neither a flag nor a variable of the environment may lower this.
    return createSecureContext({ ...own, ca: [...authorities(), ...[ca].flat()], minVersion: 'TLSv1.2' })
  }
}

/** SHA-256 of a certificate's public key, base64 (RFC 7469, section 2.4). */
export function pinOf({ publicKey }: X509Certificate): string {
  return createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64')
}

/** No chain of real authorities is longer. */
const longestChain = 10

/**
 * The certificates from a leaf upwards, as far as each is signed by the next. The list that a server sends proves
 * nothing: it may put any certificate behind its own, so each step is checked.
 */
function chainOf(leaf: DetailedPeerCertificate, now: number): X509Certificate[] {
  const chain: X509Certificate[] = []
  for (let at: DetailedPeerCertificate | undefined = leaf; at?.raw && chain.length < longestChain; at = at.issuerCertificate) {
    const certificate = new X509Certificate(at.raw)
    const below = chain.at(-1)
    if (below && !(isInForce(certificate, now) && certificate.ca && below.checkIssued(certificate) && below.verify(certificate.publicKey))) break
    if (below?.fingerprint256 === certificate.fingerprint256) break // a root names itself as its issuer
    chain.push(certificate)
  }
  return chain
}

function isInForce({ validFrom, validTo }: X509Certificate, now: number): boolean {
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo)
}
