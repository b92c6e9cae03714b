import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Longest that systemd may take to hear a message. */
const limitMs = 10_000

const run = promisify(execFile)

/**
 * Speaks to systemd, one message after the other. Node.js cannot open the kind of socket that systemd listens on, so that each
 * message is a process of some milliseconds, systemd's own tool.
 */
export class SystemdNotifier implements AsyncDisposable {
  readonly #onFailure: (error: Error) => void
  #said: Promise<void> = Promise.resolve()
  #hasFailed = false

  /** `onFailure` hears of the first message that could not be said. */
  constructor(onFailure: (error: Error) => void) {
    this.#onFailure = onFailure
  }

  /** Assignments as in sd_notify(3), all in one message. Returns at once. */
  say(...assignments: readonly string[]): void {
    this.#said = this.#said.then(() => this.#send(assignments))
  }

  async #send(assignments: readonly string[]): Promise<void> {
    try {
      await run('systemd-notify', [...assignments], { timeout: limitMs })
    } catch (error) {
      if (this.#hasFailed) return
      this.#hasFailed = true
      this.#onFailure(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** Waits until everything is said. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#said
  }
}
