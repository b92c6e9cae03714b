import { connect as connectTcp, isIP } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { errors, type buildConnector } from 'undici'
import { Connection, type Toll } from './connection.ts'

export interface LinkTls {
  /** Certificates to trust instead of the system's, PEM. */
  readonly ca?: string | Buffer | (string | Buffer)[]
}

/** A server that does not answer by then is down, as far as one attempt goes. */
const connectLimitMs = 10_000

/** Connects for undici. `admit` calls `open` and gives what it returns, or throws where nothing may be opened. */
export function linkConnector(
  tls: LinkTls, admit: (open: (toll: Toll) => Connection) => Connection,
): buildConnector.connector {
  let session: Buffer | undefined
  return (options, callback) => {
    const host = options.hostname
    const port = Number(options.port) || (options.protocol === 'https:' ? 443 : 80)
    let connection: Connection
    try {
      // Half-open, so that the peer's farewell does not close the socket before the kernel's figures were read.
      connection = admit((toll) => new Connection(
        connectTcp({ host, port, noDelay: true, keepAlive: true, allowHalfOpen: true }), host, toll,
      ))
    } catch (error) {
      callback(asError(error), null)
      return
    }
    const stream = options.protocol === 'https:' ? withTls() : connection
    connection.over = stream
    const timer = setTimeout(() => {
      const message = `no answer from ${host}:${port} within ${connectLimitMs / 1000} s`
      connection.destroy(new errors.ConnectTimeoutError(message))
    }, connectLimitMs)
    const settled = once((error: Error | null) => {
      clearTimeout(timer)
      if (error) callback(error, null)
      // undici asks no more of it than what a Duplex with ref and unref has.
      else callback(null, stream as unknown as Parameters<typeof callback>[1] & object)
    })
    stream.once(stream === connection ? 'connect' : 'secureConnect', () => { settled(null) })
    stream.on('error', settled)
    connection.on('error', (error) => { connection.stop(error) })
    connection.once('close', () => {
      settled(new errors.SocketError('closed while connecting'))
      stream.destroy()
    })

    function withTls() {
      const servername = options.servername ?? (isIP(host) ? undefined : host)
      const socket = connectTls({
        socket: connection, ALPNProtocols: ['http/1.1'],
        ...(tls.ca === undefined ? {} : { ca: tls.ca }),
        ...(servername === undefined ? { host } : { servername }),
        // A resumed session spares the certificate, most of a handshake's bytes.
        ...(session === undefined ? {} : { session }),
      })
      return socket.on('session', (next) => { session = next })
    }
  }
}

function once(run: (error: Error | null) => void): (error: Error | null) => void {
  let done = false
  return (error) => {
    if (done) return
    done = true
    run(error)
  }
}

function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value))
}
