import { sameState } from './facts.ts'
import type { PathKey } from './path-key.ts'
import type { FileFacts } from './take.ts'

export type FileEvent = 'rename' | 'change'

/** A path where something may wait. Times are milliseconds by the service's clock. */
export interface Mark {
  readonly since: number
  /** The last event told for this path, if the watcher told any. */
  readonly lastEvent: FileEvent | undefined
  readonly eventAt: number
  /** What the file was at the last look, when it was first seen so, and what of it is unread. */
  readonly seen: { readonly facts: FileFacts; readonly at: number; readonly unreadBytes: number } | undefined
  /** Not worth a look before. */
  readonly readyAt: number
  /** Something happened since the last look. */
  readonly stale: boolean
}

/** More paths than this cost more to keep than one scan of the stream to find again. */
const markLimit = 20_000

/** Where in one stream something may wait: single paths, or `scan` for anywhere. */
export class Marks {
  readonly #limit: number
  #paths = new Map<PathKey, Mark>()
  /** Since when a scan is needed, and from when on it can find something. */
  #scan: { readonly since: number; readonly readyAt: number } | undefined

  constructor(limit = markLimit) {
    this.#limit = limit
  }

  get paths(): ReadonlyMap<PathKey, Mark> {
    return this.#paths
  }

  get scan(): { readonly since: number; readonly readyAt: number } | undefined {
    return this.#scan
  }

  get(key: PathKey): Mark | undefined {
    return this.#paths.get(key)
  }

  /** Something happened at `key`. Returns whether a look is due that was not due before. */
  note(key: PathKey, event: FileEvent, now: number, quietMs: number): boolean {
    const known = this.#paths.get(key)
    // A renamed file goes to the end: rotation tells the new names from the oldest file to the newest, and in this
    // order no cursor has to give way to one that comes before it.
    if (event === 'rename') this.#paths.delete(key)
    const readyAt = event === 'rename' ? now : now + quietMs
    this.#set(key, { since: known?.since ?? now, lastEvent: event, eventAt: now, seen: known?.seen, readyAt, stale: true })
    return !known || event === 'rename'
  }

  /** Puts back what was looked at but not taken; what happened meanwhile counts more. */
  keep(key: PathKey, mark: Mark): void {
    const newer = this.#paths.get(key)
    this.#set(key, newer ? { ...newer, since: Math.min(mark.since, newer.since), seen: newer.seen ?? mark.seen } : mark)
  }

  /** A look at the file, without an event. */
  refresh(key: PathKey, mark: Mark): void {
    this.#paths.set(key, mark)
  }

  needScan(since: number, readyAt = since): void {
    const known = this.#scan
    this.#scan = { since: Math.min(since, known?.since ?? since), readyAt: Math.min(readyAt, known?.readyAt ?? readyAt) }
  }

  /** What was noted later than `now`, by a clock that was set back since, is due: nothing waits for that time again. */
  noticeClock(now: number): void {
    for (const [key, mark] of this.#paths) {
      const { since, eventAt, seen } = mark
      if (Math.max(since, eventAt, seen?.at ?? since) <= now) continue
      this.#paths.set(key, {
        ...mark, since: Math.min(since, now), eventAt: Math.min(eventAt, now), readyAt: now,
        seen: seen && { ...seen, at: Math.min(seen.at, now) },
      })
    }
    if (this.#scan && this.#scan.since > now) this.#scan = { since: now, readyAt: now }
  }

  /** Hands over everything and starts afresh. */
  drain(): { readonly paths: Map<PathKey, Mark>; readonly scan: Marks['scan'] } {
    const drained = { paths: this.#paths, scan: this.#scan }
    this.#paths = new Map()
    this.#scan = undefined
    return drained
  }

  restore(drained: ReturnType<Marks['drain']>): void {
    if (drained.scan) this.needScan(drained.scan.since, drained.scan.readyAt)
    for (const [key, mark] of drained.paths) this.keep(key, mark)
  }

  #set(key: PathKey, mark: Mark): void {
    this.#paths.set(key, mark)
    if (this.#paths.size <= this.#limit) return
    for (const { since, readyAt } of this.#paths.values()) this.needScan(since, readyAt)
    this.#paths = new Map()
  }
}

/** A mark without an event: from a scan, or to look again. */
export function plainMark(now: number, readyAt = now): Mark {
  return { since: now, lastEvent: undefined, eventAt: now, seen: undefined, readyAt, stale: true }
}

/** The mark after a look at the file at `now`. A clock that went backwards does not prolong the wait. */
export function looked(mark: Mark, facts: FileFacts, unreadBytes: number, now: number): Mark {
  const same = mark.seen && sameState(mark.seen.facts, facts)
  const at = same ? Math.min(mark.seen.at, now) : now
  return { ...mark, eventAt: Math.min(mark.eventAt, now), seen: { facts, at, unreadBytes }, stale: false }
}
