import aws4 from 'aws4'
import type { Credentials } from './credentials.ts'

/** A request as it is to be sent, but for what shows who asks. */
export interface UnsignedRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** SHA-256 of the body, hex. */
  readonly sha256: string
}

export interface SignedRequest {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
}

/** Makes requests ones that a store accepts: with keys that are here, or by asking somebody who has them. */
export interface Signer {
  sign(request: UnsignedRequest): Promise<SignedRequest>
  /** The store did not accept what was signed: whatever was remembered is asked for again. */
  refused(): void
}

/** Who has the keys can also let others make a request. */
export interface UrlSigner extends Signer {
  /** A URL for a request with just these headers, whatever its body; it holds for so long, and not longer than its keys. */
  presign(request: Omit<UnsignedRequest, 'sha256'>, expiresSeconds: number): Promise<URL>
}

export interface LocalSignerOptions {
  readonly credentials: Credentials
  readonly region: string
  readonly now: () => number
}

/** Signs with keys of this machine, by AWS Signature Version 4. */
export function localSigner({ credentials, region, now }: LocalSignerOptions): UrlSigner {
  const amzDate = (): string => new Date(now()).toISOString().replace(/[:-]|\.\d{3}/g, '')
  return {
    async sign({ method, url, headers, sha256 }) {
      const keys = await credentials.get()
      const signed = aws4.sign({
        service: 's3', region, method, host: url.host, path: url.pathname + url.search,
        headers: { ...headers, 'x-amz-content-sha256': sha256, 'x-amz-date': amzDate() },
      }, keys)
      const all = Object.entries(signed.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)])
      return { url, headers: Object.fromEntries(all) as Record<string, string> }
    },
    async presign({ method, url, headers }, expiresSeconds) {
      const keys = await credentials.get()
      const query = `X-Amz-Date=${amzDate()}&X-Amz-Expires=${expiresSeconds}`
      const path = `${url.pathname}?${query}`
      const signed = aws4.sign({ service: 's3', region, method, host: url.host, path, headers: { ...headers }, signQuery: true }, keys)
      return new URL(signed.path ?? '', url)
    },
    refused: () => { credentials.forget() },
  }
}
