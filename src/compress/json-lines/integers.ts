import type { ByteReader, ByteWriter } from '../../pack/bytes.ts'

/** One byte up to here; above, the rest of the number stands apart, where it does not disturb the bytes that repeat. */
const shortCodes = 192
/** Two bytes: this many values for the first. */
const mediumCodes = 48
const longCodes = shortCodes + mediumCodes
const mostExtraBytes = 7

/** Numbers from 0 to 2^53 - 1: their leading bytes in one place, what follows those in another. */
export class CodeWriter {
  readonly #leads: ByteWriter
  readonly #extras: ByteWriter

  constructor(leads: ByteWriter, extras: ByteWriter) {
    this.#leads = leads
    this.#extras = extras
  }

  write(code: number): void {
    if (code < shortCodes) {
      this.#leads.byte(code)
    } else if (code < shortCodes + mediumCodes * 256) {
      this.#leads.byte(leadOf(code))
      this.#extras.byte((code - shortCodes) & 0xff)
    } else {
      const length = longLength(code)
      this.#leads.byte(longCodes + length)
      let rest = code
      for (let left = length; left > 0; left--) {
        this.#extras.byte(rest % 256)
        rest = Math.floor(rest / 256)
      }
    }
  }
}

export class CodeReader {
  readonly #leads: ByteReader
  readonly #extras: ByteReader

  constructor(leads: ByteReader, extras: ByteReader) {
    this.#leads = leads
    this.#extras = extras
  }

  /** Throws `FormatError`. */
  read(): number {
    const lead = this.#leads.byte('number')
    if (lead < shortCodes) return lead
    if (lead < longCodes) return shortCodes + (lead - shortCodes) * 256 + this.#extras.byte('number')
    const length = lead - longCodes
    if (length > mostExtraBytes) this.#leads.fail('a number that is too long')
    let code = 0
    for (let at = 0, factor = 1; at < length; at++, factor *= 256) code += this.#extras.byte('number') * factor
    return code
  }
}

/** The first byte of a code. */
export function leadOf(code: number): number {
  if (code < shortCodes) return code
  if (code < shortCodes + mediumCodes * 256) return shortCodes + ((code - shortCodes) >> 8)
  return longCodes + longLength(code)
}

/** How many bytes follow a first byte. */
export function extraBytes(lead: number): number {
  return lead < shortCodes ? 0 : lead < longCodes ? 1 : lead - longCodes
}

function longLength(code: number): number {
  let length = 2
  for (let rest = Math.floor(code / 65_536); rest > 0; rest = Math.floor(rest / 256)) length++
  return length
}
