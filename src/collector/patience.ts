import type { IncomingMessage } from 'node:http'

/** Ends the connections of requests that nobody vouches for and that do not come to their end: holding them costs the sender nothing. */
export class Patience {
  readonly #timers = new WeakMap<IncomingMessage, NodeJS.Timeout>()
  readonly #limitMs: number

  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  watch(request: IncomingMessage): void {
    // Node does not tell of a request that was answered when its connection is cut: nothing but the connection keeps the process.
    const timer = setTimeout(() => { if (!request.complete) request.destroy() }, this.#limitMs).unref()
    this.#timers.set(request, timer)
    request.once('close', () => { clearTimeout(timer) })
  }

  /** Leaves a request to whoever judges the pace of its body from now on. */
  leave(request: IncomingMessage): void {
    clearTimeout(this.#timers.get(request))
  }
}
