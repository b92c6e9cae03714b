import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { replaceFile } from '../../src/journal/durable-file.ts'
import { SystemdNotifier } from './notify.ts'

/** What is known of the starts of a service since it was started by hand or with the machine. */
export interface Starts {
  /** How many starts in a row ended before the service had run for a while. */
  readonly failures: number
  /** When the last one was, milliseconds since the epoch. */
  readonly startedAt: number
}

/** A service that ran this long had recovered from what had ended it. */
const recoveredMs = 10 * 60_000
/** The first failures may be chance: systemd waits some seconds by itself. */
const freeFailures = 2
const firstMs = 15_000
/** Longest wait: what failed this often costs little then, and somebody who mended it need not wait for long. */
const longestMs = 15 * 60_000

/** How long a service waits that is started now by its manager after it failed, and what is kept of that. Pure. */
export function backOff(before: Starts | undefined, now: number): { readonly waitMs: number; readonly starts: Starts } {
  const ranMs = before && now - before.startedAt
  const failures = before === undefined || ranMs === undefined || ranMs < 0 || ranMs > recoveredMs ? 0 : before.failures + 1
  const waitMs = failures <= freeFailures ? 0 : Math.min(longestMs, firstMs * 2 ** Math.min(failures - freeFailures - 1, 16))
  return { waitMs, starts: { failures, startedAt: now + waitMs } }
}

/**
 * Under systemd, waits before a service starts that failed again and again. A service that is asked to stop has not failed, and
 * the runtime folder goes when it stays stopped, so that a start by hand does not wait.
 */
export async function waitAfterFailures(environment: NodeJS.ProcessEnv, now: () => number, signal: AbortSignal): Promise<void> {
  const { NOTIFY_SOCKET, RUNTIME_DIRECTORY } = environment
  if (NOTIFY_SOCKET === undefined || !RUNTIME_DIRECTORY) return
  const path = join(RUNTIME_DIRECTORY, 'starts.json')
  const { waitMs, starts } = backOff(readStarts(path), now())
  try {
    replaceFile(path, JSON.stringify(starts))
  } catch {
    // Without a note the next start does not wait.
  }
  signal.addEventListener('abort', () => rmSync(path, { force: true }))
  if (waitMs === 0) return
  await using notifier = new SystemdNotifier(() => undefined)
  notifier.say(`STATUS=failed ${starts.failures} times in a row, waits ${Math.round(waitMs / 1000)} s before it starts`, `EXTEND_TIMEOUT_USEC=${(waitMs + longestMs) * 1000}`)
  await sleep(waitMs, undefined, { signal }).catch(() => undefined)
}

function readStarts(path: string): Starts | undefined {
  try {
    const { failures, startedAt } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    return Number.isSafeInteger(failures) && Number.isSafeInteger(startedAt) ? { failures: Number(failures), startedAt: Number(startedAt) } : undefined
  } catch {
    return undefined
  }
}
