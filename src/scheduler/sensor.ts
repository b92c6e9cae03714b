import type { Reading } from './conditions.ts'

/**
 * Something that can say one condition. Every implementation passes test/suites/sensor.ts.
 * A sensor only reports: it never decides, and it never throws. What it cannot tell is `unknown`, with the cause as source.
 */
export interface Sensor<T> {
  /** The condition now. Never rejects and always ends within a few seconds. */
  read(): Promise<Reading<T>>
  /** Calls `onChange` when `read` may have a new answer; returns what ends that. Missing where the OS gives no signal. */
  watch?(onChange: () => void): () => void
  /** Frees what is held open. Later reads are `unknown` or the last fixed value. */
  close(): Promise<void>
}

/** A sensor whose answer a test or the demo sets. */
export interface SettableSensor<T> extends Required<Sensor<T>> {
  set(value: T): void
}

/** A sensor that always gives the same answer: an override from the config, or a fact that cannot change. */
export function fixed<T>(value: T, clock: () => number, source = 'config'): Sensor<T> {
  return {
    read: async () => ({ value, source, at: clock() }),
    close: async () => {},
  }
}

/** A sensor that says what it was last told. */
export function settable<T>(initial: T, clock: () => number, source = 'set by hand'): SettableSensor<T> {
  const listeners = new Set<() => void>()
  let value = initial
  return {
    read: async () => ({ value, source, at: clock() }),
    watch: (onChange) => subscribe(listeners, onChange),
    set: (next) => {
      value = next
      for (const listener of [...listeners]) listener()
    },
    close: async () => listeners.clear(),
  }
}

/** Adds one listener, distinct even when the same function is added twice; the result removes it. */
export function subscribe(listeners: Set<() => void>, onChange: () => void): () => void {
  const listener = () => onChange()
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

/** `work`, or a rejection with `no answer within … s` after `limitMs`. The work itself goes on unobserved. */
export async function within<T>(work: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs / 1000} s`)), limitMs)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * A sensor that keeps nobody waiting: an answer that takes longer than `limitMs` is given later, to those who watch, and
 * until then the last one counts, dated as it was. One that hangs then cannot delay what another has to say.
 */
export function promptly<T>(sensor: Sensor<T>, limitMs = 100): Required<Sensor<T>> {
  const listeners = new Set<() => void>()
  let last: Reading<T> | undefined
  let underWay: Promise<Reading<T>> | undefined
  const begin = (): Promise<Reading<T>> => {
    const answer = underWay ??= sensor.read().then((found) => {
      // One that a change overtook is no news any more.
      if (underWay === answer) [last, underWay] = [found, undefined]
      return found
    })
    return answer
  }
  return {
    read: async () => {
      const [answer, before] = [begin(), last]
      if (!before) return await answer
      return await within(answer, limitMs).catch(() => {
        void answer.then((found) => {
          if (!isSame(found, before)) listeners.forEach((tell) => tell())
        })
        return before
      })
    },
    watch: (onChange) => {
      const ends = [subscribe(listeners, onChange), sensor.watch?.(() => {
        underWay = undefined // begun before the change, it may not know of it
        onChange()
      })]
      return () => ends.forEach((end) => end?.())
    },
    close: async () => {
      listeners.clear()
      await sensor.close()
    },
  }
}

/** Whether two readings say the same, whenever they were made. */
function isSame<T>(a: Reading<T>, b: Reading<T>): boolean {
  return a.source === b.source && JSON.stringify(a.value) === JSON.stringify(b.value)
}
