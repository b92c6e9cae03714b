import { readFileSync } from 'node:fs'
import { createServer, type Server, type ServerOptions } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import { SluiceError, systemCode } from '../observe/error.ts'
import type { CollectorLimits } from './limits.ts'
import type { ListenAddress } from './listen-address.ts'

/** Paths of PEM files. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
  /** Authorities of the certificates that devices show; without it none is asked for. */
  readonly clientCa?: string
}

interface TlsContent {
  readonly cert: string
  readonly key: string
  readonly ca?: string
}

/** Shorter than a load balancer keeps connections, and it would meet ones that are just being closed. */
const keepAliveMs = 75_000
/** How often Node looks for requests that are too slow. */
const checkMs = 1000

export interface Listener {
  readonly server: Server
  /** Reads the TLS files again. Returns until when the certificate is valid, or undefined when nothing changed. Throws `config-invalid`. */
  readonly reload: () => string | undefined
}

/** A server that bears `limits`; it does not listen yet. Throws `config-invalid` when the TLS files are not usable. */
export function createListener(tls: TlsFiles | undefined, limits: CollectorLimits, perAddress: boolean): Listener {
  const options: ServerOptions = {
    headersTimeout: limits.headersMs,
    requestTimeout: 0, // a large pack on a slow line takes as long as it takes; its pace is watched instead
    connectionsCheckingInterval: Math.min(checkMs, limits.headersMs),
    keepAliveTimeout: keepAliveMs,
    maxHeaderSize: limits.maxHeaderBytes,
    insecureHTTPParser: false,
    requireHostHeader: true,
    noDelay: true,
  }
  const content = tls && readTls(tls)
  const tlsServer = content && createTlsServer({
    ...options, ...content, minVersion: 'TLSv1.2', handshakeTimeout: limits.headersMs,
    ...(content.ca !== undefined && { requestCert: true, rejectUnauthorized: true }),
  })
  const server: Server = tlsServer ?? createServer(options)
  server.maxConnections = limits.connections
  if (perAddress) limitAddresses(server, limits.connectionsPerAddress)
  return { server, reload: tls && tlsServer ? reloading(tlsServer, tls, content) : () => undefined }
}

function reloading(server: TlsServer, files: TlsFiles, first: TlsContent): () => string | undefined {
  let used = first
  return () => {
    const content = readTls(files)
    if (JSON.stringify(content) === JSON.stringify(used)) return undefined
    server.setSecureContext({ ...content, minVersion: 'TLSv1.2' })
    used = content
    return new X509Certificate(content.cert).validTo
  }
}

function limitAddresses(server: Server, most: number): void {
  const open = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (open.get(address) ?? 0) + 1
    if (count > most) return void socket.destroy()
    open.set(address, count)
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
  })
}

/** Listens, and returns the port. Throws `config-invalid`. */
export async function listen(server: Server, { host, port }: ListenAddress): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen(port, host, resolve)
  try {
    await promise
  } catch (error) {
    const help = systemCode(error) === 'EADDRINUSE' ? 'Another program listens there, perhaps another collector.' : 'Choose another address.'
    throw new SluiceError('config-invalid', `Cannot listen on ${host}:${port} (${systemCode(error)}). ${help}`, { cause: error })
  }
  server.off('error', reject)
  return (server.address() as AddressInfo).port
}

function readTls(files: TlsFiles): TlsContent {
  try {
    const content = {
      cert: readFileSync(files.cert, 'utf8'),
      key: readFileSync(files.key, 'utf8'),
      ...(files.clientCa !== undefined && { ca: readFileSync(files.clientCa, 'utf8') }),
    }
    createSecureContext(content)
    return content
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new SluiceError('config-invalid', `The TLS files ${files.cert} and ${files.key} cannot be used: ${why}`, { cause: error })
  }
}
