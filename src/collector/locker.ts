import type { Lock, Locker } from '@tus/server'
import { Refusal } from './refusal.ts'

interface Waiting {
  readonly take: () => void
}

interface Held {
  readonly release: () => Promise<void> | void
  readonly waiting: Waiting[]
}

/** Requests that wait for one upload; a client that asks more often than this is broken. */
const mostWaiting = 8

/**
 * One request at a time for each upload of this process. A newcomer asks the one before it to end, since a client that comes
 * again has most likely lost that connection, and waits its turn for `patienceMs`; then it is told `upload-locked`. Collectors
 * on the same store do not wait for each other: what they write over each other is checked when the pack is complete.
 */
export function uploadLocker(patienceMs: number): Locker {
  const held = new Map<string, Held>()
  return { newLock: (id) => uploadLock(held, id, patienceMs) }
}

function uploadLock(held: Map<string, Held>, id: string, patienceMs: number): Lock {
  return {
    async lock(_stop, release) {
      const current = held.get(id)
      if (!current) {
        held.set(id, { release, waiting: [] })
        return
      }
      if (current.waiting.length >= mostWaiting) throw locked()
      void current.release()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const waiting = { take: resolve }
      current.waiting.push(waiting)
      const timer = setTimeout(() => {
        const now = held.get(id)?.waiting
        now?.splice(now.indexOf(waiting) >>> 0, 1)
        reject(locked())
      }, patienceMs)
      await promise.finally(() => { clearTimeout(timer) })
      held.set(id, { release, waiting: held.get(id)?.waiting ?? [] })
      // Those behind it asked an earlier one.
      if (held.get(id)?.waiting.length) void release()
    },
    async unlock() {
      const next = held.get(id)?.waiting.shift()
      if (next) next.take()
      else held.delete(id)
    },
  }
}

function locked(): Refusal {
  return new Refusal('upload-locked', 'Another request writes to this upload.', { retryAfterSeconds: 5 })
}
