import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { sliceBytes } from '../../src/transfer/destination.ts'
import { openLink, type LinkOptions } from '../../src/transfer/link/link.ts'
import { parseProxy } from '../../src/transfer/link/proxy-address.ts'
import { configuredProxy, environmentProxy } from '../../src/transfer/link/proxy.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { freePort, listening } from '../../bench/lib/port.ts'
import { packOf, putAborting, putCounting } from './packs.ts'
import { startProxy, type ProxyServerOptions } from './proxy-server.ts'
import { Authority, packBytes, packsIn, tusAt, type Certificate, type TusBench } from './tus-bench.ts'
import { startTusServer } from './tus-server.ts'

const name = 'collector.example'
let authority: Authority
let certificate: Certificate
let proxyCertificate: Certificate

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  authority = new Authority(folder)
  certificate = authority.issue(name)
  proxyCertificate = authority.issue('localhost')
})
afterAll(() => rm(folder, { recursive: true }))

function linkThrough(proxy: string, options: Partial<LinkOptions> = {}) {
  const link = openLink({
    clock: () => performance.now(), rate: { yields: false }, tls: { ca: authority.certificate },
    proxyTo: configuredProxy(parseProxy(proxy)), ...options,
  })
  onTestFinished(() => link[Symbol.asyncDispose]())
  return link
}

/** A server behind a name that only a proxy of ours can reach. */
async function serve(tls = certificate) {
  const folder = await temporaryFolder()
  const server = await startTusServer({ folder, tls })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const at = (proxy: string, bench: Partial<TusBench> = {}) =>
    tusAt({ url: `https://${name}/files`, link: linkThrough(proxy), credential: () => 'device-secret', ...bench })
  return { folder, server, at }
}

async function proxyTo(to: number, options: ProxyServerOptions = {}) {
  const proxy = await startProxy({ to, ...options })
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  return proxy
}

const pack = packOf(1, randomBytes(5 * sliceBytes))

describe('through a proxy', () => {
  test.each([['in the clear', false], ['over TLS', true]])('that is spoken to %s, a pack arrives over one connection, resumes, and nothing but TLS passes', async (_, secure) => {
    const { folder, server, at } = await serve()
    const proxy = await proxyTo(server.port, secure ? { tls: proxyCertificate } : {})
    const destination = at(proxy.url.replace('://', '://me:pass@'))
    await putAborting(destination, pack, 2)
    expect(await putCounting(destination, pack)).toBe(3 * sliceBytes)
    expect((await packBytes(folder, pack.name)).equals(pack.bytes)).toBe(true)
    expect([server.connections, proxy.heads.length]).toEqual([1, 1])
    expect(proxy.heads[0]).toBe(
      `CONNECT ${name}:443 HTTP/1.1\r\nHost: ${name}:443\r\nProxy-Authorization: Basic ${Buffer.from('me:pass').toString('base64')}`,
    )
    expect(proxy.passed()[0], 'a TLS handshake').toBe(22)
    const seen = proxy.heads.join() + proxy.passed().toString('latin1')
    for (const secret of ['device-secret', 'Bearer', 'PATCH', 'Upload-Offset']) expect(seen).not.toContain(secret)
  })

  test.each([['in the clear', false], ['over TLS', true]])('that is spoken to %s and goes away in mid-upload, it is as if the destination did, and the pack resumes', async (_, secure) => {
    const { folder, server, at } = await serve()
    const sockets: Socket[] = []
    const proxy = await proxyTo(server.port, { ...(secure && { tls: proxyCertificate }), answer: (_, socket) => { sockets.push(socket); return undefined } })
    const destination = at(proxy.url)
    let cut = false
    const onSent = () => {
      if (!cut) sockets[0]?.destroy()
      cut = true
    }
    const big = packOf(1, randomBytes(40 * sliceBytes))
    await expect(destination.put(big, { onSent })).rejects.toMatchObject({ code: 'destination-unreachable', transient: true })
    await destination.put(big)
    expect((await packBytes(folder, big.name)).equals(big.bytes)).toBe(true)
  })

  test.each([1, 2 * sliceBytes])('and TLS in TLS, a pack of %i bytes costs no more than was to be expected', async (sizeBytes) => {
    const { server, at } = await serve()
    const proxy = await proxyTo(server.port, { tls: proxyCertificate })
    const destination = at(proxy.url)
    let [charged, most] = [0, 0]
    const note = (bytes: number) => {
      charged += bytes
      most = Math.max(most, charged)
      return true
    }
    const small = packOf(1, randomBytes(sizeBytes))
    await destination.put(small, { meter: { charge: note, correct: note } })
    expect(charged).toBeGreaterThan(small.sizeBytes)
    expect(most).toBeLessThanOrEqual(destination.wireBytes(small.sizeBytes))
  })

  test('http on this machine never goes', async () => {
    const folder = await temporaryFolder()
    const server = await startTusServer({ folder })
    onTestFinished(() => server[Symbol.asyncDispose]())
    const proxy = await proxyTo(server.port)
    await tusAt({ url: server.url, link: linkThrough(proxy.url) }).put(pack)
    expect(await packsIn(folder, 'laptop-1')).toEqual([pack.name])
    expect(proxy.heads).toEqual([])
  })

  test('that the environment names, with its log-in, unless NO_PROXY spares the destination', async () => {
    const { server, at } = await serve()
    const proxy = await proxyTo(server.port)
    const environment = { HTTPS_PROXY: proxy.url.replace('://', '://me:pass@'), NO_PROXY: 'other.example' }
    await at('', { link: linkThrough('', { proxyTo: environmentProxy(environment) }) }).put(pack)
    expect(proxy.heads[0]).toContain('Proxy-Authorization: Basic')
    const spared = linkThrough('', { proxyTo: environmentProxy({ ...environment, NO_PROXY: '.example' }) })
    await expect(at('', { link: spared }).put(pack)).rejects.toMatchObject({ code: 'name-unresolved' })
    expect(proxy.heads).toHaveLength(1)
  })
})

