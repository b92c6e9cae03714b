import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { SluiceError } from '../observe/error.ts'
import type { RequestOptions } from './destination.ts'
import { stopIfAborted } from './destination-rules.ts'
import type { Link } from './link/link.ts'
import { sleep } from './link/pacer.ts'
import type { Meter } from './meter.ts'
import { portalError, unreachable, type Answer, type ServerClock } from './tus-answer.ts'
import { connectionError } from './connection-error.ts'

/** How long is waited for what, in milliseconds. */
export interface Patience {
  /**
   * From the beginning of a request without a body to the end of its answer, and for each 4 KiB of one that is longer.
   * Shorter, and a slow server is given up; longer, and one that died holds the queue up.
   */
  readonly answerMs: number
  /**
   * While a body is sent: for the next bytes to be taken, or the answer behind the last. Shorter, and a low rate looks like a
   * dead server. What the server sends meanwhile, such as that it is still at work, is no progress.
   */
  readonly progressMs: number
  /**
   * After an abort, for the server to confirm what was handed over. Then nothing of it is sent twice and the connection
   * stays. Longer, and with what the link takes for cutting, bytes are still on the wire 250 ms after a pause; shorter, and
   * a distant server cannot answer.
   */
  readonly stopMs: number
  /**
   * In all, for an upload that another request still writes to, such as one that was cut and that the server has not
   * noticed. Longer, and a lock that nobody holds keeps the queue up; then it is tried again later, as after other errors.
   */
  readonly lockMs: number
}

export const patience: Patience = { answerMs: 30_000, progressMs: 60_000, stopMs: 100, lockMs: 5000 }

/** Most of an answer that is read: none that Sluice needs is longer, and a portal's pages cost as much as other bytes. */
const answerBytes = 4 << 10

/**
 * Most that is received for one answer, with TLS, the frames of HTTP/2 that confirm a body, and records and chunks as small as
 * servers make them; 64 KiB for certificates and headers. A server that sends more is cut off: each byte counts for the caps.
 */
const mostReceived = (wantedBytes: number, handedBytes: number): number => wantedBytes + (wantedBytes + handedBytes) / 8 + (64 << 10)

export interface Question {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: AsyncIterable<Uint8Array>
  /** Most of the answer that is read; `answerBytes` by default. */
  readonly answerBytes?: number
  /** Finds an answer that is none of the server's; by default what is no tus server's. */
  readonly impostor?: (answer: Answer, server: string) => SluiceError | undefined
}

/** An answer with all that was read of it. */
export interface Received extends Answer {
  readonly bytes: Buffer
}

export interface SessionOptions extends RequestOptions {
  readonly link: Link
  /** For messages. */
  readonly server: string
  readonly authorization: string | undefined
  readonly patience: Patience
  /** What is known of the server's clock. */
  readonly clock?: ServerClock
}

/** Doubled with each that follows: most locks end as soon as a server notices that a connection was cut. */
const firstLockWaitMs = 250

const freeOfCharge: Meter = { charge: () => true, correct: () => true }

/** One use of the link: some requests, one after the other, on one connection, for one meter. */
export class Session implements AsyncDisposable {
  readonly #options: SessionOptions
  readonly #use: AsyncDisposable
  readonly #cut = new AbortController()
  #refused = false
  readonly #lock = { waitMs: firstLockWaitMs, waitedMs: 0 }
  #watchdog: NodeJS.Timeout | undefined
  /** Of the request under way. */
  #moved = { hasBody: false, wantedBytes: 0, handedBytes: 0, receivedBytes: 0 }
  #stopping: NodeJS.Timeout | undefined

