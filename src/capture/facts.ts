import { statSync, type BigIntStats } from 'node:fs'
import type { FileFacts } from './take.ts'

/** Coarsest step in which file systems date a change. Two changes within one step look like one. */
export const fileClockStepMs = 20

type ContentFacts = Pick<FileFacts, 'sizeBytes' | 'modifiedUs'>
type StateFacts = ContentFacts & Pick<FileFacts, 'changedUs'>

export function factsOf(stats: BigIntStats): FileFacts {
  return {
    device: stats.dev,
    inode: stats.ino,
    sizeBytes: Number(stats.size),
    modifiedUs: Number(stats.mtimeNs / 1000n),
    changedUs: Number(stats.ctimeNs / 1000n),
    mode: Number(stats.mode & 0o7777n),
  }
}

export const sameInode = (a: Pick<FileFacts, 'inode' | 'device'>, b: Pick<FileFacts, 'inode' | 'device'>): boolean => a.inode === b.inode && a.device === b.device

/** Same length and time of the last write; a rename or chmod does not show here. */
export const sameContentFacts = (a: ContentFacts, b: ContentFacts): boolean =>
  a.sizeBytes === b.sizeBytes && a.modifiedUs === b.modifiedUs

/** Nothing the file system dates has happened between the two. */
export const sameState = (a: StateFacts, b: StateFacts): boolean => sameContentFacts(a, b) && a.changedUs === b.changedUs

/** Whether a further change could still carry the same time as the last one, and so go unseen. */
export function unsettled(facts: FileFacts, now: number): boolean {
  // Either way: `now` is whole milliseconds, so a change of this moment may seem to lie ahead.
  return Math.abs(now - facts.changedUs / 1000) < fileClockStepMs
}

/**
 * When the file was made, microseconds since the epoch; 0 where the file system does not tell. Without statx(2), which old
 * kernels and some containers lack, the time of the last change stands in its place; proc(5) shows it, for it keeps none.
 */
export function bornUs(stats: Pick<BigIntStats, 'birthtimeNs'>): number {
  return (tellsBirths ??= process.platform !== 'linux' || statSync('/proc/self').birthtimeMs === 0) ? Number(stats.birthtimeNs / 1000n) : 0
}

let tellsBirths: boolean | undefined