describe('a proxy', () => {
  const put = async (proxy: string, bench: Partial<TusBench> = {}) => {
    const { server, at } = await serve()
    const error: unknown = await at(proxy.replace('://', '://me:pass-secret@'), bench).put(pack).catch((thrown: unknown) => thrown)
    expect(server.requests).toEqual([])
    expect(String(error)).not.toContain('pass-secret')
    return error
  }

  test.each([
    ['wants a log-in', 'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n', { transient: false, data: { status: 407 } }],
    ['forbids the destination', 'HTTP/1.1 403 No\r\n\r\n', { transient: false, data: { status: 403 } }],
    ['shows a web page', 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>', { transient: true, data: { status: 200 } }],
    ['cannot reach the destination', 'HTTP/1.1 502 Bad\r\n\r\n', { transient: true, data: { status: 502 } }],
    ['is none', '220 mail.example ESMTP\r\n\r\n', { transient: false }],
    ['answers without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1 << 20)}`, { transient: false }],
  ])('that %s is an error that names it, and nothing goes to it but the request', async (_, answer, error) => {
    const proxy = await proxyTo(9, { answer: () => answer })
    const found = await put(proxy.url)
    expect(found).toMatchObject({ code: 'proxy-refused', ...error })
    expect((found as Error).message).toContain(new URL(proxy.url).host)
    expect(proxy.passed()).toHaveLength(0)
  })

  test('that hangs up is tried again later', async () => {
    const proxy = await proxyTo(9, { answer: (_, socket) => { socket.end(); return '' } })
    expect(await put(proxy.url)).toMatchObject({ code: 'proxy-refused', transient: true })
  })

  test('that drips its answer is given up', async () => {
    const proxy = await proxyTo(9, { answer: () => 'HTTP/1.1 200' })
    const impatient = { answerMs: 300, progressMs: 300, stopMs: 100, lockMs: 0 }
    expect(await put(proxy.url, { patience: impatient })).toMatchObject({ code: 'destination-unreachable', transient: true })
  })

  test('that talks on after its answer leads nowhere', async () => {
    const proxy = await proxyTo(9, { answer: () => 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 201 Created\r\nTus-Resumable: 1.0.0\r\n\r\n' })
    expect(await put(proxy.url)).toMatchObject({ code: 'destination-unreachable' })
  })

  test('whose name nobody knows, or where nobody is, is an error that says so', async () => {
    expect(await put('http://proxy.invalid:3128')).toMatchObject({ code: 'name-unresolved', transient: true, message: expect.stringContaining('the proxy proxy.invalid:3128') as string })
    expect(await put(`http://127.0.0.1:${await freePort()}`)).toMatchObject({ code: 'destination-unreachable', message: expect.stringMatching(/the proxy 127.*ECONNREFUSED/) as string })
  })

  test('whose own certificate is not to be trusted is shown no log-in', async () => {
    const proxy = await proxyTo(9, { tls: authority.selfSigned('localhost') })
    expect(await put(proxy.url)).toMatchObject({ code: 'certificate-refused', message: expect.stringContaining('the proxy localhost') as string })
    expect(proxy.heads).toEqual([])
  })
})

const why = spawnSync('tinyproxy', ['-v']).status === 0 ? undefined : 'needs tinyproxy'

describe.skipIf(why)(`a real proxy${why ? ` (${why})` : ''}`, () => {
  const start = async () => {
    const folder = await temporaryFolder()
    const port = await freePort()
    const config = join(folder, 'tinyproxy.conf')
    await writeFile(config, `Port ${port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 20\nBasicAuth me secret\n`)
    await chmod(folder, 0o755)
    const child = spawn('tinyproxy', ['-d', '-c', config], { stdio: 'ignore' })
    onTestFinished(async () => {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    })
    await listening(port, () => child.exitCode !== null)
    return `127.0.0.1:${port}`
  }

  test('lets a pack through with its log-in, and no other', async () => {
    const proxy = await start()
    const { folder, server } = await serve(proxyCertificate)
    const at = (address: string) => tusAt({ url: server.url, link: linkThrough(address) })
    for (const address of [`http://${proxy}`, `http://me:wrong@${proxy}`]) {
      await expect(at(address).put(pack)).rejects.toMatchObject({ code: 'proxy-refused', transient: false })
    }
    expect(server.requests).toEqual([])
    await at(`http://me:secret@${proxy}`).put(pack)
    expect(await packsIn(folder, 'laptop-1')).toEqual([pack.name])
  })

  test('says so when nobody is at the destination', async () => {
    const proxy = await start()
    const destination = tusAt({ url: `https://localhost:${await freePort()}/`, link: linkThrough(`http://me:secret@${proxy}`) })
    await expect(destination.put(pack)).rejects.toMatchObject({ code: 'proxy-refused' })
  })
})
