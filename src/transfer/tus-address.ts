/**
 * The URL of a tus server in an address, or undefined when it is none that may be used: `https://`, or `http://` to
 * this machine. Without `?` and `#`, as paths are added to it.
 */
export function parseTusAddress(address: string): URL | undefined {
  if (!/^https?:\/\/[^/]/i.test(address) || /[?#]/.test(address) || !URL.canParse(address)) return undefined
  const url = new URL(address)
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) return undefined
  return authorizationOf(url) === null ? undefined : url
}

/** Whether a host name of a URL is this machine itself. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}

/** The header that carries the user and password of a URL; undefined without any, null when they are malformed. */
export function authorizationOf({ username, password }: URL): string | null | undefined {
  if (username === '' && password === '') return undefined
  try {
    return `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`
  } catch {
    return null // a lone percent sign
  }
}

/** An address as it may be shown: without user and password, and what follows `?` or `#`, also where it is malformed. */
export function maskAddress(address: string): string {
  // Either the password holds one of these, or what follows them holds an @: which it is cannot be told.
  if (/\/\/.*[?#].*@/s.test(address)) return address.replace(/\/\/.*/s, '//…')
  return address.replace(/\/\/.*@/s, '//…@').replace(/((?:^\s*[a-z][a-z0-9+.-]+:|\/\/).*?[?#]).+/is, '$1…')
}

/** Where the server put an upload, on the server's own origin; undefined for an address elsewhere. */
export function uploadAddress(location: string, server: URL): URL | undefined {
  if (location === '' || !URL.canParse(location, server.href)) return undefined
  const url = new URL(location, server)
  if (url.host === '' || url.username !== '' || url.password !== '') return undefined
  if (url.origin === server.origin) return url
  // Behind whatever ends TLS for them, servers often do not know that they are reached by https.
  const unaware = server.protocol === 'https:' && url.protocol === 'http:' && url.host === server.host
  return unaware ? new URL(url.pathname + url.search, server) : undefined
}
