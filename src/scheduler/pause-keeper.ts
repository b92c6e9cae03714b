import type { Capture, DropReport } from '../capture/collect.ts'
import type { Settings } from '../journal/settings.ts'
import type { Emit } from '../observe/events.ts'
import { applied, endLost, endPastPause } from '../journal/pause.ts'

export interface PauseKeeperOptions {
  readonly capture: Pick<Capture, 'drawLine' | 'dropBetween' | 'dropMissed' | 'goOn' | 'openLines' | 'pause'>
  readonly update: (change: (settings: Settings) => Settings) => Settings
  /** Tells capture tools; without settings that they cannot be read. */
  readonly publish: (settings: Settings | undefined) => void
  readonly emit: Emit
}

/** Does what the beginning and the end of a pause ask for: draws the line, drops what was captured behind it, and says so. */
export class PauseKeeper {
  readonly #options: PauseKeeperOptions
  #lineDrawnFor: number | undefined
  /** Streams that were away know of the pauses that others were told of. */
  #isCaughtUp = false

  constructor(options: PauseKeeperOptions) {
    this.#options = options
  }

  /**
   * Brings captures in line with the settings, undefined where they cannot be read. `untilIdle` stops packing; it is called
   * before anything is dropped. Cheap when there is nothing to do.
   */
  async keep(settings: Settings | undefined, at: number, untilIdle: () => Promise<void>): Promise<void> {
    const { capture, update, publish } = this.#options
    if (!settings) return publish(undefined)
    let now = settings
    if (now.pause?.until !== undefined && now.pause.until <= at) now = update((old) => endPastPause(old, at))
    capture.pause(new Set(now.streamsOff.map(({ stream }) => stream)))
    await this.#catchUp(now)
    const lines = capture.openLines()
    if (endLost(now, lines, at) !== now) now = update((old) => endLost(old, lines, at))
    for (const span of now.dropped) {
      await untilIdle()
      this.#tell(await capture.dropBetween(span))
      now = update((old) => applied(old, span))
    }
    const { pause } = now
    if (pause?.captures !== 'drop') {
      this.#lineDrawnFor = undefined
      capture.goOn()
    } else if (this.#lineDrawnFor !== pause.since) {
      await untilIdle()
      await capture.drawLine({ since: pause.since })
      this.#lineDrawnFor = pause.since
    }
    publish(now)
  }

  /** Once, before anything is read. */
  async #catchUp({ droppedBefore }: Settings): Promise<void> {
    if (this.#isCaughtUp) return
    this.#tell(await this.#options.capture.dropMissed(droppedBefore))
    this.#isCaughtUp = true
  }

  #tell(reports: readonly DropReport[]): void {
    for (const { stream, files, bytes } of reports) this.#options.emit({ event: 'capture.dropped', stream, files, bytes })
  }
}
