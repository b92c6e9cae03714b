import { createPrivateKey, X509Certificate } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Config } from '../config/options.ts'
import type { LinkOptions } from '../src/transfer/link/link.ts'
import { SluiceError, systemCode } from '../src/observe/error.ts'
import { parseProxy } from '../src/transfer/link/proxy-address.ts'
import { configuredProxy, environmentProxy, type ProxyChoice } from '../src/transfer/link/proxy.ts'

/** What leads to a destination; which bytes go there is another matter. */
export type Connection = Omit<Config['connection'], 'direct'>

/** A bundle of all authorities there are takes 250 kB. */
const mostBytes = 1 << 20
/** What others than the owner and the group may do with a secret: nothing. */
const othersMay = 0o007

/** How a link gets to its destination: the config's files, read now, and the proxies of `environment`. Throws `config-invalid`. */
export async function readConnection(
  connection: Connection, environment: NodeJS.ProcessEnv,
): Promise<Pick<LinkOptions, 'tls' | 'proxyTo' | 'http2'>> {
  const { caFile, pins, certificateFile, keyFile, http2 } = connection
  const ca = caFile === undefined ? undefined : await readAuthorities(caFile)
  const client = certificateFile === undefined || keyFile === undefined ? undefined : await readClient(certificateFile, keyFile)
  return { tls: { ...(ca && { ca }), ...(client && { client }), ...(pins && { pins }) }, proxyTo: await proxyOf(connection, environment), http2 }
}

async function proxyOf({ proxy, proxyCredentialFile }: Connection, environment: NodeJS.ProcessEnv): Promise<ProxyChoice> {
  if (proxy === undefined) return environmentProxy(environment)
  const configured = parseProxy(proxy === 'none' ? '' : proxy)
  if (!configured || proxyCredentialFile === undefined) return configuredProxy(configured)
  const credential = (await readFile('proxyCredential', proxyCredentialFile, othersMay)).replace(/\r?\n$/, '')
  if (!/^[^:\p{Cc}]+:\P{Cc}*$/u.test(credential)) throw invalid('proxyCredential', proxyCredentialFile, 'does not hold one line with user:password')
  return configuredProxy({ ...configured, authorization: `Basic ${Buffer.from(credential).toString('base64')}` })
}

async function readAuthorities(file: string): Promise<string[]> {
  const found = (await readFile('ca', file)).match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  try {
    for (const pem of found) new X509Certificate(pem)
  } catch (cause) {
    throw invalid('ca', file, 'holds a certificate that is damaged', cause)
  }
  if (found.length === 0) throw invalid('ca', file, 'holds no certificate in PEM')
  return found
}

async function readClient(certificateFile: string, keyFile: string): Promise<{ certificate: string, key: string }> {
  const [certificate, key] = [await readFile('certificate', certificateFile), await readFile('key', keyFile, othersMay)]
  let own: X509Certificate
  try {
    own = new X509Certificate(certificate)
  } catch (cause) {
    throw invalid('certificate', certificateFile, 'holds no certificate in PEM', cause)
  }
  try {
    if (own.checkPrivateKey(createPrivateKey(key))) return { certificate, key }
  } catch (cause) {
    throw invalid('key', keyFile, 'holds no private key in PEM that can be read without a password', cause)
  }
  throw invalid('key', keyFile, 'is not the key of connection.certificate')
}

/** A file of the config, checked as it was opened. */
async function readFile(key: keyof typeof secrets | 'ca' | 'certificate', path: string, forbiddenMode = 0): Promise<string> {
  try {
    await using file = await open(path, 'r')
    const stat = await file.stat()
    if (!stat.isFile() || stat.size > mostBytes) throw invalid(key, path, `is no file of at most ${mostBytes} bytes`)
    if (process.platform !== 'win32' && (stat.mode & forbiddenMode) !== 0) throw invalid(key, path, 'can be read by other users; to mend that: chmod o= FILE')
    return await file.readFile('utf8')
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw invalid(key, path, systemCode(error) === 'ENOENT' ? 'is not there' : `cannot be read (${systemCode(error) ?? 'unknown'})`, error)
  }
}

/** Where somebody may have written the secret itself in place of a path. */
const secrets = { proxyCredential: true, key: true } as const

function invalid(key: string, path: string, why: string, cause?: unknown): SluiceError {
  const named = key in secrets ? 'the file' : path
  return new SluiceError('config-invalid', `connection.${key}: ${named} ${why}.`, { cause })
}
