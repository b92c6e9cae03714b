import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { SocketFigures } from './socket-figures.ts'
import { afterRead, attemptBytes, lookupBytes, newAccount, type WireAccount } from './wire-cost.ts'
import { windowStart } from './window.ts'

/** Who decides about a connection's bytes. */
export interface Toll {
  /** Payload that may be handed over at once, at most. */
  sliceBytes(connection: Connection): number
  /** Resolves to how many of `bytes` are paid for, once they may be handed over; rejects when nothing may. */
  admit(connection: Connection, bytes: number): Promise<number>
  /** Something was read, or tried, that could not be asked for beforehand. */
  happened(connection: Connection, receivedBytes?: number): void
  /** Resolves when the connection may be reset. */
  closing(): Promise<void>
  /** After the last byte. */
  closed(connection: Connection): void
}

/**
 * A TCP connection as a stream that counts and shapes: TLS goes on top, so what it sees is ciphertext. It ends with a
 * reset, never politely: a reset throws away what the kernel still holds, so a pause takes effect at once on any link;
 * it is one packet where a farewell takes six; and nothing moves after the kernel's last figures were read.
 */
export class Connection extends Duplex {
  account: WireAccount = newAccount
  /** What meters were charged for it so far. */
  chargedBytes = 0
  window = windowStart
  /** The figures that the delay was last judged by, and when, milliseconds. */
  seen: { readonly figures: SocketFigures, readonly at: number } | undefined
  /** The stream on top: TLS, or this. */
  over: Duplex = this
  /** Resolves once it is reset and accounted for. */
  readonly reset: Promise<void>
  readonly #tcp: Socket
  readonly #toll: Toll
  readonly #ending = new AbortController()
  readonly #wasReset = Promise.withResolvers<void>()
  #localPort: number | undefined

  /** Takes over a socket that is connecting. `host`: where to, as the caller named it. */
  constructor(tcp: Socket, host: string, toll: Toll) {
    super({ readableHighWaterMark: 64 << 10, writableHighWaterMark: 64 << 10 })
    this.#tcp = tcp
    this.#toll = toll
    this.reset = this.#wasReset.promise
    tcp.on('lookup', () => { if (host !== 'localhost') this.#aside(lookupBytes(host)) })
    tcp.on('connectionAttemptFailed', () => { this.#aside(attemptBytes) })
    tcp.on('connectionAttemptTimeout', () => { this.#aside(attemptBytes) })
    tcp.on('connect', () => {
      this.account = { ...this.account, ipVersion: tcp.remoteFamily === 'IPv6' ? 6 : 4 }
      this.#localPort = tcp.localPort
      this.emit('connect')
    })
    tcp.on('data', (bytes: Buffer) => { this.#received(bytes) })
    tcp.on('end', () => { this.push(null) })
    tcp.on('error', (error) => { this.destroy(error) })
    tcp.on('close', () => { this.destroy() })
  }

  /** Undefined until connected. */
  get localPort(): number | undefined {
    return this.#localPort
  }

  /** Aborts once the connection is to end, while it may still be open for the kernel's last figures. */
  get ending(): AbortSignal {
    return this.#ending.signal
  }

  /** Ends it for a reason that its user is to see. */
  stop(error: Error): void {
    this.over.destroy(error)
    this.destroy(error)
  }

  ref(): this {
    this.#tcp.ref()
    return this
  }

  unref(): this {
    this.#tcp.unref()
    return this
  }

  override _read(): void {
    this.#tcp.resume()
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, callback: Done): void {
    this.#send(bytes).then(() => { callback() }, callback)
  }

  override _writev(parts: { chunk: Buffer }[], callback: Done): void {
    this._write(Buffer.concat(parts.map(({ chunk }) => chunk)), 'binary', callback)
  }

  override _final(callback: Done): void {
    this.#tcp.end(callback)
  }

  override _destroy(error: Error | null, callback: Done): void {
    this.#ending.abort()
    this.#tcp.pause() // whatever still comes would be paid for, and read by nobody
    void this.#toll.closing().finally(() => {
      if (this.#tcp.connecting) this.#tcp.destroy() // it would be reset only once connected
      else this.#tcp.resetAndDestroy()
      this.#toll.closed(this)
      this.#wasReset.resolve()
      callback(error)
    })
  }

  async #send(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const wanted = Math.min(bytes.length - at, this.#toll.sliceBytes(this))
      const slice = bytes.subarray(at, at + await this.#toll.admit(this, wanted))
      at += slice.length
      await new Promise<void>((resolve, reject) => {
        this.#tcp.write(slice, (error) => { if (error) reject(error); else resolve() })
      })
    }
  }

  #received(bytes: Buffer): void {
    this.account = afterRead(this.account, bytes.length)
    this.#toll.happened(this, bytes.length)
    if (!this.destroyed && !this.push(bytes)) this.#tcp.pause()
  }

  #aside(bytes: number): void {
    this.account = { ...this.account, asideBytes: this.account.asideBytes + bytes }
    this.#toll.happened(this)
  }
}

type Done = (error?: Error | null) => void
