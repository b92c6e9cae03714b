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
