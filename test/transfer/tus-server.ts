/**
 * A plain tus server (@tus/server on files) for tests, also as a program in a process or network of its own:
 *
 *   node test/transfer/tus-server.ts --folder F [--port N] [--host H] [--cert F --key F] [--no-head]
 *
 * prints `{"url":"…"}` in one line once it listens, and runs until it is ended.
 */
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'
import { inLogOrder } from '../../src/transfer/destination-rules.ts'
import { parsePackFileName, type PackName } from '../../src/transfer/destination.ts'

export interface TusServerOptions {
  /** Where uploads are kept; a server on the same folder goes on with them. */
  readonly folder: string
  /** 0, the default, takes any that is free. */
  readonly port?: number
  readonly host?: string
  readonly tls?: { readonly cert: string, readonly key: string }
  /** Whether it tells the head of a log; true by default. */
  readonly tellsHead?: boolean
  /** Sees each request first. True: it has answered, or will. */
  readonly intercept?: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Called with each piece of a request's body as it arrives. */
  readonly onBody?: (request: IncomingMessage, bytes: number) => void
}

export interface TusServer extends AsyncDisposable {
  /** `http://127.0.0.1:4711/files` */
  readonly url: string
  readonly port: number
  /** Bytes of bodies that arrived, those that were not kept included. */
  readonly bodyBytes: number
  /** Connections that were accepted. */
  readonly connections: number
  /** `PATCH /files/…` for each request so far. */
  readonly requests: readonly string[]
}

const path = '/files'

export async function startTusServer(options: TusServerOptions): Promise<TusServer> {
  const { folder, port = 0, host = '127.0.0.1', tls, tellsHead = true, intercept, onBody } = options
  await mkdir(folder, { recursive: true })
  const tus = new Server({
    path,
    datastore: new FileStore({ directory: folder }),
    relativeLocation: tls === undefined, // with TLS it tells http:// addresses, as servers behind a proxy do
  })
  const seen = { bodyBytes: 0, connections: 0, requests: [] as string[] }
  const listener: RequestListener = (request, response) => {
    seen.requests.push(`${request.method} ${request.url}`)
    countBody(request, (bytes) => {
      seen.bodyBytes += bytes
      onBody?.(request, bytes)
    })
    if (intercept?.(request, response)) return
    const device = /^\/files\/logs\/([^/]+)\/head$/.exec(request.url ?? '')?.[1]
    if (request.method === 'GET' && device && tellsHead) void tellHead(folder, device, response)
    else void tus.handle(request, response).catch(() => response.destroy())
  }
  const server = tls ? createTlsServer(tls, listener) : createServer(listener)
  server.on(tls ? 'secureConnection' : 'connection', () => { seen.connections++ })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve)
  })
  const listening = (server.address() as AddressInfo).port
  return {
    url: `${tls ? 'https' : 'http'}://${tls ? 'localhost' : host}:${listening}${path}`,
    port: listening,
    get bodyBytes() { return seen.bodyBytes },
    get connections() { return seen.connections },
    get requests() { return seen.requests },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => { server.close(() => { resolve() }) })
      server.closeAllConnections()
      await closed
    },
  }
}

/** Taps what the parser hands over, so that bytes count whether the server reads them or not. */
function countBody(request: IncomingMessage, count: (bytes: number) => void): void {
  const push = request.push.bind(request)
  request.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Uint8Array) count(chunk.length)
    return push(chunk, encoding)
  }
}

async function tellHead(folder: string, device: string, response: ServerResponse): Promise<void> {
  const packs = await storedPacks(folder)
  const head = packs.map(({ name }) => name).filter((name) => name.device === device).sort(inLogOrder).at(-1)
  if (!head) return void response.writeHead(204).end()
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ seq: head.seq, hash: head.hash }))
}

export interface StoredPack {
  readonly name: PackName
  /** The file that holds its bytes. */
  readonly path: string
}

/** The finished uploads in a server's folder, one for each pack. */
export async function storedPacks(folder: string): Promise<StoredPack[]> {
  const found = new Map<string, StoredPack>()
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.json'))) {
    const upload = await readFile(join(folder, file), 'utf8').then(parseUpload)
    const held = join(folder, file.slice(0, -'.json'.length))
    const filename = upload?.metadata?.['filename']
    const sizeBytes = await stat(held).then(({ size }) => size, () => undefined)
    if (!upload || !filename || sizeBytes !== upload.size) continue
    const [device = '', packFile = ''] = filename.split('/')
    const name = parsePackFileName(device, packFile)
    if (name) found.set(filename, { name, path: held })
  }
  return [...found.values()]
}

interface StoredUpload {
  readonly size?: number
  readonly metadata?: Readonly<Record<string, string | null>>
}

/** Undefined for a file that is being written. */
function parseUpload(text: string): StoredUpload | undefined {
  try {
    return JSON.parse(text) as StoredUpload
  } catch {
    return undefined
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      'folder': { type: 'string' },
      'port': { type: 'string', default: '0' },
      'host': { type: 'string', default: '127.0.0.1' },
      'cert': { type: 'string' },
      'key': { type: 'string' },
      'no-head': { type: 'boolean', default: false },
    },
  })
  const { folder, port, host, cert, key } = values
  if (!folder) throw new Error('--folder is missing')
  const { url } = await startTusServer({
    folder, port: Number(port), host, tellsHead: !values['no-head'],
    ...(cert && key && { tls: { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') } }),
  })
  process.stdout.write(`${JSON.stringify({ url })}\n`)
}
