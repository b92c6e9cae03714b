/**
 * Claim: a pack and a credential leave this machine only to a server whose certificate is valid for the destination's
 * name and, where keys are pinned, whose chain holds one of them; whatever stands in between, and whatever the
 * environment says.
 *
 * Method: real TLS servers with certificates made for the test, behind a proxy that may answer in their place; judged by
 * what servers saw after TLS, not by errors alone.
 *
 * Modelled: expired, foreign and self-signed certificates, old TLS, redirects to http, a proxy that reads along with a
 * certificate of an authority that this machine trusts, chains with certificates that prove nothing. Not modelled:
 * revocation, which Node.js does not check; broken ciphers.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes, X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls, { type TlsOptions } from 'node:tls'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { SluiceError } from '../../src/observe/error.ts'
import { sliceBytes } from '../../src/transfer/destination.ts'
import { openLink, type LinkOptions } from '../../src/transfer/link/link.ts'
import { parseProxy } from '../../src/transfer/link/proxy-address.ts'
import { configuredProxy } from '../../src/transfer/link/proxy.ts'
import { pinOf, type LinkTls } from '../../src/transfer/link/trust.ts'
import { packOf, putAborting } from './packs.ts'
import { startProxy } from './proxy-server.ts'
import { Authority, packsIn, tusAt, type Certificate } from './tus-bench.ts'
import { startTusServer } from './tus-server.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const pack = packOf(1, randomBytes(2 * sliceBytes))
const refused = { code: 'certificate-refused', transient: false }
let folder: string
let authority: Authority
/** Of the same name, with another key. */
let other: Authority
let good: Certificate

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  const made = async (part: string) => {
    await mkdir(join(folder, part))
    return new Authority(join(folder, part))
  }
  authority = await made('own')
  other = await made('other')
  good = authority.issue('localhost')
})
afterAll(() => rm(folder, { recursive: true }))

const pin = (pem: string): string => pinOf(new X509Certificate(pem))

function linkWith(tls: LinkTls, options: Partial<LinkOptions> = {}) {
  const link = openLink({ clock: () => performance.now(), rate: { yields: false }, tls: { ca: authority.certificate, ...tls }, ...options })
  onTestFinished(() => link[Symbol.asyncDispose]())
  return link
}

async function serve(tls: TlsOptions & Certificate) {
  const store = await temporaryFolder()
  const server = await startTusServer({ folder: store, tls })
  onTestFinished(() => server[Symbol.asyncDispose]())
  return { server, store, at: (link: ReturnType<typeof linkWith>) => tusAt({ url: server.url, link, credential: () => 'device-secret' }) }
}

async function errorOf(work: Promise<unknown>): Promise<SluiceError> {
  const error: unknown = await work.then(() => undefined, (thrown: unknown) => thrown)
  if (!(error instanceof SluiceError)) throw new Error('no SluiceError', { cause: error })
  return error
}

