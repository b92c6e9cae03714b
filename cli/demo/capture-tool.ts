import { appendFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { makeFolders } from '../../src/journal/durable-file.ts'
import type { AppState } from './desk.ts'
import type { InputStream } from './hand.ts'
import { drawScreen, encodeScreen } from './screenshot.ts'
import { type Session, simulateSession } from './session.ts'

const captureStreams = ['pointer', 'keys', 'menus', 'workflow', 'screens'] as const
type CaptureStream = (typeof captureStreams)[number]

/** One write to a capture file. */
export interface CaptureWrite {
  readonly stream: CaptureStream
  /** Relative to the tool's folder, `/` between parts. */
  readonly path: string
  readonly bytes: number
  /** Whether this write began the file. */
  readonly isNew: boolean
}

/** What the tool needs of time; tests bring their own. */
export interface CaptureClock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Resolves after `ms`, or at once when `signal` is aborted. */
  sleep(ms: number, signal: AbortSignal | undefined): Promise<void>
}

export interface CaptureToolOptions {
  /** Gets a folder per stream; made when missing. An earlier session's files in it are appended to or replaced. */
  readonly folder: string
  /** Length of the session that is played; default 30. */
  readonly seconds?: number
  /** Session seconds per real second; default 1. */
  readonly speed?: number
  /** The same seed plays the same session; default 1. */
  readonly seed?: number
  /** Aborting ends the tool after the write in hand. */
  readonly signal?: AbortSignal
  readonly onWrite?: (write: CaptureWrite) => void
  readonly clock?: CaptureClock
}

export type CaptureTotals = Readonly<Record<CaptureStream, { readonly files: number; readonly bytes: number }>>

/** Small enough that files grow smoothly, large enough that a write carries several lines. */
const flushMs = 250
const screenshotMs = 1500

const inputStreams: readonly InputStream[] = ['pointer', 'keys', 'menus', 'workflow']
/** The stream whose finished file is renamed when the next one begins, as some log writers do. */
const renamedStream: InputStream = 'workflow'

const realClock: CaptureClock = {
  now: () => Date.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}).catch((error: unknown) => {
    if (!signal?.aborted) throw error
  }),
}

/**
 * A capture tool with a simulated person: plays a session in real time and writes JSON lines, rotated half-way, and
 * screenshots. Returns what it wrote when the session is over or `signal` aborted. Errors are the file system's own.
 */
export async function runCaptureTool(options: CaptureToolOptions): Promise<CaptureTotals> {
  const { folder, seconds = 30, speed = 1, seed = 1, signal, clock = realClock } = options
  const startMs = clock.now()
  const session = simulateSession({ seed, seconds, startMs })
  const endMs = seconds * 1000
  const totals = emptyTotals()
  const note = (write: CaptureWrite) => {
    totals[write.stream].bytes += write.bytes
    if (write.isNew) totals[write.stream].files++
    options.onWrite?.(write)
  }
  for (const stream of captureStreams) makeFolders(join(folder, stream))
  const lines = new LineWriter(folder, session, endMs / 2, note)
  const screens = new ScreenWriter(folder, session, note)
  const stopped = () => signal?.aborted === true
  for (let atMs = 0; !stopped(); atMs = Math.min(endMs, atMs + flushMs)) {
    // Against the start, not the last round: drawing takes time, and the session should not drift.
    const waitMs = startMs + atMs / speed - clock.now()
    if (waitMs > 0) await clock.sleep(waitMs, signal)
    if (!stopped()) await lines.writeUntil(atMs, stopped)
    if (!stopped()) await screens.writeUntil(atMs)
    if (atMs === endMs) break
  }
  return totals
}

function emptyTotals(): Record<CaptureStream, { files: number; bytes: number }> {
  const none = () => ({ files: 0, bytes: 0 })
  return { pointer: none(), keys: none(), menus: none(), workflow: none(), screens: none() }
}

/** Appends each stream's records to its current file; the second half of the session goes to a second file. */
class LineWriter {
  readonly #folder: string
  readonly #session: Session
  readonly #rotateMs: number
  readonly #note: (write: CaptureWrite) => void
  readonly #begun = new Set<string>()
  #next = 0

  constructor(folder: string, session: Session, rotateMs: number, note: (write: CaptureWrite) => void) {
    this.#folder = folder
    this.#session = session
    this.#rotateMs = rotateMs
    this.#note = note
  }

  /** Writes every record before `atMs` that is not written yet, in whole lines. */
  async writeUntil(atMs: number, stopped: () => boolean): Promise<void> {
    const first = this.#next
    const { events } = this.#session
    while ((events[this.#next]?.atMs ?? Infinity) < atMs) this.#next++
    const due = events.slice(first, this.#next)
    for (const part of [0, 1]) {
      for (const stream of inputStreams) {
        if (stopped()) return
        const text = due.filter((event) => event.stream === stream && (event.atMs < this.#rotateMs ? 0 : 1) === part)
          .map((event) => `${JSON.stringify(event.record)}\n`).join('')
        if (text !== '') await this.#append(stream, part, text)
      }
    }
  }

  async #append(stream: InputStream, part: number, text: string): Promise<void> {
    const path = `${stream}/${stream}-${String(part).padStart(3, '0')}.jsonl`
    const isNew = !this.#begun.has(path)
    if (isNew && part > 0 && stream === renamedStream) {
      const finished = join(this.#folder, stream, `${stream}-000`)
      await rename(`${finished}.jsonl`, `${finished}-closed.jsonl`)
    }
    await appendFile(join(this.#folder, path), text)
    this.#begun.add(path)
    this.#note({ stream, path, bytes: Buffer.byteLength(text), isNew })
  }
}

/** Takes a screenshot every `screenshotMs`; each appears under its name only when it is complete. */
class ScreenWriter {
  readonly #folder: string
  readonly #session: Session
  readonly #note: (write: CaptureWrite) => void
  #count = 0
  #last: { readonly state: AppState; readonly clock: string; readonly png: Uint8Array } | undefined

  constructor(folder: string, session: Session, note: (write: CaptureWrite) => void) {
    this.#folder = folder
    this.#session = session
    this.#note = note
  }

  async writeUntil(atMs: number): Promise<void> {
    while (this.#count * screenshotMs <= atMs) {
      const png = this.#take(this.#count * screenshotMs)
      const name = `screen-${String(this.#count).padStart(3, '0')}.png`
      const folder = join(this.#folder, 'screens')
      const temporary = join(folder, `.${name}.part`)
      try {
        await writeFile(temporary, png)
        await rename(temporary, join(folder, name))
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
      this.#count++
      this.#note({ stream: 'screens', path: `screens/${name}`, bytes: png.length, isNew: true })
    }
  }

  #take(atMs: number): Uint8Array {
    const state = this.#session.appStateAt(atMs)
    const clock = clockText(atMs)
    if (this.#last?.state !== state || this.#last.clock !== clock) {
      this.#last = { state, clock, png: encodeScreen(drawScreen(state, clock)) }
    }
    return this.#last.png
  }
}

/** The desk's own clock: every session begins at 09:41 on a Monday, whatever the time is. */
function clockText(atMs: number): string {
  const minutes = 9 * 60 + 41 + Math.floor(atMs / 60_000)
  return `Mon ${String(Math.floor(minutes / 60) % 24).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`
}
