import type { Lock, Locker } from '@tus/server'
import { Refusal } from './refusal.ts'

interface Waiting {
  readonly take: () => void
}

interface Held {
  /** Ends the request that holds the upload, before long. */
  readonly hurry: () => void
  /** Nothing is left to be hurried. */
  readonly done: () => void
  readonly waiting: Waiting[]
}

/** Requests that wait for one upload; a client that asks more often than this is broken. */
const mostWaiting = 8
/** How long a request may go on once another asks for the same upload: a healthy one ends by itself, a dead one never. */
const drainMs = 2000

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
        held.set(id, holding(release, []))
        return
      }
      if (current.waiting.length >= mostWaiting) throw locked()
      current.hurry()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const waiting = { take: resolve }
      current.waiting.push(waiting)
      const timer = setTimeout(() => {
        const now = held.get(id)?.waiting
        now?.splice(now.indexOf(waiting) >>> 0, 1)
        reject(locked())
      }, patienceMs)
      await promise.finally(() => { clearTimeout(timer) })
      const mine = holding(release, held.get(id)?.waiting ?? [])
      held.set(id, mine)
      // Those behind it asked an earlier one.
      if (mine.waiting.length > 0) mine.hurry()
    },
    async unlock() {
      const current = held.get(id)
      current?.done()
      const next = current?.waiting.shift()
      if (next) next.take()
      else held.delete(id)
    },
  }
}

function holding(release: () => Promise<void> | void, waiting: Waiting[]): Held {
  let timer: NodeJS.Timeout | undefined
  let isDone = false
  return {
    waiting,
    hurry: () => { if (!isDone) timer ??= setTimeout(() => { void release() }, drainMs) },
    done: () => {
      isDone = true
      clearTimeout(timer)
    },
  }
}

function locked(): Refusal {
  return new Refusal('upload-locked', 'Another request writes to this upload.', { retryAfterSeconds: 5 })
}
