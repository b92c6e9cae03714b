import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { ApiEvents } from './api.ts'
import type { PauseState } from './pause-state.ts'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { SluiceError } from '../observe/error.ts'
import { eventNames } from './api.ts'
import { listenForGroup, listenPrivately } from './private-socket.ts'

/** `events`: the response stays open and gets what is published of `of`, beginning with `first`. */
export type ApiAnswer =
  | { readonly kind: 'json'; readonly status?: number; readonly body: unknown }
  | { readonly kind: 'events'; readonly of: readonly (keyof ApiEvents)[]; readonly first: Partial<ApiEvents> }

/** What came with a request: the texts of its query, or the object in its body. */
export type Given = Readonly<Record<string, unknown>>

/** What answers where. Throwing a `SluiceError` answers with its code and sentence; `usage` is the client’s fault. */
export type Routes = Readonly<Record<`${'GET' | 'POST'} /v1/${string}`, (given: Given) => ApiAnswer | Promise<ApiAnswer>>>

export interface LocalApiOptions {
  readonly stateFolder: string
  readonly routes: Routes
  /** Called when somebody begins to listen. */
  readonly onListener?: () => void
  /** How often a comment goes to those who listen, so that both sides notice when the other is gone. */
  readonly heartbeatMs?: number
  /** How long a request may take to arrive. */
  readonly requestMs?: number
}

/** More listeners than capture tools on one machine; beyond, something is wrong and gets 503. */
const maxListeners = 32
const maxConnections = 64
const maxHeaderBytes = 8 << 10
/** Some fifty times the largest wish. */
const maxBodyBytes = 16 << 10
/** What may wait for a listener that does not read; then it is cut off, and asks again when it is back. */
const maxWaitingBytes = 64 << 10
const heartbeatMs = 30_000
/** A program of this machine says what it wants at once. */
const requestMs = 10_000

/** `GET /v1/pause` and `GET /v1/events` with the pause alone. */
export function pauseRoutes(state: () => PauseState): Routes {
  return {
    'GET /v1/pause': () => ({ kind: 'json', body: state() }),
    'GET /v1/events': () => ({ kind: 'events', of: ['pause'], first: { pause: state() } }),
  }
}

/** The events that `of` names, separated by commas; by default the pause. Throws `usage`. */
export function eventsAsked({ of = 'pause' }: Given): (keyof ApiEvents)[] {
  return String(of).split(',').map((word) => {
    const found = eventNames.find((name) => name === word)
    if (found === undefined) throw new SluiceError('usage', `"of" takes ${eventNames.join(', ')}, with commas between them`)
    return found
  })
}

/** What other programs may ask a running service, over HTTP: those of the same user on a socket in the state folder, those of a group on one beside it. */
export class LocalApi implements AsyncDisposable {
  readonly #options: LocalApiOptions
  readonly #listeners = new Map<ServerResponse, readonly (keyof ApiEvents)[]>()
  readonly #servers: Server[] = []
  readonly #releases: (() => void)[] = []
  #heartbeat: NodeJS.Timeout | undefined

  private constructor(options: LocalApiOptions) {
    this.#options = options
  }

  #server(): Server {
    const most = this.#options.requestMs ?? requestMs
    const settings = { maxHeaderSize: maxHeaderBytes, requestTimeout: most, headersTimeout: most, connectionsCheckingInterval: Math.ceil(most / 2) }
    const server = createServer(settings, (request, response) => void this.#serve(request, response))
    server.maxConnections = maxConnections
    this.#servers.push(server)
    return server
  }

  /** Throws `state-locked` when another service answers there, and `state-unusable` when the socket cannot be made. */
  static async start(options: LocalApiOptions): Promise<LocalApi> {
    const api = new LocalApi(options)
    api.#releases.push(await listenPrivately(api.#server(), options.stateFolder))
    return api
  }

