import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SluiceError } from '../../src/observe/error.ts'
import { authorityOf, parseProxy } from '../../src/transfer/link/proxy-address.ts'
import { configuredProxy, connectRefusal, connectRequest, environmentProxy } from '../../src/transfer/link/proxy.ts'

/** `host:port` of the proxy that an environment names for an address. */
function chosen(environment: Record<string, string>, target: string): string | undefined {
  const proxy = environmentProxy(environment)(new URL(target))
  return proxy && authorityOf(proxy)
}

describe('the environment names a proxy', () => {
  test.each([
    [{ HTTPS_PROXY: 'http://p:3128' }, 'p:3128'],
    [{ https_proxy: 'http://p:3128', HTTPS_PROXY: 'http://other:1' }, 'p:3128'],
    [{ HTTPS_PROXY: 'p:3128' }, 'p:3128'],
    [{ HTTPS_PROXY: 'https://p' }, 'p:443'],
    [{ HTTPS_PROXY: 'http://p/' }, 'p:80'],
    [{ HTTPS_PROXY: 'http://[fd00::1]:3128' }, '[fd00::1]:3128'],
    [{ ALL_PROXY: 'http://all:1' }, 'all:1'],
    [{ ALL_PROXY: 'http://all:1', HTTPS_PROXY: 'http://p:3128' }, 'p:3128'],
    [{ HTTP_PROXY: 'http://p:3128' }, undefined],
    [{ HTTPS_PROXY: '' }, undefined],
    [{}, undefined],
  ])('%j: %s leads to an https address', (environment, proxy) => {
    expect(chosen(environment, 'https://collector.example.com/')).toBe(proxy)
  })

  test('and HTTP_PROXY is for http alone', () => {
    expect(chosen({ HTTP_PROXY: 'http://p:1' }, 'http://collector.example.com/')).toBe('p:1')
  })

  test.each(['http://127.0.0.1:9/', 'https://127.1.2.3/', 'https://localhost/', 'https://[::1]/'])('never for this machine itself: %s', (target) => {
    expect(chosen({ ALL_PROXY: 'http://p:1' }, target)).toBeUndefined()
  })

  test.each([
    'socks5://me:secret@p:1080', 'ftp://secret@p', 'http://me:secret@p:99999', 'http://', 'http://p:3128/secret', 'http://%:secret@p:1', 'http://p:1?secret', 'secret p',
  ])('that makes no sense as an error without what it says: %s', (address) => {
    let found: unknown
    try {
      chosen({ HTTPS_PROXY: address }, 'https://collector.example.com/')
    } catch (error) {
      found = error
    }
    expect(found).toMatchObject({ code: 'proxy-refused', transient: false })
    expect((found as SluiceError).message).toContain('HTTPS_PROXY')
    expect((found as SluiceError).message).not.toContain('secret')
  })
})

describe('NO_PROXY', () => {
  const exempt = (list: string, target: string) => chosen({ HTTPS_PROXY: 'http://p:1', NO_PROXY: list }, target) === undefined

  test.each([
    ['*', 'https://anything.example/'],
    ['example.com', 'https://example.com/'],
    ['example.com', 'https://a.b.example.com/'],
    ['.example.com', 'https://a.example.com/'],
    ['*.example.com', 'https://a.example.com/'],
    ['EXAMPLE.com', 'https://a.Example.COM./'],
    ['other, example.com', 'https://example.com/'],
    ['other example.com', 'https://example.com/'],
    ['example.com:8443', 'https://example.com:8443/'],
    ['example.com:443', 'https://example.com/'],
    ['10.1.2.3', 'https://10.1.2.3/'],
    ['10.0.0.0/8', 'https://10.200.2.3/'],
    ['[fd00::1]:443', 'https://[fd00::1]/'],
    ['fd00::/16', 'https://[fd00::1]/'],
    ['fd00::1', 'https://[fd00::1]/'],
  ])('%s spares %s', (list, target) => {
    expect(exempt(list, target)).toBe(true)
  })

  test.each([
    ['', 'https://example.com/'],
    [',', 'https://example.com/'],
    ['.', 'https://example.com/'],
    ['example.com', 'https://badexample.com/'],
    ['example.com', 'https://example.com.evil.test/'],
    ['example.com:8443', 'https://example.com/'],
    ['10.0.0.0/8', 'https://11.0.0.1/'],
    ['10.0.0.0/99', 'https://10.0.0.1/'],
    ['10.0.0.0/x', 'https://10.0.0.1/'],
    ['0.0.0.1', 'https://10.0.0.1/'],
    ['2.3', 'https://10.1.2.3/'],
    ['10.0.0.0/8', 'https://ten.example/'],
    ['::/0', 'https://10.0.0.1/'],
  ])('%s does not spare %s', (list, target) => {
    expect(exempt(list, target)).toBe(false)
  })

  test('of any text is no reason to fail', () => {
    fc.assert(fc.property(fc.string(), fc.webUrl(), (list, target) => {
      const found = chosen({ HTTPS_PROXY: 'http://p:1', HTTP_PROXY: 'http://p:1', NO_PROXY: list }, target)
      expect([undefined, 'p:1']).toContain(found)
    }))
  })
})

