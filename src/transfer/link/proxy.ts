import { BlockList, isIP } from 'node:net'
import { SluiceError, systemCode } from '../../observe/error.ts'
import { isLoopback } from '../tus-address.ts'
import { authorityOf, bareHost, parseProxy, type Proxy } from './proxy-address.ts'

/** Which proxy leads to an origin, if any. Throws `proxy-refused` where what names it makes no sense. */
export type ProxyChoice = (target: URL) => Proxy | undefined

/** The proxy of the config for everything but this machine in the clear, where nobody else could listen. */
export function configuredProxy(proxy: Proxy | undefined): ProxyChoice {
  return (target) => target.protocol === 'http:' && isLoopback(target.hostname) ? undefined : proxy
}

/**
 * The proxy that environment variables name: `HTTPS_PROXY` or `HTTP_PROXY` by the target's scheme, `ALL_PROXY` for both,
 * lower case before upper case; never for this machine itself, nor for what `NO_PROXY` lists.
 */
export function environmentProxy(environment: Readonly<Record<string, string | undefined>>): ProxyChoice {
  const find = (name: string) => [name.toLowerCase(), name].find((each) => environment[each])
  return (target) => {
    const name = find(target.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY') ?? find('ALL_PROXY')
    const exempt = environment[find('NO_PROXY') ?? ''] ?? ''
    if (name === undefined || isLoopback(target.hostname) || isExempt(target, exempt)) return undefined
    const proxy = parseProxy(environment[name] ?? '')
    if (proxy) return proxy
    throw new SluiceError(
      'proxy-refused',
      `The environment variable ${name} names no proxy that Sluice can use: it takes http://host:port or https://host:port. `
      + 'Change it, or set connection.proxy in the config.',
    )
  }
}

/** Whether `NO_PROXY` lists a target: `*`, domains with what is below them, addresses, networks, each with or without port. */
function isExempt(target: URL, list: string): boolean {
  const host = bareHost(target.hostname).replace(/\.$/, '')
  const port = target.port || (target.protocol === 'https:' ? '443' : '80')
  return list.toLowerCase().split(/[\s,]+/).filter((entry) => entry !== '').some((entry) => {
    if (entry === '*') return true
    const [, bracketed, named, entryPort] = /^(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [undefined, entry]
    if (entryPort !== undefined && entryPort !== port) return false
    const name = bracketed ?? named ?? ''
    if (isIP(host)) return holds(name, host)
    const domain = name.replace(/^\*?\./, '').replace(/\.$/, '')
    return domain !== '' && (host === domain || host.endsWith(`.${domain}`))
  })
}

/** Whether a network, `10.0.0.0/8`, or an address is or holds `address`. */
function holds(network: string, address: string): boolean {
  const [base = '', prefix] = network.split('/')
  const version = isIP(base)
  const bits = version === 6 ? 128 : 32
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Infinity
  if (version === 0 || version !== isIP(address) || length > bits) return false
  const type = version === 6 ? 'ipv6' : 'ipv4'
  const list = new BlockList()
  list.addSubnet(base, length, type)
  return list.check(address, type)
}

/** The request for a way to a target. */
export function connectRequest(target: string, { authorization }: Proxy): string {
  const login = authorization === undefined ? '' : `Proxy-Authorization: ${authorization}\r\n`
  return `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${login}\r\n`
}

/** What an answer's head says against the way being open; undefined when it is. */
export function connectRefusal(head: string, target: string, proxy: Proxy): SluiceError | undefined {
  const name = authorityOf(proxy)
  const [first = '', ...lines] = head.split(/\r?\n/)
  const status = Number(/^HTTP\/1\.[01] ([1-5]\d\d)(?:\s|$)/.exec(first)?.[1] ?? Number.NaN)
  if (Number.isNaN(status)) return proxyRefused(`What answers at ${name} is no proxy: it does not speak HTTP.`)
  const values = (header: string) => lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return line.slice(0, colon).toLowerCase() === header ? [line.slice(colon + 1).trim()] : []
  })
  const isPage = values('content-type').some((type) => /^(text\/html|application\/xhtml)/i.test(type))
  const data = { status }
  if (status >= 200 && status < 300 && !isPage) return undefined
  if (status === 407 || status === 401) { // tinyproxy tells a wrong log-in by 401
    const schemes = values('proxy-authenticate').map((value) => /^[A-Za-z][\w-]{0,30}/.exec(value)?.[0] ?? '').filter((scheme) => scheme !== '')
    const isBasic = schemes.length === 0 || schemes.some((scheme) => scheme.toLowerCase() === 'basic')
    if (!isBasic) return proxyRefused(`The proxy ${name} wants a log-in of a kind that Sluice does not know (${status}, ${schemes.slice(0, 4).join(', ')}). Ask whoever runs it for Basic.`, data)
    const wrong = proxy.authorization === undefined ? 'wants a log-in' : 'does not accept the log-in'
    return proxyRefused(
      `The proxy ${name} ${wrong} (${status}). Put user:password into a file that only you can read, and name it in connection.proxyCredential.`,
      data,
    )
  }
  if (status < 400 || status === 511) { // error pages of real proxies are pages too
    const what = isPage ? 'a web page' : 'something else'
    return proxyRefused(`The proxy ${name} answered with ${what} (${status}) in place of a way to ${target}. It may want a log-in: open a web page in a browser.`, data, true)
  }
  return status >= 500 || status === 429
    ? proxyRefused(`The proxy ${name} cannot reach ${target} now (${status}).`, data, true)
    : proxyRefused(`The proxy ${name} does not let ${target} be reached (${status}). Ask whoever runs it to allow that.`, data)
}

/** `proxy-refused`; transient where waiting helps. */
export function proxyRefused(message: string, data: Readonly<Record<string, number>> = {}, transient = false): SluiceError {
  return new SluiceError('proxy-refused', message, { transient, data })
}

/** What it means that a proxy could not be spoken to. Errors of Sluice's own are handed back as they are. */
export function proxyTrouble(error: unknown, proxy: Proxy): SluiceError {
  if (error instanceof SluiceError) return error
  const name = authorityOf(proxy)
  const errno = systemCode(error) ?? 'unknown'
  const details = { cause: error, data: { errno } }
  if (errno === 'ENOTFOUND' || errno === 'EAI_AGAIN') {
    return new SluiceError('name-unresolved', `The name of the proxy ${name} cannot be looked up (${errno}). Is this machine in the proxy’s network?`, { ...details, transient: true })
  }
  if (/CERT|ISSUER|SIGNATURE|SELF_SIGNED|HOSTNAME/.test(errno)) {
    return new SluiceError('certificate-refused', `The certificate of the proxy ${name} is not one to trust (${errno}). Nothing was sent.`, details)
  }
  return new SluiceError('destination-unreachable', `Cannot reach the proxy ${name} (${errno}).`, { ...details, transient: true })
}
