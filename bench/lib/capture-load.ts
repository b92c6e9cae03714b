import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { jsonLines } from './random.ts'
import { generatedSessions, recordedSession } from './screen-sessions.ts'
import type { StreamConfig } from './sluice.ts'

const screenEveryMs = 2500
const eventsPerSecond = 50
const stepMs = 1000 / eventsPerSecond

/** What a capture tool writes while a person works. */
export interface CaptureLoad {
  readonly screens: readonly Uint8Array[]
  /** Lines with their line ends. */
  readonly events: readonly string[]
}

export const captureStreams: readonly StreamConfig[] = [
  { name: 'screens', folder: 'screens', files: 'whole', fidelity: 'pixels' },
  { name: 'events', folder: 'events', files: 'append' },
]

/** For so many seconds; screenshots of the recorded session `corpus`, again and again where it is shorter, or drawn ones. */
export function captureLoad(seconds: number, corpus: string | undefined): CaptureLoad {
  const count = Math.max(1, Math.floor((seconds * 1000) / screenEveryMs))
  const recorded = corpus !== undefined && recordedSession('recorded', join(corpus, 'screens'))
  const session = recorded || generatedSessions(count)[0]
  const drawn = [...session?.files ?? []]
  if (drawn.length === 0) throw new Error('the recorded session has no screenshots (screens/*.png)')
  const text = Buffer.alloc(seconds * eventsPerSecond * 400)
  jsonLines(1)(text)
  const lines = text.toString('latin1').split('\n', seconds * eventsPerSecond)
  return {
    screens: Array.from({ length: count }, (_, index) => drawn[index % drawn.length] ?? new Uint8Array()),
    events: lines.map((line) => `${line}\n`),
  }
}

/** Makes the streams' folders, empty as they are before anything is captured. */
export function prepareFolder(folder: string): void {
  for (const stream of captureStreams) mkdirSync(join(folder, stream.folder), { recursive: true })
}

/** Writes everything at once. */
export function writeLoad(load: CaptureLoad, folder: string): void {
  prepareFolder(folder)
  load.screens.forEach((_, index) => { writeScreen(load, folder, index) })
  appendFileSync(join(folder, 'events', 'events.jsonl'), load.events.join(''))
}

/**
 * Writes in real time: each event is an append of its own, 50 a second, and a screenshot comes every 2.5 s. Where there
 * are several folders, a screenshot comes to each at another moment, so that those who watch do not disturb each other.
 */
export async function playLoad(load: CaptureLoad, folders: readonly string[]): Promise<void> {
  const startMs = performance.now()
  const written = folders.map(() => 0)
  for (let next = 0; next < load.events.length || written.some((screens) => screens < load.screens.length);) {
    const elapsedMs = performance.now() - startMs
    for (; next < load.events.length && next * stepMs <= elapsedMs; next++) {
      for (const folder of folders) appendFileSync(join(folder, 'events', 'events.jsonl'), load.events[next] ?? '')
    }
    for (const [at, folder] of folders.entries()) {
      const due = Math.floor(elapsedMs / screenEveryMs + 1 - at / folders.length)
      for (let index = written[at] ?? 0; index < Math.min(due, load.screens.length); index++) {
        writeScreen(load, folder, index)
        written[at] = index + 1
      }
    }
    await delay(Math.max(1, stepMs - (performance.now() - startMs - elapsedMs)))
  }
}

function writeScreen({ screens }: CaptureLoad, folder: string, index: number): void {
  writeFileSync(join(folder, 'screens', `screen-${String(index).padStart(6, '0')}.png`), screens[index] ?? '')
}
