import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import type { TlsFiles } from '../../src/collector/listener.ts'
import { packOf } from '../transfer/packs.ts'
import { Authority, plainLink, tusAt, type Certificate } from '../transfer/tus-bench.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { startBench } from './bench.ts'
import { sendRaw, statusesIn } from './raw-socket.ts'

interface Issued {
  readonly folder: string
  readonly authority: Authority
  readonly files: TlsFiles
  readonly write: (certificate: Certificate) => void
}

async function issued(days = 30): Promise<Issued> {
  const folder = await temporaryFolder()
  const authority = new Authority(folder)
  const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }
  const write = ({ cert, key }: Certificate): void => {
    writeFileSync(files.cert, cert)
    writeFileSync(files.key, key)
  }
  write(authority.issue('localhost', days))
  return { folder, authority, files, write }
}

interface AskOptions {
  readonly ca: string
  readonly client?: Certificate
  readonly credential?: string
}

/** The status of a request for the head of a log, or the code of the error on the way. */
async function headOf(port: number, device: string, { ca, client, credential }: AskOptions): Promise<{ readonly status: number; readonly validTo: string } | string> {
  return await new Promise((resolve) => {
    const asking = httpsRequest({
      host: 'localhost', port, path: `/logs/${device}/head`, ca, ...client, agent: false, headers: credential === undefined ? {} : { authorization: `Bearer ${credential}` },
    }, (answer) => {
      const { valid_to: validTo } = (answer.socket as import('node:tls').TLSSocket).getPeerCertificate()
      resolve({ status: answer.statusCode ?? 0, validTo })
      answer.resume()
    })
    asking.on('error', (error: NodeJS.ErrnoException) => { resolve(error.code ?? error.message) }).end()
  })
}

describe('TLS', () => {
  test('with a certificate that has expired is refused by our client, and nothing is sent', async () => {
    const { authority, files } = await issued(-1)
    const bench = await startBench({ tls: files })
    const credential = await bench.enrol()
    const destination = tusAt({ url: `https://localhost:${bench.collector.port}/`, link: plainLink(authority.certificate), credential: () => credential })
    await expect(destination.put(packOf(1, randomBytes(10)))).rejects.toMatchObject({ transient: expect.any(Boolean) as boolean, message: expect.stringMatching(/expired/) as string })
    expect(bench.events.some(({ event }) => event === 'upload.created')).toBe(false)
  })

  test('takes a new certificate without a restart, and keeps the old one while the files are faulty', async () => {
    const { authority, files, write } = await issued()
    const bench = await startBench({ tls: files })
    const credential = await bench.enrol()
    const ask = () => headOf(bench.collector.port, 'laptop-1', { ca: authority.certificate, credential })
    const first = await ask()
    expect(first).toMatchObject({ status: 204 })
    writeFileSync(files.key, 'no key')
    bench.collector.reloadCertificate()
    expect(bench.events.at(-1)?.event === 'request.refused' ? undefined : bench.events.some(({ event }) => event === 'certificate.not-reloaded')).toBe(true)
    expect(await ask()).toEqual(first)
    write(authority.issue('localhost', 60))
    bench.collector.reloadCertificate()
    const second = await ask()
    expect(second).toMatchObject({ status: 204 })
    expect(second).not.toEqual(first)
    expect(bench.events.filter(({ event }) => event === 'certificate.reloaded')).toHaveLength(1)
  })

  test('is not made up for by plain HTTP on its port', async () => {
    const { files } = await issued()
    const bench = await startBench({ tls: files })
    expect(statusesIn(await sendRaw(bench.collector.port, 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n'))).not.toContain(200)
  })

  test('with certificates of devices takes a device by its own only, and with its credential', async () => {
    const { folder, authority, files } = await issued()
    const strangers = new Authority(await temporaryFolder())
    const ca = authority.certificate
    writeFileSync(join(folder, 'devices.crt'), ca)
    const bench = await startBench({ tls: { ...files, clientCa: join(folder, 'devices.crt') } })
    const credential = await bench.enrol('laptop-1')
    const ask = (client?: Certificate, shown: string | undefined = credential) =>
      headOf(bench.collector.port, 'laptop-1', { ca, ...(client && { client }), ...(shown && { credential: shown }) })
    expect(await ask(authority.issue('laptop-1'))).toMatchObject({ status: 204 })
    expect(await ask(authority.issue('laptop-2'))).toMatchObject({ status: 401 })
    expect(await ask(authority.issue('laptop-1'), '')).toMatchObject({ status: 401 })
    for (const client of [undefined, strangers.issue('laptop-1'), strangers.selfSigned('laptop-1'), authority.issue('laptop-1', -1)]) {
      expect(typeof await ask(client)).toBe('string')
    }
  })
})

describe('without TLS', () => {
  test.each(['0.0.0.0', '192.0.2.1', '::', 'collector.example.com'])('listening on %s is refused in words', async (host) => {
    await expect(startBench({ listen: { host, port: 0 } })).rejects.toMatchObject({ code: 'config-invalid', message: expect.stringContaining('behindProxy') as string })
  })

  test('behind a proxy, who came to it by plain HTTP is refused, and addresses are the proxy’s word', async () => {
    const bench = await startBench({ listen: { host: '0.0.0.0', port: 0 }, behindProxy: true })
    const url = `http://127.0.0.1:${bench.collector.port}/`
    const by = async (proto: string) => (await bench.ask('logs/laptop-1/head', { url, headers: { 'x-forwarded-proto': proto, 'x-forwarded-for': '203.0.113.9' } })).status
    expect([await by('https'), await by('http'), await by('HTTP'), await by('http, https')]).toEqual([204, 403, 403, 403])
    expect((await bench.ask('health', { url })).status).toBe(200)
    expect(bench.events.find(({ event }) => event === 'request.refused')).toMatchObject({ address: '203.0.113.9' })
  })

  test('what a stranger says of itself in the place of a proxy is not believed', async () => {
    const bench = await startBench()
    await bench.ask('nothing', { headers: { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http' } })
    await vi.waitFor(() => { expect(bench.events.at(-1)).toMatchObject({ event: 'request.refused', code: 'unknown-address', address: '127.0.0.1' }) })
  })
})

test('an address that is taken is refused in words', async () => {
  const bench = await startBench()
  await expect(bench.another({ listen: { host: '127.0.0.1', port: bench.collector.port } })).rejects.toMatchObject({ code: 'config-invalid' })
})

test('TLS files that cannot be used are refused in words', async () => {
  const { files } = await issued()
  writeFileSync(files.cert, 'nothing')
  await expect(startBench({ tls: files })).rejects.toMatchObject({ code: 'config-invalid' })
  await expect(startBench({ tls: { ...files, cert: '/nowhere' } })).rejects.toMatchObject({ code: 'config-invalid' })
})
