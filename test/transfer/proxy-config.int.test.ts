import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { X509Certificate } from 'node:crypto'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../config/parse.ts'
import { readConnection } from '../../daemon/connection.ts'
import { pinOf } from '../../src/transfer/link/trust.ts'
import { environment, smallest } from '../config/sample.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { Authority } from './tus-bench.ts'
import { startTusServer } from './tus-server.ts'

const connectionOf = (yaml: string) => parseConfig(`${smallest}connection:\n  ${yaml}\n`, '/etc/sluice/config.yaml', environment).config.connection

describe('the config', () => {
  test.each([
    ['proxy: http://Proxy.example:3128/', { proxy: 'http://proxy.example:3128' }],
    ['proxy: https://proxy.example', { proxy: 'https://proxy.example:443' }],
    ['proxy: http://[fd00::1]:3128', { proxy: 'http://[fd00::1]:3128' }],
    ['proxy: none', { proxy: 'none' }],
    ['ca: corp.pem', { caFile: '/etc/sluice/corp.pem' }],
    ['{ proxy: http://p:1, proxyCredential: ~/proxy-login }', { proxyCredentialFile: '/home/eve/proxy-login' }],
    [`pin: sha256/${'A'.repeat(43)}=`, { pins: [`${'A'.repeat(43)}=`] }],
    ['http2: no', { http2: false }],
    ['{}', { http2: true }],
  ])('takes %s', (yaml, connection) => {
    expect(connectionOf(yaml)).toMatchObject(connection)
  })

  test.each([
    ['proxy: http://me:hunter2@proxy.example:3128', /user and password go into the file that proxyCredential names/],
    ['proxy: socks5://proxy.example', /SOCKS/],
    ['proxy: proxy.example:3128', /http:\/\/host:port/],
    ['proxy: http://proxy.example/path', /http:\/\/host:port/],
    ['pin: sha1/abc', /sha256\//],
    ['pin: []', /pin/],
    ['proxyCredential: login', /only with proxy/],
    ['{ proxy: none, proxyCredential: login }', /only with proxy/],
    ['certificate: a.pem', /without key/],
    ['key: a.pem', /without certificate/],
  ])('refuses %s', (yaml, words) => {
    let message = ''
    try {
      connectionOf(yaml)
    } catch (error) {
      ({ message } = error as Error)
    }
    expect(message).toMatch(words)
    expect(message).not.toContain('hunter2')
  })
})

describe('what the config names', () => {
  const target = new URL('https://collector.example/')

  async function files() {
    const folder = await temporaryFolder()
    const authority = new Authority(folder)
    const write = async (name: string, text: string, mode = 0o600) => {
      await writeFile(join(folder, name), text)
      await chmod(join(folder, name), mode)
      return join(folder, name)
    }
    return { authority, write }
  }

  test('is read: authorities, a client certificate, pins, and the log-in of the proxy', async () => {
    const { authority, write } = await files()
    const { cert, key } = authority.issue('laptop-1')
    const { tls, proxyTo, http2 } = await readConnection({
      http2: true, proxy: 'http://p:3128', proxyCredentialFile: await write('login', 'me:pass:word\n'),
      caFile: await write('ca.pem', `# Corp\n${authority.certificate}\n${authority.certificate}`, 0o644),
      certificateFile: await write('cert.pem', cert, 0o644), keyFile: await write('key.pem', key, 0o640),
      pins: [pinOf(new X509Certificate(cert))],
    }, { HTTPS_PROXY: 'http://other:1' })
    expect(tls?.ca).toHaveLength(2)
    expect(tls).toMatchObject({ client: { certificate: cert, key }, pins: [pinOf(new X509Certificate(cert))] })
    expect(proxyTo?.(target)).toEqual({ secure: false, host: 'p', port: 3128, authorization: `Basic ${btoa('me:pass:word')}` })
    expect(http2).toBe(true)
  })

  test('comes before the environment, which `none` turns off', async () => {
    const variables = { HTTPS_PROXY: 'http://other:1' }
    const via = async (connection: object) => (await readConnection({ http2: true, ...connection }, variables)).proxyTo?.(target)?.host
    expect([await via({}), await via({ proxy: 'none' }), await via({ proxy: 'http://p:1' })]).toEqual(['other', undefined, 'p'])
  })

  test('and cannot be used is refused, without what is secret', async () => {
    const { authority, write } = await files()
    const { cert, key } = authority.issue('laptop-1')
    const encrypted = execFileSync('openssl', ['pkcs8', '-topk8', '-passout', 'pass:x'], { input: key }).toString()
    const [certificateFile, keyFile] = [await write('cert.pem', cert), await write('key.pem', key)]
    const proxy = 'http://p:1'
    const wrong: [object, RegExp][] = [
      [{ caFile: '/no/such.pem' }, /connection\.ca: \/no\/such\.pem is not there/],
      [{ caFile: '/dev/zero' }, /no file/],
      [{ caFile: await write('none.pem', 'hello') }, /no certificate/],
      [{ caFile: await write('bad.pem', authority.certificate.replace(/\n.{20}/, '\nAAAA')) }, /damaged/],
      [{ certificateFile: await write('no.pem', key), keyFile }, /connection\.certificate: .* holds no certificate/],
      [{ certificateFile, keyFile: await write('open.pem', key, 0o644) }, /connection\.key: the file can be read by other users/],
      [{ certificateFile, keyFile: await write('locked.pem', encrypted) }, /without a password/],
      [{ certificateFile, keyFile: await write('other.pem', authority.issue('x').key) }, /not the key of/],
      [{ proxy, proxyCredentialFile: await write('open', 'me:hunter2', 0o604) }, /can be read by other users/],
      [{ proxy, proxyCredentialFile: await write('short', 'hunter2') }, /user:password/],
      [{ proxy, proxyCredentialFile: await write('lines', 'me:hunter2\nme:hunter2') }, /user:password/],
      [{ proxy, proxyCredentialFile: '/no/me:hunter2' }, /connection\.proxyCredential: the file is not there/],
    ]
    for (const [connection, words] of wrong) {
      const error: unknown = await readConnection({ http2: true, ...connection }, {}).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'config-invalid' })
      expect((error as Error).message).toMatch(words)
      expect((error as Error).message).not.toContain('hunter2')
    }
  })
})

test('an authority that the system trusts is trusted without a word in the config', async () => {
  const folder = await temporaryFolder()
  const authority = new Authority(folder)
  const server = await startTusServer({ folder: join(folder, 'store'), tls: authority.issue('localhost') })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const link = fileURLToPath(new URL('../../src/transfer/link/link.ts', import.meta.url))
  const program = `
    import { openLink } from ${JSON.stringify(link)}
    const link = openLink({ clock: () => performance.now(), rate: { yields: false } })
    const asked = link.dispatcher.request({ origin: ${JSON.stringify(new URL(server.url).origin)}, path: '/files', method: 'OPTIONS' })
    process.exit(await asked.then(() => 0, () => 7))`
  const run = async (variables: Record<string, string>) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { env: { ...process.env, ...variables }, stdio: 'inherit' })
    return (await once(child, 'exit') as [number])[0]
  }
  expect(await run({ SSL_CERT_FILE: join(folder, 'ca.crt') })).toBe(0)
  expect(await run({})).toBe(7)
})
