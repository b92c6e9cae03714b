import { setImmediate } from 'node:timers/promises'

/** The longest a scan keeps the main loop: what a person or a peer never notices. */
const sliceMs = 8

/** Waits until the event loop has polled at least once from now: everything that had happened has been told. */
export async function polled(): Promise<void> {
  await setImmediate()
  await setImmediate()
}

/** Lets synchronous work, much cheaper per file than promises, share the main loop. */
export class Pace {
  #sliceStart = performance.now()

  /** Undefined while the slice lasts; else what to await. */
  breathe(): Promise<void> | undefined {
    if (performance.now() - this.#sliceStart < sliceMs) return undefined
    return setImmediate().then(() => {
      this.#sliceStart = performance.now()
    })
  }
}