  constructor(options: SessionOptions) {
    stopIfAborted(options.signal)
    this.#options = options
    const { link, meter = freeOfCharge, signal } = options
    const note = (granted: boolean): boolean => {
      this.#refused ||= !granted
      return granted
    }
    const noting: Meter = {
      charge: (bytes) => note(meter.charge(bytes)),
      correct: (delta) => note(meter.correct(delta)),
    }
    this.#use = link.use(noting, this.#cut.signal, {
      handed: (bytes) => { this.#handed(bytes) },
      received: (bytes) => { this.#received(bytes) },
    })
    signal?.addEventListener('abort', this.#stop, { once: true })
  }

  #handed(bytes: number): void {
    this.#moved.handedBytes += bytes
    if (this.#moved.hasBody) this.#watchdog?.refresh()
  }

  #received(bytes: number): void {
    const { wantedBytes, handedBytes } = this.#moved
    this.#moved.receivedBytes += bytes
    if (this.#moved.receivedBytes <= mostReceived(wantedBytes, handedBytes) || this.#cut.signal.aborted) return
    this.#cut.abort(unreachable(this.#options.server, 'It sends far more than it was asked for.', {
      data: { receivedBytes: this.#moved.receivedBytes },
    }))
  }

  /** The slices end by themselves; what does not end with them in time is cut. */
  readonly #stop = (): void => {
    this.#stopping = setTimeout(() => { this.#cut.abort() }, this.#options.patience.stopMs)
  }

  /**
   * The answer to a question, whatever its status. Throws `aborted`, `captive-portal`, and what a failed connection
   * means. Redirects are not followed.
   */
  async ask(question: Question): Promise<Received> {
    const { signal, server } = this.#options
    this.#stopIfOver()
    this.#moved = { hasBody: question.body !== undefined, wantedBytes: question.answerBytes ?? answerBytes, handedBytes: 0, receivedBytes: 0 }
    const waitMs = question.body ? this.#options.patience.progressMs : this.#options.patience.answerMs
    this.#watchdog = setTimeout(() => {
      const what = question.body ? 'It has neither taken more nor answered' : 'It has not answered'
      this.#cut.abort(unreachable(server, `${what} for ${waitMs / 1000} s.`, { data: { waitMs } }))
    }, waitMs)
    try {
      const answer = await this.#exchange(question)
      this.#options.clock?.see(answer)
      const { impostor = (found) => portalError(found, server, question.headers?.['tus-resumable'] !== undefined) } = question
      const portal = impostor(answer, server)
      if (portal) throw portal
      return answer
    } catch (error) {
      stopIfAborted(signal)
      this.#stopIfOver()
      throw connectionError(error, server, this.#options.clock?.skewMs)
    } finally {
      clearTimeout(this.#watchdog)
    }
  }

  /** As `ask`, and again after a while as long as another request holds the upload. */
  async askPatiently(question: Question): Promise<Answer> {
    for (;;) {
      const answer = await this.ask(question)
      if (answer.status !== 423 || !await this.outwaitLock()) return answer
    }
  }

  /** Waits a while for a lock to end; false once there is no patience left for that. Throws `aborted`. */
  async outwaitLock(): Promise<boolean> {
    const { signal, patience: { lockMs } } = this.#options
    const { waitMs, waitedMs } = this.#lock
    if (waitedMs + waitMs > lockMs) return false
    this.#lock.waitedMs += waitMs
    this.#lock.waitMs *= 2
    await sleep(waitMs, signal ? AbortSignal.any([this.#cut.signal, signal]) : this.#cut.signal)
    this.#stopIfOver()
    return true
  }

  /** Whether nothing more may be sent, because the meter refused or the server was given up. */
  get isOver(): boolean {
    return this.#refused || this.#cut.signal.aborted
  }

  #stopIfOver(): void {
    stopIfAborted(this.#refused ? AbortSignal.abort() : this.#options.signal)
    if (this.#cut.signal.reason instanceof SluiceError) throw this.#cut.signal.reason
  }

  async #exchange({ method, url, headers, body, answerBytes: most = answerBytes }: Question): Promise<Received> {
    const { link, authorization, server } = this.#options
    // What is secret is for this server alone.
    const authorized = authorization !== undefined && url.origin === new URL(server).origin
    const options: Dispatcher.RequestOptions = {
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: { ...headers, ...(authorized && { authorization }) },
      signal: this.#cut.signal,
      headersTimeout: 0, // the watchdog’s work: it knows a low rate from a server that does not answer
      bodyTimeout: 0,
      reset: false, // without this the connection is closed after each HEAD
      // Any async iterable is sent as it is read, with backpressure; the types do not say so.
      ...(body && { body: this.#watched(body) as unknown as Readable }),
    }
    const { statusCode, headers: received, body: rest } = await link.dispatcher.request(options)
    const bytes = await beginningOf(rest, most, () => this.#watchdog?.refresh())
    return { status: statusCode, headers: received, text: bytes.toString('utf8', 0, answerBytes), bytes }
  }

  async *#watched(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const slice of body) {
      this.#watchdog?.refresh()
      yield slice
    }
    this.#watchdog?.refresh()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#stop)
    clearTimeout(this.#stopping)
    await this.#use[Symbol.asyncDispose]()
  }
}

/** `onProgress` is called with each `answerBytes` more: a byte now and then is none. */
async function beginningOf(body: Readable, most: number, onProgress: () => void): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of body as AsyncIterable<Buffer>) {
    parts.push(part)
    const before = length
    length += part.length
    if (Math.floor(length / answerBytes) > Math.floor(before / answerBytes)) onProgress()
    if (length >= most) break // ends the connection too
  }
  return Buffer.concat(parts).subarray(0, most)
}
