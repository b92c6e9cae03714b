import type { Level } from '../fields.ts'
import type { LogOutput } from './output.ts'
import { writeSync } from 'node:fs'
import { systemCode } from '../error.ts'

/** What may wait for a reader that does not read. More of it is lost, as the service's memory must not fill with it. */
const mostWaitingBytes = 1 << 20

/** How long a fatal line waits for a reader: the process is about to end, and must. */
const patience = { tries: 100, restMs: 10 }

/** Priorities as journald takes them in front of a line. */
const priorities: Readonly<Record<Level, number>> = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7 }

interface Stream {
  readonly fd: number
  readonly writableLength: number
  write(text: string): unknown
}

/** Lines on stdout or stderr; with `prioritized` each begins with its priority, for journald. */
export function streamOutput(stream: Stream, prioritized = false): LogOutput {
  let lost = 0
  const isStuck = (): boolean => stream.writableLength > mostWaitingBytes
  return {
    write(line, level) {
      const text = prioritized ? `<${priorities[level]}>${line}` : line
      // What still waits may end within a line.
      if (level === 'fatal') writeNow(stream.fd, stream.writableLength > 0 ? `\n${text}` : text)
      else if (isStuck()) lost++
      else stream.write(text)
    },
    takeLost() {
      if (isStuck()) return 0
      const count = lost
      lost = 0
      return count
    },
    close: () => undefined,
  }
}

/** Writes in this turn of the loop, or gives up. */
function writeNow(fd: number, text: string): void {
  let rest = Buffer.from(text)
  for (let tries = 0; rest.length > 0 && tries < patience.tries; tries++) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      if (systemCode(error) !== 'EAGAIN') return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, patience.restMs)
    }
  }
}

/** Whether journald reads a stream: `JOURNAL_STREAM` names the device and inode of what it gave a service. */
export function isJournal(journalStream: string | undefined, { dev, ino }: { readonly dev: number | bigint; readonly ino: number | bigint }): boolean {
  return journalStream !== undefined && journalStream === `${dev}:${ino}`
}
