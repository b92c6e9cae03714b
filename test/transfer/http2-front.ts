import { once } from 'node:events'
import { request as requestPlain, type RequestListener } from 'node:http'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Certificate } from './tus-bench.ts'

export interface Http2FrontOptions {
  /** Port of the server behind it, on this machine. */
  readonly to: number
  readonly tls: Certificate
  /** False: nothing newer than HTTP/1.1 is offered. */
  readonly offers?: boolean
  /** Sees each request first. True: it has answered, or will. */
  readonly intercept?: (request: Http2ServerRequest, response: Http2ServerResponse) => boolean
  /** Called with each piece of a request's body as it arrives. */
  readonly onBody?: (request: Http2ServerRequest) => void
}

export interface Http2Front extends AsyncDisposable {
  /** `https://localhost:4711/files` */
  readonly url: string
  readonly connections: number
  readonly sessions: ReadonlySet<ServerHttp2Session>
}

/** HTTP/2 in front of a server that knows only HTTP/1.1; a test may do to streams and sessions what it likes. */
export async function startHttp2Front({ to, tls, offers = true, intercept, onBody }: Http2FrontOptions): Promise<Http2Front> {
  const sessions = new Set<ServerHttp2Session>()
  const sockets = new Set<Socket>()
  let connections = 0
  const relay = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    if (intercept?.(request, response)) return
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !name.startsWith(':') && !connectionHeaders.has(name)))
    const onward = requestPlain({ port: to, host: '127.0.0.1', method: request.method, path: request.url, headers })
    onward.on('error', () => undefined).on('response', (answer) => {
      const kept = Object.entries(answer.headers).filter(([name]) => !connectionHeaders.has(name))
      response.writeHead(answer.statusCode ?? 500, Object.fromEntries(kept))
      answer.pipe(response)
    })
    request.on('error', () => undefined).on('data', () => onBody?.(request)).pipe(onward)
    // What is under way is stored first: a server drops what it is working on when it learns of the end.
    request.on('aborted', () => { onward.end() })
  }
  // What is used of both is the same.
  const server = offers ? createSecureServer({ ...tls, allowHTTP1: true }, relay) : createTlsServer(tls, relay as unknown as RequestListener)
  server.on('session', (session: ServerHttp2Session) => sessions.add(session.on('error', () => undefined)))
  server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket.once('close', () => sockets.delete(socket)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}/files`,
    get connections() { return connections },
    sessions,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Those that HTTP/2 forbids. */
const connectionHeaders = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'host'])
