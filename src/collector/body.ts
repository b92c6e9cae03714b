import type { IncomingMessage } from 'node:http'
import { Refusal } from './refusal.ts'

/** Taken from a connection ahead of the store; more is left to the connection, which then slows the sender down. */
const aheadBytes = 64 << 10

export interface BodyOptions {
  /** A body that brings fewer than `leastBytes` in `periodMs` is cut. */
  readonly periodMs: number
  readonly leastBytes: number
  /** Asked every `recheckMs` whether to go on; a `Refusal` that it throws ends the body. */
  readonly recheck: () => Promise<void>
  readonly recheckMs: number
}

/**
 * What a request brings, piece by piece, taken from the connection from the construction on: what waits in a request whose
 * connection ends is thrown away. However it ends, by a cut connection too, it ends in order behind the last byte
 * that arrived, so that none of them is lost.
 */
export class Body implements AsyncIterable<Uint8Array> {
  /** Why it was ended before its sender did. */
  refusal: Refusal | undefined
  readonly #request: IncomingMessage
  readonly #options: BodyOptions
  readonly #queue: Uint8Array[] = []
  #queuedBytes = 0
  #periodBytes = 0
  #ended = false
  #wake: (() => void) | undefined
  #timers: NodeJS.Timeout[] = []

  constructor(request: IncomingMessage, options: BodyOptions) {
    this.#request = request
    this.#options = options
    if (request.destroyed || request.readableEnded) this.#ended = true
    else request.on('data', this.#take).on('end', this.end).on('error', this.end).on('close', this.end)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    this.#watch()
    for (;;) {
      const piece = this.#queue.shift()
      if (piece) {
        this.#queuedBytes -= piece.length
        if (this.#queuedBytes < aheadBytes && !this.#ended) this.#request.resume()
        yield piece
      } else if (this.#ended) return
      else await new Promise<void>((resolve) => { this.#wake = resolve })
    }
  }

  /** Takes no more from the connection; what was taken still comes. */
  readonly end = (): void => {
    this.#ended = true
    this.#timers.splice(0).forEach(clearInterval)
    this.#request.off('data', this.#take)
    this.#wake?.()
  }

  #watch(): void {
    if (this.#ended) return
    const { periodMs, recheck, recheckMs } = this.#options
    const refuse = (error: unknown): void => {
      if (!(error instanceof Refusal)) return // a store that is away for a moment: the last byte asks again
      this.refusal = error
      this.end()
    }
    this.#timers = [
      setInterval(this.#judgePace, periodMs),
      setInterval(() => { void recheck().catch(refuse) }, recheckMs),
    ]
  }

  readonly #take = (piece: Uint8Array): void => {
    this.#queue.push(piece)
    this.#queuedBytes += piece.length
    this.#periodBytes += piece.length
    if (this.#queuedBytes >= aheadBytes) this.#request.pause()
    this.#wake?.()
  }

  readonly #judgePace = (): void => {
    // What the store does not take is not the sender's fault.
    const isSlow = this.#periodBytes < this.#options.leastBytes && this.#queuedBytes === 0
    this.#periodBytes = 0
    if (isSlow) this.#request.destroy()
  }
}