  /** Answers the members of a group too, at `path`. Throws as `start` does. */
  async openTo(groupId: number, path: string): Promise<void> {
    this.#releases.push(await listenForGroup(this.#server(), path, groupId))
  }

  /** Whether anybody wants to hear of `event`. */
  listensTo(event: keyof ApiEvents): boolean {
    return [...this.#listeners.values()].some((of) => of.includes(event))
  }

  /** Tells everybody who listens. */
  publish<Name extends keyof ApiEvents>(event: Name, data: ApiEvents[Name]): void {
    const text = asEvent(event, data)
    for (const [response, of] of this.#listeners) if (of.includes(event)) this.#to(response, text)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heartbeat)
    for (const release of this.#releases) release()
    await Promise.all(this.#servers.map(async (server) => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    }))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const answer = await this.#answer(request)
      if (answer.kind === 'events') this.#listen(response, answer)
      else sendJson(response, answer.status ?? 200, answer.body)
    } catch (error) {
      if (request.destroyed && !request.complete) return // gone, or cut off as it took too long
      const { code, message } = error instanceof SluiceError ? error : { code: 'unexpected', message: 'The service could not answer; its log says why.' }
      sendJson(response, code === 'usage' ? 400 : 500, { error: { code, message } })
    }
  }

  async #answer(request: IncomingMessage): Promise<ApiAnswer> {
    const [path = '', query] = (request.url ?? '').split('?')
    const handlers = Object.entries(this.#options.routes)
    const handle = handlers.find(([name]) => name === `${request.method} ${path}`)?.[1]
    if (handle) return await handle(request.method === 'POST' ? await bodyOf(request) : Object.fromEntries(new URLSearchParams(query)))
    request.resume()
    const isKnown = handlers.some(([name]) => name.endsWith(` ${path}`))
    const message = isKnown ? `${request.method} is not what ${path} takes` : `there is no ${path}`
    return { kind: 'json', status: isKnown ? 405 : 404, body: { error: { code: 'usage', message } } }
  }

  #listen(response: ServerResponse, { of, first }: Extract<ApiAnswer, { readonly kind: 'events' }>): void {
    if (this.#listeners.size >= maxListeners) {
      return sendJson(response, 503, { error: { code: 'usage', message: `${maxListeners} programs listen already` } })
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    this.#listeners.set(response, of)
    response.on('close', () => {
      this.#listeners.delete(response)
      if (this.#listeners.size === 0) clearInterval(this.#heartbeat)
    })
    if (this.#listeners.size === 1) {
      this.#heartbeat = setInterval(() => this.#toAll(': still here\n\n'), this.#options.heartbeatMs ?? heartbeatMs)
    }
    this.#to(response, `retry: 1000\n\n${Object.entries(first).map(([event, data]) => asEvent(event, data)).join('')}`)
    this.#options.onListener?.()
  }

  #toAll(text: string): void {
    for (const response of this.#listeners.keys()) this.#to(response, text)
  }

  #to(response: ServerResponse, text: string): void {
    if (response.writableLength + Buffer.byteLength(text) > maxWaitingBytes) response.destroy()
    else response.write(text)
  }
}

const asEvent = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

/** The JSON object in a body. Throws `usage`. */
async function bodyOf(request: IncomingMessage): Promise<Given> {
  // A page in a browser cannot send this type to another site without asking first.
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    request.resume()
    throw new SluiceError('usage', 'the body has to be application/json')
  }
  const parts: Buffer[] = []
  let bytes = 0
  // Not by iterating: leaving that early would cut off the answer as well.
  request.on('data', (part: Buffer) => {
    bytes += part.length
    if (bytes <= maxBodyBytes) parts.push(part)
  })
  await once(request, 'end')
  if (bytes > maxBodyBytes) throw new SluiceError('usage', `the body is larger than ${maxBodyBytes} bytes`)
  try {
    const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Given
  } catch {
    // Said below.
  }
  throw new SluiceError('usage', 'the body is no JSON object')
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store' })
  response.end(text)
}
