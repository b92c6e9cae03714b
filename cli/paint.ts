import { styleText } from 'node:util'

/** How something may be shown. */
export interface Look {
  /** Widest line. */
  readonly columns: number
  /** Whether characters beyond ASCII are shown. */
  readonly unicode: boolean
  readonly paint: (style: Style, text: string) => string
}

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red'

/** Lines longer than this are hard to read, and shorter ones cannot hold what is to be said. */
const mostColumns = 100
const leastColumns = 32
/** Over a pipe nobody says how wide the reader’s lines are. */
const pipeColumns = 80

/** Plain lines of 80 columns. */
export const plain: Look = { columns: pipeColumns, unicode: true, paint: (_, text) => text }

/** How to show something on stdout: colours only on a terminal that wants them. */
export function lookOf(stream: NodeJS.WriteStream, environment: Readonly<Record<string, string | undefined>>): Look {
  const { LC_ALL, LC_CTYPE, LANG, TERM } = environment
  const locale = [LC_ALL, LC_CTYPE, LANG].find((value) => value) ?? ''
  return {
    columns: stream.isTTY ? Math.max(leastColumns, Math.min(stream.columns || pipeColumns, mostColumns)) : pipeColumns,
    unicode: stream.isTTY ? /utf-?8/i.test(locale) && TERM !== 'linux' && TERM !== 'dumb' : true,
    paint: (style, text) => styleText(style, text, { stream }),
  }
}

/** `####------`, `width` wide: full only when all is used. */
export function bar(part: number, width: number, { unicode }: Look): string {
  const share = Math.max(0, Math.min(1, part))
  const full = share < 1 ? Math.min(width - 1, Math.round(share * width)) : width
  const [on, off] = unicode ? ['█', '░'] : ['#', '-']
  return `${on.repeat(full)}${off.repeat(width - full)}`
}
