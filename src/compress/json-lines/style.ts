import { newline } from './model.ts'

const [colon, space, carriageReturn] = [0x3a, 0x20, 0x0d]

/** How a block's lines are written; a line that is not written like this stays as it is. */
export interface Style {
  /** A space behind each comma and colon. */
  readonly spaced: boolean
  /** Lines end with CR LF. */
  readonly crlf: boolean
}

/** Judged by the first key and the first end of a line. */
export function styleOf(raw: Uint8Array): Style {
  const firstKey = raw.findIndex((byte, at) => byte === colon && raw[at - 1] === 0x22)
  return { spaced: raw[firstKey + 1] === space, crlf: raw[raw.indexOf(newline) - 1] === carriageReturn }
}

export function eolOf({ crlf }: Style): Uint8Array {
  return crlf ? Uint8Array.of(carriageReturn, newline) : Uint8Array.of(newline)
}

export function styleNumber({ spaced, crlf }: Style): number {
  return (spaced ? 1 : 0) + (crlf ? 2 : 0)
}

/** Of a number below 4. */
export function numberedStyle(number: number): Style {
  return { spaced: number % 2 === 1, crlf: number >= 2 }
}
