import { once } from 'node:events'
import { connect as connectTcp, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls'
import { errors, type buildConnector } from 'undici'
import { SluiceError } from '../../observe/error.ts'
import { Connection, type Toll } from './connection.ts'
import { authorityOf, type Proxy } from './proxy-address.ts'
import { proxyTrouble, type ProxyChoice } from './proxy.ts'
import { Trust, type LinkTls } from './trust.ts'
import { openTunnel } from './tunnel.ts'

/** How a link gets to its destination. */
export interface Way {
  readonly tls: LinkTls
  readonly proxyTo: ProxyChoice
  readonly http2: boolean
}

/** A server, or a proxy, that does not answer by then is down, as far as one attempt goes. A proxy has to connect as well. */
const connectLimitMs = { direct: 10_000, proxied: 20_000 }

interface Target {
  readonly secure: boolean
  readonly host: string
  readonly port: number
  readonly servername: string | undefined
}

/** Connects for undici. `admit` calls `open` and gives what it returns, or throws where nothing may be opened. */
export function linkConnector(way: Way, admit: (open: (toll: Toll) => Connection) => Connection): buildConnector.connector {
  const layers = new Layers(way)
  return (options, callback) => {
    const target = targetOf(options)
    const open = (): Promise<Duplex> => {
      const proxy = way.proxyTo(new URL(`${options.protocol}//${authorityOf(target)}`))
      const { host, port } = proxy ?? target
      // Half-open, so that the peer's farewell does not close the socket before the kernel's figures were read.
      const connection = admit((toll) => new Connection(
        connectTcp({ host, port, noDelay: true, keepAlive: true, allowHalfOpen: true }), host, toll,
      ))
      return establish(connection, layers, target, proxy)
    }
    // undici asks no more of it than what a Duplex with ref and unref has.
    const opened = (stream: Duplex) => { callback(null, stream as unknown as Parameters<typeof callback>[1] & object) }
    new Promise<Duplex>((resolve) => { resolve(open()) }).then(opened, (error: unknown) => { callback(asError(error), null) })
  }
}

function targetOf({ hostname, port, protocol, servername }: buildConnector.Options): Target {
  const secure = protocol === 'https:'
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return { secure, host, port: Number(port) || (secure ? 443 : 80), servername: servername ?? undefined }
}

/** The stream to speak HTTP over, once everything below it stands. When it fails, the connection is ended. */
async function establish(connection: Connection, layers: Layers, target: Target, proxy: Proxy | undefined): Promise<Duplex> {
  const ended = new AbortController()
  const fail = (error: Error) => { ended.abort(error) }
  connection.on('error', (error) => {
    fail(error)
    connection.stop(error)
  })
  connection.once('close', () => {
    fail(new errors.SocketError('closed while connecting'))
    connection.over.destroy()
  })
  const limitMs = connectLimitMs[proxy ? 'proxied' : 'direct']
  const timer = setTimeout(() => {
    const message = `no answer from ${authorityOf(proxy ?? target)} within ${limitMs / 1000} s`
    fail(new errors.ConnectTimeoutError(message))
  }, limitMs)
  const toProxy = async () => {
    await standing(connection, 'connect', ended.signal)
    if (proxy) await layers.throughProxy(connection, proxy, authorityOf(target), ended.signal)
  }
  try {
    await toProxy().catch((error: unknown) => { throw proxy ? proxyTrouble(error, proxy) : error })
    if (target.secure) await layers.toDestination(connection, target, ended.signal)
    return connection.over
  } catch (error) {
    connection.over.destroy()
    connection.destroy()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves at an event that says a stream stands; rejects with its error, or why `ended` aborted. */
async function standing(stream: Duplex, event: string, ended: AbortSignal): Promise<void> {
  await once(stream, event, { signal: ended }).catch((error: unknown) => {
    throw asError(error).name === 'AbortError' ? ended.reason : error
  })
}

/** What is put on top of a connection; remembers what spares bytes the next time. */
class Layers {
  readonly #trust: Trust
  readonly #http2: boolean
  /** Sessions of TLS that may be resumed, by what they lead to. */
  readonly #sessions = new Map<string, Buffer>()

  constructor({ tls, http2 }: Way) {
    this.#trust = new Trust(tls)
    this.#http2 = http2
  }

  async throughProxy(connection: Connection, proxy: Proxy, destination: string, ended: AbortSignal): Promise<void> {
    if (proxy.secure) {
      const place = `proxy ${authorityOf(proxy)}`
      const socket = this.#tls(connection, place, this.#trust.proxy, proxy, ['http/1.1'])
      await standing(socket, 'secureConnect', ended)
      this.#keepSession(socket, place)
    }
    await openTunnel(connection.over, proxy, destination, ended)
  }

  async toDestination(connection: Connection, target: Target, ended: AbortSignal): Promise<void> {
    const protocols = this.#http2 ? ['h2', 'http/1.1'] : ['http/1.1']
    const place = `destination ${authorityOf(target)}`
    const socket = this.#tls(connection, place, this.#trust.destination, target, protocols)
    await standing(socket, 'secureConnect', ended)
    // A session is kept only of a server that was checked, so that one that is resumed needs no chain.
    if (!socket.isSessionReused() && !this.#trust.isPinned(socket)) throw notPinned(target)
    this.#keepSession(socket, place)
  }

  #tls(
    connection: Connection, place: string, secureContext: SecureContext,
    { host, servername = isIP(host) ? undefined : host }: { readonly host: string, readonly servername?: string | undefined }, ALPNProtocols: string[],
  ): TLSSocket {
    const session = this.#sessions.get(place)
    const socket = connectTls({
      socket: connection.over, secureContext, ALPNProtocols,
      rejectUnauthorized: true, // whatever the environment says
      ...(servername === undefined ? { host } : { servername }),
      // A resumed session spares the certificate, most of a handshake's bytes.
      ...(session === undefined ? {} : { session }),
    })
    silenceOnceClosed(socket)
    // An error that nobody waits for any more shows in what is sent.
    socket.on('error', () => undefined).once('close', () => { connection.destroy() })
    connection.over = socket
    return socket
  }

  #keepSession(socket: TLSSocket, place: string): void {
    // Before version 1.3 the session came with the handshake.
    const first = socket.getProtocol() === 'TLSv1.3' ? undefined : socket.getSession()
    if (first) this.#sessions.set(place, first)
    socket.on('session', (session) => { this.#sessions.set(place, session) })
  }
}

/** TLS hands on an error of what lies below it even after it closed; undici has let go of the socket by then, and throws. */
function silenceOnceClosed(socket: TLSSocket): void {
  const emit = socket.emit.bind(socket)
  let isClosed = false // `socket.closed` is set before the error that closed it is emitted
  socket.once('close', () => { isClosed = true })
  socket.emit = (event: string | symbol, ...details: unknown[]) => (event === 'error' && isClosed ? false : emit(event as 'error', ...details as [Error]))
}

function notPinned(target: Target): SluiceError {
  return new SluiceError(
    'certificate-refused',
    `The certificate of ${authorityOf(target)} is valid, but none of the keys in connection.pin is in its chain. Nothing was sent. `
    + 'If the server has a new key, add its pin; otherwise somebody may be reading along on this network.',
  )
}

function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value))
}