test('the proxy of a config is for everything but http on this machine', () => {
  const proxyTo = configuredProxy(parseProxy('http://p:1'))
  expect(proxyTo(new URL('http://127.0.0.1/'))).toBeUndefined()
  expect(proxyTo(new URL('http://localhost:80/'))).toBeUndefined()
  expect(proxyTo(new URL('https://localhost/'))).toBeDefined()
  expect(configuredProxy(undefined)(new URL('https://example.com/'))).toBeUndefined()
})

test('a request for a way carries the log-in as Basic, and nothing else of it', () => {
  const proxy = parseProxy('http://me:se%63ret@p:1')
  expect(proxy && connectRequest('h:443', proxy)).toBe(
    `CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nProxy-Authorization: Basic ${Buffer.from('me:secret').toString('base64')}\r\n\r\n`,
  )
})

describe('an answer to CONNECT', () => {
  const proxy = { secure: false, host: 'p', port: 3128 }
  const refusal = (head: string, authorization?: string) => connectRefusal(head, 'h:443', { ...proxy, ...(authorization && { authorization }) })

  test.each([
    'HTTP/1.1 200 Connection established', 'HTTP/1.0 200 OK', 'HTTP/1.1 204', 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked',
  ])('%j opens the way', (head) => {
    expect(refusal(head)).toBeUndefined()
  })

  test.each([
    ['HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm="x"', undefined, false, /wants a log-in \(407\).*connection\.proxyCredential/],
    ['HTTP/1.1 407 Auth\r\nproxy-authenticate: Negotiate\r\nProxy-Authenticate: basic', 'Basic eA==', false, /does not accept the log-in \(407\).*proxyCredential/],
    ['HTTP/1.1 407 Auth\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM', undefined, false, /407, Negotiate, NTLM/],
    ['HTTP/1.1 403 Forbidden', undefined, false, /p:3128 does not let h:443 be reached \(403\)/],
    ['HTTP/1.0 401 Unauthorized\r\nContent-Type: text/html', 'Basic eA==', false, /does not accept the log-in \(401\)/],
    ['HTTP/1.1 403 Forbidden\r\nContent-Type: text/html', undefined, false, /does not let h:443 be reached \(403\)/],
    ['HTTP/1.1 511 Login\r\nContent-Type: text/html', undefined, true, /web page \(511\)/],
    ['HTTP/1.1 200 OK\r\ncontent-type: text/html', undefined, true, /web page \(200\)/],
    ['HTTP/1.1 302 Found\r\nLocation: http://portal/', undefined, true, /\(302\)/],
    ['HTTP/1.1 502 Bad gateway', undefined, true, /cannot reach h:443 now \(502\)/],
    ['HTTP/1.1 503 Busy', undefined, true, /\(503\)/],
    ['HTTP/1.1 100 Continue', undefined, true, /\(100\)/],
    ['SSH-2.0-OpenSSH', undefined, false, /is no proxy/],
    ['HTTP/1.1 2000', undefined, false, /is no proxy/],
    ['', undefined, false, /is no proxy/],
  ])('%j is an error that says so', (head, authorization, transient, words) => {
    const found = refusal(head, authorization)
    expect(found).toMatchObject({ code: 'proxy-refused', transient })
    expect(found?.message).toMatch(words)
    expect(found?.message).not.toContain('eA==')
  })

  test('of any bytes is one or the other', () => {
    const lines = fc.array(fc.oneof(fc.string(), fc.constantFrom('HTTP/1.1 407 x', 'HTTP/1.1 200 x', 'Proxy-Authenticate: ', 'Content-Type: text/html', ':')))
    fc.assert(fc.property(lines, (parts) => {
      const found = refusal(parts.join('\r\n'), 'Basic eA==')
      expect(found === undefined || found.code === 'proxy-refused').toBe(true)
      expect((found?.message ?? '').length).toBeLessThan(500)
    }))
  })
})
