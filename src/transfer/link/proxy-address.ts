import { authorizationOf } from '../tus-address.ts'

/** A server that opens ways to others when asked with CONNECT. */
export interface Proxy {
  readonly secure: boolean
  readonly host: string
  readonly port: number
  /** Value of `Proxy-Authorization`. Shown nowhere. */
  readonly authorization?: string
}

/** A proxy at `http://host:port` or `https://host:port`, user and password in it included; undefined for anything else. */
export function parseProxy(text: string): Proxy | undefined {
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  if (!/^https?:\/\/[^/]/i.test(address) || /[?#]/.test(address) || !URL.canParse(address)) return undefined
  const url = new URL(address)
  const authorization = authorizationOf(url)
  if (url.pathname !== '/' || authorization === null) return undefined
  const secure = url.protocol === 'https:'
  return {
    secure,
    host: bareHost(url.hostname),
    port: Number(url.port) || (secure ? 443 : 80),
    ...(authorization !== undefined && { authorization }),
  }
}

/** The host of a URL without the brackets of IPv6. */
export const bareHost = (hostname: string): string => hostname.toLowerCase().replace(/^\[(.*)\]$/, '$1')

/** `host:port`, as requests and messages name it. */
export function authorityOf({ host, port }: { readonly host: string, readonly port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
