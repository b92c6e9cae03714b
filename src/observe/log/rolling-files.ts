import type { LogOutput } from './output.ts'
import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import build from 'pino-roll'
import { systemCode } from '../error.ts'

/** How long nothing is tried after the disk was full or the folder gone. */
const retryMs = 60_000

const namePattern = /^sluice\.(\d{4}-\d\d-\d\d)\.(\d{1,9})\.log$/

export interface RollingOptions {
  readonly folder: string
  /** A file that reaches this is followed by another; lines of the same moment still go into it. */
  readonly maxBytes: number
  /** Files, the one in use included. */
  readonly keep: number
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  /** Called when lines cannot be written any more, with the system's code. */
  readonly onTrouble: (errno: string) => void
}

type Stream = Awaited<ReturnType<typeof build>>

/** `sluice.2026-11-23.1.log` and so on in a folder: a file a day, more when they are large. */
export async function openRollingFiles(options: RollingOptions): Promise<LogOutput> {
  const files = new RollingFiles(options)
  await files.open()
  return files
}

class RollingFiles implements LogOutput {
  readonly #options: RollingOptions
  #stream: Stream | undefined
  #isOpening = false
  #isClosed = false
  #lost = 0
  #failedAt = -Infinity

  constructor(options: RollingOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    const { folder, maxBytes, keep } = this.#options
    this.#isOpening = true
    try {
      mkdirSync(folder, { recursive: true, mode: 0o750 })
      const stream = await build({
        file: join(folder, 'sluice'), size: `${maxBytes}b`, frequency: 'daily', dateFormat: 'yyyy-MM-dd',
        limit: { count: keep, removeOtherLogFiles: true }, sync: true, mode: 0o640,
      })
      stream.on('error', (error: unknown) => this.#fail(error, stream))
      if (this.#isClosed) return stream.destroy()
      this.#stream = stream
      removeOldest(folder, keep)
      if (endsWithinLine(stream.file)) stream.write('\n')
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isOpening = false
    }
  }

  write(line: string, level: string): void {
    if (!this.#stream && !this.#isOpening && this.#options.monotonic() - this.#failedAt >= retryMs) void this.open()
    this.#stream?.write(line)
    // Not there, or lost while this was written.
    if (!this.#stream) this.#lost++
    else if (level === 'fatal') fsync(this.#stream.fd)
  }

  takeLost(): number {
    if (!this.#stream) return 0
    const count = this.#lost
    this.#lost = 0
    return count
  }

  close(): void {
    this.#isClosed = true
    this.#stream?.destroy()
    this.#stream = undefined
  }

  /** A stream that failed is not used again: it may hold half a line, and would go on past its size. */
  #fail(error: unknown, stream?: Stream): void {
    if (this.#isClosed || (stream && stream !== this.#stream)) return
    this.#stream = undefined
    this.#failedAt = this.#options.monotonic()
    stream?.destroy()
    this.#options.onTrouble(systemCode(error) ?? 'unknown')
  }
}

/** Each start of a day may begin a file, and only one that is full would make room for it. */
function removeOldest(folder: string, keep: number): void {
  const names = readdirSync(folder).filter((name) => namePattern.test(name))
  const place = (name: string): readonly [string, number] => {
    const [, day = '', number] = namePattern.exec(name) ?? []
    return [day, Number(number)]
  }
  const newestFirst = names.sort((a, b) => place(b)[0].localeCompare(place(a)[0]) || place(b)[1] - place(a)[1])
  for (const name of newestFirst.slice(keep)) rmSync(join(folder, name), { force: true })
}

/** A process that was killed leaves half a line. */
function endsWithinLine(path: string): boolean {
  const fd = openSync(path, 'r')
  try {
    const { size } = fstatSync(fd)
    const last = Buffer.alloc(1)
    return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a
  } finally {
    closeSync(fd)
  }
}

function fsync(fd: number): void {
  try {
    fsyncSync(fd)
  } catch {
    // The line is with the system, if not on the disk.
  }
}
