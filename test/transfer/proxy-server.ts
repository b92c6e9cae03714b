import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Certificate } from './tus-bench.ts'

export interface ProxyServerOptions {
  /** TLS to the proxy itself. */
  readonly tls?: Certificate
  /** What is sent in place of opening a way; undefined opens it. The connection stays open. */
  readonly answer?: (head: string, socket: Socket) => string | undefined
  /** Where every way leads, whatever was asked for: a port of this machine. */
  readonly to?: number
}

export interface ProxyServer extends AsyncDisposable {
  /** `http://127.0.0.1:4711`, or `https://localhost:4711` */
  readonly url: string
  /** The requests for a way, with their headers. */
  readonly heads: readonly string[]
  /** Everything that clients sent after their request, as they sent it. */
  readonly passed: () => Buffer
}

/** A small proxy that opens ways with CONNECT and keeps what it saw; it may answer whatever a test wants. */
export async function startProxy({ tls, answer, to }: ProxyServerOptions = {}): Promise<ProxyServer> {
  const heads: string[] = []
  const passed: Buffer[] = []
  const open = new Set<Socket>()
  const serve = (near: Socket): void => {
    open.add(near)
    near.on('error', () => undefined)
    let heard = ''
    const hear = (bytes: Buffer): void => {
      heard += bytes.toString('latin1')
      const end = heard.indexOf('\r\n\r\n')
      if (end < 0) return
      near.off('data', hear)
      near.on('data', (more: Buffer) => passed.push(more))
      const head = heard.slice(0, end)
      heads.push(head)
      const refusal = answer?.(head, near)
      if (refusal !== undefined) return void near.write(refusal)
      const [, host = '', port = ''] = /^CONNECT (.*):(\d+) HTTP/.exec(head) ?? []
      const far = connect(to ?? Number(port), to === undefined ? host : '127.0.0.1', () => {
        near.write('HTTP/1.1 200 Connection established\r\n\r\n')
        near.pipe(far).pipe(near)
      })
      open.add(far)
      far.on('error', () => near.destroy()).on('close', () => near.destroy())
      near.on('close', () => far.destroy())
    }
    near.on('data', hear)
  }
  const server = tls ? createTlsServer(tls, serve) : createServer(serve)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
    heads,
    passed: () => Buffer.concat(passed),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}
