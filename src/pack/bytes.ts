/** A growing byte buffer with the few number forms of the pack format. Integers are little-endian. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(1024)
  #length = 0

  get length(): number {
    return this.#length
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }

  byte(value: number): void {
    this.#room(1)
    this.#buffer[this.#length++] = value
  }

  uint32(value: number): void {
    this.#room(4)
    this.#length = this.#buffer.writeUInt32LE(value, this.#length)
  }

  uint64(value: number): void {
    this.#room(8)
    this.#length = this.#buffer.writeBigUInt64LE(BigInt(value), this.#length)
  }

  /** Unsigned LEB128 of a safe integer: at most 8 bytes. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a varint: ${String(value)}`)
    this.#room(8)
    let rest = value
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[this.#length++] = rest
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length)
    this.#buffer.set(value, this.#length)
    this.#length += value.length
  }

  /** Length as varint, then the bytes. */
  sized(value: Uint8Array): void {
    this.varint(value.length)
    this.bytes(value)
  }

  /** A copy of everything written. */
  finish(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#buffer, 0, this.#length)
  }
}

/** Thrown by `ByteReader` and the decoders on it; whoever knows the pack turns it into `pack-invalid` with its name. */
export class FormatError extends Error {
  readonly offset: number

  constructor(problem: string, offset: number) {
    super(problem)
    this.offset = offset
  }
}

/** Reads what `ByteWriter` wrote and trusts nothing: every read is checked against the end. */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  fail(problem: string): never {
    throw new FormatError(problem, this.#offset)
  }

  #take(length: number, what: string): number {
    if (length > this.remaining) this.fail(`${what}: ${length} bytes wanted, ${this.remaining} left`)
    const start = this.#offset
    this.#offset += length
    return start
  }

  byte(what: string): number {
    return this.#view.getUint8(this.#take(1, what))
  }

  uint32(what: string): number {
    return this.#view.getUint32(this.#take(4, what), true)
  }

  uint64(what: string): number {
    const value = this.#view.getBigUint64(this.#take(8, what), true)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`${what}: larger than 2^53 - 1`)
    return Number(value)
  }

  /** A canonical varint not above `most`. */
  varint(what: string, most: number = Number.MAX_SAFE_INTEGER): number {
    let value = 0
    for (let factor = 1; ; factor *= 0x80) {
      if (factor > 2 ** 49) this.fail(`${what}: number too long`)
      const byte = this.byte(what)
      value += (byte & 0x7f) * factor
      if (byte < 0x80) {
        if (byte === 0 && factor > 1) this.fail(`${what}: number not in its shortest form`)
        break
      }
    }
    if (value > most) this.fail(`${what}: ${value} is above the limit of ${most}`)
    return value
  }

  /** A count of things that take at least `leastBytes` each, so that no count can ask for more memory than the input is worth. */
  count(what: string, leastBytes: number, most: number): number {
    const count = this.varint(what, most)
    if (count * leastBytes > this.remaining) this.fail(`${what}: ${count} do not fit into ${this.remaining} bytes`)
    return count
  }

  /** A view, not a copy. */
  bytes(length: number, what: string): Uint8Array {
    const start = this.#take(length, what)
    return this.#bytes.subarray(start, start + length)
  }

  sized(what: string, most: number): Uint8Array {
    return this.bytes(this.varint(`${what} length`, most), what)
  }

  end(what: string): void {
    if (this.remaining > 0) this.fail(`${what}: ${this.remaining} bytes too many`)
  }
}
