import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { PauseState } from './pause-state.ts'
import { createServer } from 'node:http'
import { SluiceError } from '../observe/error.ts'
import { listenPrivately } from './private-socket.ts'

/** Everything that is told on `GET /v1/events`: name and data of each event. */
export interface ApiEvents {
  readonly pause: PauseState
}

/** `events`: the response stays open and gets what is published, beginning with `first`. */
export type ApiAnswer =
  | { readonly kind: 'json'; readonly status?: number; readonly body: unknown }
  | { readonly kind: 'events'; readonly first: Partial<ApiEvents> }

export type RouteName = `${'GET' | 'POST'} /v1/${string}`

/** What answers where. Throwing a `SluiceError` answers with its code and sentence. */
export type Routes = Readonly<Record<RouteName, (request: IncomingMessage) => ApiAnswer | Promise<ApiAnswer>>>

export interface LocalApiOptions {
  readonly stateFolder: string
  readonly routes: Routes
  /** How often a comment goes to those who listen, so that both sides notice when the other is gone. */
  readonly heartbeatMs?: number
}

/** More listeners than capture tools on one machine; beyond, something is wrong and gets 503. */
const maxListeners = 32
const maxConnections = 64
const maxHeaderBytes = 8 << 10
/** What may wait for a listener that does not read; then it is cut off, and asks again when it is back. */
const maxWaitingBytes = 64 << 10
const heartbeatMs = 30_000

/** `GET /v1/pause` and `GET /v1/events`. */
export function pauseRoutes(state: () => PauseState): Routes {
  return {
    'GET /v1/pause': () => ({ kind: 'json', body: state() }),
    'GET /v1/events': () => ({ kind: 'events', first: { pause: state() } }),
  }
}

/** What other programs of the same user may ask a running service, over HTTP on a socket in the state folder. */
export class LocalApi implements AsyncDisposable {
  readonly #options: LocalApiOptions
  readonly #listeners = new Set<ServerResponse>()
  readonly #server: Server
  #release: (() => void) | undefined
  #heartbeat: NodeJS.Timeout | undefined

  private constructor(options: LocalApiOptions) {
    this.#options = options
    this.#server = createServer({ maxHeaderSize: maxHeaderBytes }, (request, response) => void this.#serve(request, response))
    this.#server.maxConnections = maxConnections
  }

  /** Throws `state-locked` when another service answers there, and `state-unusable` when the socket cannot be made. */
  static async start(options: LocalApiOptions): Promise<LocalApi> {
    const api = new LocalApi(options)
    api.#release = await listenPrivately(api.#server, options.stateFolder)
    return api
  }

  /** Tells everybody who listens. */
  publish<Name extends keyof ApiEvents>(event: Name, data: ApiEvents[Name]): void {
    this.#toAll(asEvent(event, data))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heartbeat)
    this.#release?.()
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume()
    try {
      const answer = await this.#answer(request)
      if (answer.kind === 'events') this.#listen(response, answer.first)
      else sendJson(response, answer.status ?? 200, answer.body)
    } catch (error) {
      const { code, message } = error instanceof SluiceError ? error : { code: 'unexpected', message: 'The service could not answer; its log says why.' }
      sendJson(response, 500, { error: { code, message } })
    }
  }

  async #answer(request: IncomingMessage): Promise<ApiAnswer> {
    const path = (request.url ?? '').split('?')[0] ?? ''
    const handlers = Object.entries(this.#options.routes)
    const handle = handlers.find(([name]) => name === `${request.method} ${path}`)?.[1]
    if (handle) return handle(request)
    const isKnown = handlers.some(([name]) => name.endsWith(` ${path}`))
    const message = isKnown ? `${request.method} is not what ${path} takes` : `there is no ${path}`
    return { kind: 'json', status: isKnown ? 405 : 404, body: { error: { code: 'usage', message } } }
  }

  #listen(response: ServerResponse, first: Partial<ApiEvents>): void {
    if (this.#listeners.size >= maxListeners) {
      return sendJson(response, 503, { error: { code: 'usage', message: `${maxListeners} programs listen already` } })
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    this.#listeners.add(response)
    response.on('close', () => {
      this.#listeners.delete(response)
      if (this.#listeners.size === 0) clearInterval(this.#heartbeat)
    })
    if (this.#listeners.size === 1) {
      this.#heartbeat = setInterval(() => this.#toAll(': still here\n\n'), this.#options.heartbeatMs ?? heartbeatMs)
    }
    this.#to(response, `retry: 1000\n\n${Object.entries(first).map(([event, data]) => asEvent(event, data)).join('')}`)
  }

  #toAll(text: string): void {
    for (const response of this.#listeners) this.#to(response, text)
  }

  #to(response: ServerResponse, text: string): void {
    if (response.writableLength + Buffer.byteLength(text) > maxWaitingBytes) response.destroy()
    else response.write(text)
  }
}

const asEvent = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store' })
  response.end(text)
}
