/** A request as it passed, so far. */
export interface SeenRequest {
  /** Number of the connection, from 1. */
  readonly connection: number
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** Bytes of its body that passed, without the framing of chunks. */
  bodyBytes: number
}

type State =
  | { readonly at: 'head' | 'size' | 'trailer', readonly text: string }
  | { readonly at: 'body' | 'chunk', readonly left: number }
  | { readonly at: 'chunk-end', readonly left: number }

const mostHeadBytes = 64 << 10
const start: State = { at: 'head', text: '' }

/** Reads what passes on one connection as HTTP/1.1 requests, piece by piece. What is none (TLS) is no request. */
export class RequestReader {
  #state: State = start
  #request: SeenRequest | undefined
  readonly #connection: number
  readonly #onRequest: (request: SeenRequest) => void

  constructor(connection: number, onRequest: (request: SeenRequest) => void) {
    this.#connection = connection
    this.#onRequest = onRequest
  }

  /** The request under way or the last one. */
  get request(): SeenRequest | undefined {
    return this.#request
  }

  read(bytes: Buffer): void {
    let rest = bytes
    while (rest.length > 0) rest = this.#step(rest)
  }

  #step(bytes: Buffer): Buffer {
    const state = this.#state
    switch (state.at) {
      case 'body':
      case 'chunk': {
        const taken = Math.min(state.left, bytes.length)
        if (this.#request) this.#request.bodyBytes += taken
        const left = state.left - taken
        const after: State = state.at === 'body' ? start : { at: 'chunk-end', left: 2 }
        this.#state = left > 0 ? { at: state.at, left } : after
        return bytes.subarray(taken)
      }
      case 'chunk-end': {
        const taken = Math.min(state.left, bytes.length)
        this.#state = taken === state.left ? { at: 'size', text: '' } : { at: 'chunk-end', left: state.left - taken }
        return bytes.subarray(taken)
      }
      case 'head':
      case 'size':
      case 'trailer':
        return this.#line(state.at, state.text, bytes)
    }
  }

  #line(at: 'head' | 'size' | 'trailer', before: string, bytes: Buffer): Buffer {
    const known = before + bytes.toString('latin1', 0, 16 << 10)
    const mark = at === 'head' ? '\r\n\r\n' : '\r\n'
    const end = known.indexOf(mark)
    if (end < 0) {
      // No request has so long a head: what passes is TLS, or nothing that could be read.
      this.#state = known.length > mostHeadBytes ? { at: 'body', left: Infinity } : { at, text: known }
      return bytes.subarray(Math.min(bytes.length, 16 << 10))
    }
    const text = known.slice(0, end)
    if (at === 'head') this.#state = this.#head(text)
    else if (at === 'trailer') this.#state = text === '' ? start : { at, text: '' }
    else this.#state = Number.parseInt(text, 16) > 0 ? { at: 'chunk', left: Number.parseInt(text, 16) } : { at: 'trailer', text: '' }
    return bytes.subarray(end + mark.length - before.length)
  }

  #head(text: string): State {
    const [first = '', ...lines] = text.split('\r\n')
    const [method = '', path = ''] = first.split(' ')
    const headers = new Map(lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }))
    this.#request = { connection: this.#connection, method, path, headers, bodyBytes: 0 }
    this.#onRequest(this.#request)
    if (headers.get('transfer-encoding') === 'chunked') return { at: 'size', text: '' }
    const length = Number(headers.get('content-length') ?? 0)
    return length > 0 ? { at: 'body', left: length } : start
  }
}

/** Where the body of a request to a tus server begins in its upload; undefined for one without. */
export function tusOffsetOf({ method, headers }: SeenRequest): number | undefined {
  return method === 'PATCH' ? Number(headers.get('upload-offset')) : undefined
}
