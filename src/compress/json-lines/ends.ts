import { maxDepth } from './limits.ts'

const [openObject, closeObject, openArray, closeArray] = [0x7b, 0x7d, 0x5b, 0x5d]
const [quote, backslash, comma, colon, newline, space] = [0x22, 0x5c, 0x2c, 0x3a, 0x0a, 0x20]
/** Opens an object whose value under the empty key follows. */
const openers = { [closeObject]: '{"":', [closeArray]: '[' } as Readonly<Record<number, string>>
const spacedOpeners = { [closeObject]: '{"": ', [closeArray]: '[' } as Readonly<Record<number, string>>

/** A block as whole lines: `head ‖ text without prefixBytes and suffixBytes at its ends ‖ tail` is the block. */
export interface WholeLines {
  /** Ends with a newline unless it is empty. */
  readonly text: Uint8Array
  readonly prefixBytes: number
  readonly suffixBytes: number
  readonly head: Uint8Array
  readonly tail: Uint8Array
}

/**
 * Mends the ends of a block that was cut out of its lines anywhere, perhaps in the middle of one that is larger than
 * itself. What the first line closes but does not open is opened in front of it, what the last one leaves open is
 * closed behind it; what stands outside of whole values, at both ends, is kept apart.
 */
export function mendEnds(raw: Uint8Array, spaced: boolean, eol: Uint8Array): WholeLines {
  const firstNewline = raw.indexOf(newline)
  const firstEnd = firstNewline < 0 ? raw.length : firstNewline
  const isOpening = raw[0] === openObject || raw[0] === openArray
  const start = isOpening ? 0 : Math.max(0, indexOfObject(raw.subarray(0, firstEnd)))
  const lastStart = Math.max(start, raw.lastIndexOf(newline) + 1)
  const first = follow(raw, start, firstEnd)
  const last = lastStart === start ? first : follow(raw, lastStart, raw.length)
  const end = lastStart === raw.length ? raw.length : last.end
  const opened = spaced ? spacedOpeners : openers
  const nothing = new Uint8Array()
  if (end === start) return { text: nothing, prefixBytes: 0, suffixBytes: 0, head: raw, tail: nothing }
  const prefix = Buffer.from(first.missing.map(closer => opened[closer]).reverse().join(''))
  const suffix = end === lastStart ? nothing : Buffer.concat([Buffer.from(last.left), eol])
  const body = raw.subarray(start, end)
  return {
    text: prefix.length + suffix.length === 0 ? body : Buffer.concat([prefix, body, suffix]),
    prefixBytes: prefix.length,
    suffixBytes: suffix.length,
    head: raw.subarray(0, start),
    tail: raw.subarray(end),
  }
}

function indexOfObject(bytes: Uint8Array): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('{"')
}

interface Followed {
  /** Closers without openers, in their order. */
  readonly missing: readonly number[]
  /** The last place behind a whole value, or the end when nothing is left open. */
  readonly end: number
  /** Closers of what is open there, innermost first. */
  readonly left: readonly number[]
}

/** Follows containers and strings through a part of a line, believing it to be JSON. */
function follow(raw: Uint8Array, start: number, stop: number): Followed {
  const missing: number[] = []
  const open: number[] = []
  let [end, depth] = [start, 0]
  for (let at = start; at < stop && open.length <= maxDepth && missing.length <= maxDepth; at++) {
    const byte = raw[at]
    if (byte === quote) {
      at = stringEnd(raw, at + 1, stop)
    } else if (byte === openObject || byte === openArray) {
      open.push(byte === openObject ? closeObject : closeArray)
    } else if (byte === comma) {
      end = at
      depth = open.length
      if (depth > 0) continue
      // The value before it stood in a container that was opened before the cut.
      const closer = isKey(raw, at + 1, stop) ? closeObject : closeArray
      missing.push(closer)
      open.push(closer)
      depth = 1
    } else if (byte === closeObject || byte === closeArray) {
      if (open.pop() === undefined) missing.push(byte)
      end = at + 1
      depth = open.length
    }
  }
  return { missing, end, left: open.slice(0, depth).reverse() }
}

function isKey(raw: Uint8Array, start: number, stop: number): boolean {
  const at = raw[start] === space ? start + 1 : start
  return raw[at] === quote && raw[stringEnd(raw, at + 1, stop) + 1] === colon
}

function stringEnd(raw: Uint8Array, start: number, stop: number): number {
  for (let at = start; at < stop; at++) {
    if (raw[at] === quote) return at
    if (raw[at] === backslash) at++
  }
  return stop
}
