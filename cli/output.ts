import { stripVTControlCharacters, styleText } from 'node:util'

import { wrap } from '../src/scheduler/words.ts'

/** 0: done · 75: something is held · 1: an error · 2: the command line or the config is wrong. */
type ExitCode = 0 | 75 | 1 | 2

/** What a command may use of the terminal and the process. */
export interface Io {
  /**
   * Aborted by Ctrl-C, SIGTERM or SIGHUP; the reason is the signal's name. A command that uses it must end soon after.
   */
  readonly signal: AbortSignal
  /** From now on SIGHUP calls this in place of aborting, if the process has no terminal whose end it could tell of. */
  onHangup(call: () => void): Disposable
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Prints a command's result on stdout: `value` as one line of JSON with `--json`, else the lines. */
  result(json: boolean | undefined, value: object, lines: readonly string[]): void
  /** Something for the person on stderr, in lines that fit a terminal. */
  note(text: string): void
  /** One line on stderr as it is, for logs and programs. */
  log(line: string): void
  /** Asks the person for yes or no; undefined where there is no terminal to ask on. */
  ask(question: string): Promise<boolean | undefined>
  /**
   * A secret from stdin: all of it, or, on a terminal, a line that is not shown while it is typed. Undefined where somebody
   * gave up.
   */
  askSecret(question: string): Promise<string | undefined>
  /** Begins a progress line on stderr: one that rewrites itself on a terminal, now and then a plain line elsewhere. */
  progress(): Progress
  /** Sets what the process exits with if nothing throws. */
  exit(code: ExitCode): void
}

export interface Progress {
  show(text: string): void
  /** Takes the line away, or leaves `text` in its place. */
  end(text?: string): void
}

/** How often progress may be written: often enough to look alive, and rare enough for a log. */
const terminalMs = 100
const pipeMs = 10_000

/** A progress line is cut to this on a terminal, where a wrapped one could not be rewritten; other lines are broken. */
const maxColumns = 80

export function createProgress(stream: NodeJS.WriteStream, now: () => number): Progress {
  // Over a pipe only what takes long is worth lines.
  let shownAt = stream.isTTY ? -Infinity : now()
  const write = (text: string) => stream.write(
    stream.isTTY ? `\r\x1b[K${text.slice(0, Math.min(stream.columns, maxColumns) - 1)}` : `${text}\n`,
  )
  return {
    show(text) {
      if (now() - shownAt < (stream.isTTY ? terminalMs : pipeMs)) return
      shownAt = now()
      write(text)
    },
    end(text) {
      if (stream.isTTY) stream.write('\r\x1b[K')
      if (text !== undefined) stream.write(`${text}\n`)
    },
  }
}

/** Bold on a terminal that shows it (never with NO_COLOR or over a pipe). */
function bold(text: string): string {
  return styleText('bold', text, { stream: process.stdout })
}

/** Texts of several lines, each broken where it is longer than a terminal is wide; what goes on is indented like its beginning. */
export function folded(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const indent = /^ */.exec(line)?.[0] ?? ''
    return line.length <= maxColumns ? [line] : wrap(line, maxColumns, indent === '' ? '' : `${indent}  `, indent)
  })
}

/** `1 pack`, `2 packs` */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Rows with their columns under each other, the first row as a heading; lines are cut where a width is given. */
export function table(rows: readonly (readonly string[])[], maxWidth = Infinity): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => width(row[column] ?? ''))))
  return rows.map((row, index) => {
    const cells = row.map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(cell))))
    const line = cut(cells.join('  ').trimEnd(), maxWidth)
    return index === 0 ? bold(line) : line
  })
}

/** As `table` with columns of at most these widths, two spaces apart: what is longer goes on in the line below. */
export function columns(rows: readonly (readonly string[])[], widths: readonly number[]): string[] {
  const narrow = widths.map((most, column) => Math.min(most, Math.max(...rows.map((row) => row[column]?.length ?? 0))))
  // What the others leave is for the column before the last.
  const spare = widths.reduce((sum, most, column) => sum + most - (narrow[column] ?? 0), 0)
  const wide = narrow.map((most, column) => column === Math.max(0, widths.length - 2) ? most + spare : most)
  return rows.flatMap((row, index) => {
    const cells = row.map((cell, column) => pieces(cell, wide[column] ?? cell.length))
    const lines = Array.from({ length: Math.max(...cells.map((cell) => cell.length)) }, (_, at) =>
      cells.map((cell, column) => (cell[at] ?? '').padEnd(wide[column] ?? 0)).join('  ').trimEnd())
    return index === 0 && rows.length > 1 ? lines.map(bold) : lines
  })
}

function pieces(text: string, length: number): string[] {
  return text === '' ? [''] : text.match(new RegExp(`.{1,${Math.max(1, length)}}`, 'gsu')) ?? ['']
}

function cut(line: string, maxWidth: number): string {
  return line.length <= maxWidth ? line : `${line.slice(0, maxWidth - 1)}…`
}

function width(text: string): number {
  return stripVTControlCharacters(text).length
}
