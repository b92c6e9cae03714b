import { setTimeout as sleep } from 'node:timers/promises'

/** Longest timer that setTimeout takes. */
const longestSleepMs = 2 ** 31 - 1

/** The turns of a loop: what wakes it, how long it rests between two, and who wants to know that it turns. */
export class Turns {
  readonly #now: () => number
  #isWoken = false
  #wake: () => void = () => {}
  #waiting: (() => void)[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  /** The next turn begins at once, or after the one that is under way. */
  readonly wake = (): void => {
    this.#isWoken = true
    this.#wake()
  }

  /** Resolves when a turn that begins from now on has ended. In a loop that hangs or ended it never does. */
  async next(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    this.wake()
    await promise
  }

  /** Takes a turn; who waits hears of it when it has ended well. */
  async take<T>(turn: () => Promise<T>): Promise<T> {
    this.#isWoken = false
    const waiting = this.#waiting
    this.#waiting = []
    const result = await turn()
    for (const resolve of waiting) resolve()
    return result
  }

  /** Rests until then, in milliseconds since the epoch, or until something wakes the loop. */
  async restUntil(at: number): Promise<void> {
    if (this.#isWoken) return
    const timer = new AbortController()
    this.#wake = () => timer.abort()
    const delay = at - this.#now()
    const rested = Number.isFinite(delay)
      ? sleep(Math.max(0, Math.min(delay, longestSleepMs)), undefined, { signal: timer.signal })
      : new Promise<void>((resolve) => timer.signal.addEventListener('abort', () => resolve()))
    await rested.catch(() => undefined)
    this.#wake = () => {}
  }
}