describe('nothing goes to a server', () => {
  test.each<[string, () => TlsOptions & Certificate]>([
    ['whose certificate has expired', () => authority.issue('localhost', -1)],
    ['whose certificate is for another name', () => authority.issue('other.example')],
    ['whose certificate is self-signed', () => authority.selfSigned('localhost')],
    ['of an authority that is not trusted', () => other.issue('localhost')],
    ['that speaks nothing newer than TLS 1.0', () => ({ ...good, minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' })],
    ['that speaks nothing newer than TLS 1.1', () => ({ ...good, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })],
  ])('%s, directly or through a proxy, whatever the environment allows', async (_, make) => {
    const { server, at } = await serve(make())
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    onTestFinished(() => { delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'] })
    await using proxy = await startProxy({ to: server.port })
    for (const options of [{}, { proxyTo: configuredProxy(parseProxy(proxy.url)) }]) {
      expect(await errorOf(at(linkWith({}, options)).put(pack))).toMatchObject(refused)
    }
    expect([server.requests, server.bodyBytes]).toEqual([[], 0])
  })

  test('that speaks nothing newer than TLS 1.1, also where this machine takes the oldest ciphers there are', async () => {
    const before = tls.DEFAULT_CIPHERS
    tls.DEFAULT_CIPHERS = 'ALL@SECLEVEL=0' // as `--tls-cipher-list` of NODE_OPTIONS does
    onTestFinished(() => { tls.DEFAULT_CIPHERS = before })
    const { server, at } = await serve({ ...good, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' })
    expect(await errorOf(at(linkWith({})).put(pack))).toMatchObject(refused)
    expect(server.requests).toEqual([])
  })

  test('where a redirect leads away from TLS', async () => {
    const plain = await startTusServer({ folder: await temporaryFolder() })
    onTestFinished(() => plain[Symbol.asyncDispose]())
    const secure = createTlsServer(good, (_, response) => { response.writeHead(307, { location: plain.url }).end() })
    await new Promise<void>((resolve) => { secure.listen(0, '127.0.0.1', resolve) })
    onTestFinished(() => { secure.close() })
    const url = `https://localhost:${(secure.address() as AddressInfo).port}/files`
    const destination = tusAt({ url, link: linkWith({}), credential: () => 'device-secret' })
    expect(await errorOf(destination.put(pack))).toMatchObject({ code: 'captive-portal' })
    expect([plain.requests, plain.connections]).toEqual([[], 0])
  })

  test('that a proxy plays with a certificate of its own', async () => {
    const { server, at } = await serve(good)
    const impostor = await serve(other.selfSigned('localhost'))
    await using proxy = await startProxy({ to: impostor.server.port })
    expect(await errorOf(at(linkWith({}, { proxyTo: configuredProxy(parseProxy(proxy.url)) })).put(pack))).toMatchObject(refused)
    expect([...server.requests, ...impostor.server.requests]).toEqual([])
  })

  test('over plain http with a credential, unless it is this machine', async () => {
    const seen: (string | undefined)[] = []
    const server = await startTusServer({
      folder: await temporaryFolder(),
      intercept: ({ headers }) => {
        seen.push(headers.authorization)
        return false
      },
    })
    onTestFinished(() => server[Symbol.asyncDispose]())
    // A way to the server that does not show in its address.
    const way = linkWith({})
    const dispatcher = way.dispatcher.compose((dispatch) => (options, handler) => dispatch({ ...options, origin: new URL(server.url).origin }, handler))
    const away = tusAt({ url: 'http://far.example/files', link: { ...way, use: way.use.bind(way), dispatcher }, credential: () => 'device-secret' })
    await errorOf(away.head('laptop-1')).catch(() => undefined)
    await tusAt({ url: server.url, link: linkWith({}), credential: () => 'device-secret' }).head('laptop-1')
    expect(seen).toEqual([undefined, 'Bearer device-secret'])
  })
})

describe('pinned keys', () => {
  test.each<[string, () => string]>([
    ['the server', () => pin(good.cert)],
    ['the authority above it', () => pin(authority.certificate)],
  ])('of %s let a pack through, also on a connection that resumes TLS', async (_, key) => {
    const { server, store, at } = await serve(good)
    const link = linkWith({ pins: [pin(other.certificate), key()] })
    await putAborting(at(link), pack, 1)
    await link.dispatcher.request({ origin: new URL(server.url).origin, path: '/files', method: 'OPTIONS', reset: true }).then(({ body }) => body.dump())
    await at(link).put(pack)
    expect(server.connections).toBeGreaterThan(1)
    expect(await packsIn(store, 'laptop-1')).toEqual([pack.name])
  })

  test('of others stop everything, though the certificate is valid, each time', async () => {
    const { server, at } = await serve(good)
    const link = linkWith({ pins: [pin(other.certificate)] })
    for (let tries = 0; tries < 3; tries++) {
      const error = await errorOf(at(link).put(pack))
      expect(error).toMatchObject(refused)
      expect(error.message).toContain('connection.pin')
    }
    expect(server.requests).toEqual([])
  })

  test('stop a proxy that reads along with a certificate of an authority that is trusted', async () => {
    const { server, at } = await serve(good)
    const reader = await serve(other.issue('localhost'))
    await using proxy = await startProxy({ to: reader.server.port })
    const way = { proxyTo: configuredProxy(parseProxy(proxy.url)) }
    const ca = [authority.certificate, other.certificate]
    expect(await errorOf(at(linkWith({ ca, pins: [pin(authority.certificate)] }, way)).put(pack))).toMatchObject(refused)
    expect([...server.requests, ...reader.server.requests]).toEqual([])
  })

  test.each<[string, () => Promise<string>]>([
    ['that has the name of the one above', async () => authority.certificate],
    ['that has the pinned key and the name of the one above, but signed nothing', () => forged(authority)],
    ['that vouches for the one above without being an authority', () => forged(other)],
  ])('are not met by a certificate %s and only stands in the list', async (_, more) => {
    const shown = other.issue('localhost')
    const { server, at } = await serve({ key: shown.key, cert: `${shown.cert}${await more()}` })
    const ca = [authority.certificate, other.certificate]
    expect(await errorOf(at(linkWith({ ca, pins: [pin(authority.certificate)] })).put(pack))).toMatchObject(refused)
    expect(server.requests).toEqual([])
  })

  test('are not met by an authority above whose certificate has expired', async () => {
    const at = await temporaryFolder()
    const files = {
      'trusted.crt': authority.certificate,
      'old.cnf': 'basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=none\n',
    }
    for (const [file, text] of Object.entries(files)) await writeFile(join(at, file), text)
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: at, stdio: 'pipe' })
    openssl('x509', '-in', 'trusted.crt', '-pubkey', '-noout', '-out', 'trusted.pub')
    openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'old.key', '-out', 'old.csr', '-subj', '/CN=old authority')
    const sign = async (days: string) => {
      openssl('x509', '-req', '-in', 'old.csr', '-signkey', 'old.key', '-days', days, '-extfile', 'old.cnf', '-out', 'old.crt')
      // The trusted authority, certified by the old one as well, as authorities are while they are new.
      openssl(
        'x509', '-new', '-force_pubkey', 'trusted.pub', '-subj', '/CN=test authority', '-CA', 'old.crt', '-CAkey', 'old.key',
        '-CAcreateserial', '-days', '5', '-extfile', 'old.cnf', '-out', 'cross.crt',
      )
      const old = await readFile(join(at, 'old.crt'), 'utf8')
      const served = await serve({ ...good, cert: `${good.cert}${await readFile(join(at, 'cross.crt'), 'utf8')}${old}` })
      return { served, put: () => served.at(linkWith({ pins: [pin(old)] })).put(pack) }
    }
    await (await sign('5')).put()
    const expired = await sign('-1')
    expect(await errorOf(expired.put())).toMatchObject(refused)
    expect(expired.served.server.requests).toEqual([])
  })

  /** The key of an authority, certified by a server's certificate of the pinned one, and that certificate. */
  async function forged(key: Authority): Promise<string> {
    const at = await temporaryFolder()
    const own = authority.issue('evil.example')
    const files = { 'own.crt': own.cert, 'own.key': own.key, 'key.crt': key.certificate, 'ca.cnf': 'basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=none\n' }
    for (const [file, text] of Object.entries(files)) await writeFile(join(at, file), text)
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: at, stdio: 'pipe' })
    openssl('x509', '-in', 'key.crt', '-pubkey', '-noout', '-out', 'key.pub')
    openssl(
      'x509', '-new', '-force_pubkey', 'key.pub', '-subj', '/CN=test authority', '-CA', 'own.crt', '-CAkey', 'own.key',
      '-CAcreateserial', '-days', '5', '-extfile', 'ca.cnf', '-out', 'forged.crt',
    )
    return `${await readFile(join(at, 'forged.crt'), 'utf8')}${own.cert}`
  }
})

describe('a client certificate', () => {
  const asking = () => ({ ...good, ca: authority.certificate, requestCert: true, rejectUnauthorized: true })

  test('is shown to a destination that asks for it', async () => {
    const { store, at } = await serve(asking())
    const { cert, key } = authority.issue('laptop-1')
    await at(linkWith({ client: { certificate: cert, key } })).put(pack)
    expect(await packsIn(store, 'laptop-1')).toEqual([pack.name])
  })

  test('that is missing or of a stranger is no way in', async () => {
    const { server, at } = await serve(asking())
    const { cert, key } = other.issue('laptop-1')
    for (const client of [{}, { client: { certificate: cert, key } }]) {
      await errorOf(at(linkWith(client)).put(pack))
    }
    expect(server.requests).toEqual([])
  })

  test('is not shown to a proxy', async () => {
    const { server, store, at } = await serve(asking())
    const { cert, key } = authority.issue('laptop-1')
    const shown: boolean[] = []
    await using proxy = await startProxy({
      to: server.port,
      tls: { ...good, requestCert: true, rejectUnauthorized: false } as Certificate,
      answer: (_, socket) => {
        shown.push('getPeerCertificate' in socket && Object.keys((socket as unknown as { getPeerCertificate: () => object }).getPeerCertificate()).length > 0)
        return undefined
      },
    })
    await at(linkWith({ client: { certificate: cert, key } }, { proxyTo: configuredProxy(parseProxy(proxy.url)) })).put(pack)
    expect(shown).toEqual([false])
    expect(await packsIn(store, 'laptop-1')).toEqual([pack.name])
  })
})
