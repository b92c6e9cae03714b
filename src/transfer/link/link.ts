import { Agent, type Dispatcher } from 'undici'
import { SluiceError } from '../../observe/error.ts'
import type { Meter } from '../meter.ts'
import { linkConnector } from './connect.ts'
import type { Connection, Toll } from './connection.ts'
import { Looks } from './looks.ts'
import { Pacer, sleep } from './pacer.ts'
import type { ProxyChoice } from './proxy.ts'
import { socketFigures, type FigureSource, type SocketFigures } from './socket-figures.ts'
import type { LinkTls } from './trust.ts'
import {
  afterSlice, hasMoved, keptBytes, likelyBytes, looksDue, mostBytes, newAccount, segmentBytes, sliceWireBytes,
} from './wire-cost.ts'
import { afterLook, lookAgainAfterMs, outstandingBytes } from './window.ts'
import { yieldingStart, yieldTo, type DelaySample } from './yielding.ts'

/** How fast bytes may leave. Counted as they are on the wire, with the headers of TLS, TCP and IP. */
export interface LinkRate {
  /** Undefined: as fast as the network takes them. */
  readonly maxBytesPerSecond?: number
  /** Slow down when the delay to the destination says that somebody else needs the network. */
  readonly yields: boolean
}

/** Is told of bytes on a connection, TLS and all, as they move. */
export interface Watch {
  handed(bytes: number): void
  received(bytes: number): void
}

/** The way to one destination: every connection over it is counted, shaped, and ended at once when it must be. */
export interface Link extends AsyncDisposable {
  /** For requests with undici. */
  readonly dispatcher: Dispatcher
  /** Takes effect within one slice. */
  setRate(rate: LinkRate): void
  /**
   * Charges all wire bytes to `meter` until disposed of, which reads the kernel's final figures and charges or gives
   * back the difference. One user at a time; what moves without one is charged to the next. When `signal` aborts or a charge
   * is refused, every connection ends at once, and requests fail with the `aborted` error.
   */
  use(meter: Meter, signal: AbortSignal, watch?: Watch): AsyncDisposable
}

export interface LinkOptions {
  /** Milliseconds that never go back, as of `performance.now`. */
  readonly clock: () => number
  readonly tls?: LinkTls
  /** Which proxy leads to the destination; none by default. */
  readonly proxyTo?: ProxyChoice
  /** Whether HTTP/2 is spoken to servers that offer it; so by default. */
  readonly http2?: boolean
  readonly rate: LinkRate
  /** What the kernel knows of a connection; by default what this platform offers. */
  readonly figures?: FigureSource
}

/** Opens nothing yet: the first request connects. */
export function openLink(options: LinkOptions): Link {
  return new MeteredLink(options)
}

/** A reset waits this long for the kernel's last figures, so that a pause is on the wire well within 250 ms. */
const lastLookMs = 60
/** Between looks at connections that move: while yielding, often enough to step aside before a person notices. */
const lookMs = { yielding: 250, counting: 1000 }
/** Below the 5 s after which common servers hang up, which costs bytes that nobody asked for. */
const keepAliveMs = 4000

/** After so many looks that nobody answered in time, an estimate has to do. One is a busy moment of this machine. */
const mostUnanswered = 5

/** Near the end of a cap slices shrink; what is smaller costs more for its headers than it brings over. */
const leastSliceBytes = 4096

interface Use {
  readonly meter: Meter
  readonly watch: Watch | undefined
  stopped: SluiceError | undefined
}

class MeteredLink implements Link, Toll {
  readonly dispatcher: Agent
  readonly #clock: () => number
  readonly #figures: FigureSource
  readonly #pacer: Pacer
  readonly #connections = new Set<Connection>()
  readonly #looks = new Looks(() => this.#look())
  #rate: LinkRate
  #yielding = yieldingStart
  #use: Use | undefined
  /** Moved while there was nobody to charge. */
  #owedBytes = 0
  #timer: NodeJS.Timeout | undefined
  /** Whether looks tell anything; without figures nothing but the meter holds a connection back. */
  #canLook = true
  /** Looks in a row that nobody answered. */
  #unanswered = 0

  constructor({
    clock, tls = {}, proxyTo = () => undefined, http2 = true, rate, figures = socketFigures(process.platform),
  }: LinkOptions) {
    this.#clock = clock
    this.#figures = figures
    this.#pacer = new Pacer(clock)
    this.#rate = rate
    this.setRate(rate)
    this.dispatcher = new Agent({
      connections: 1, pipelining: 1, keepAliveTimeout: keepAliveMs, keepAliveMaxTimeout: keepAliveMs,
      allowH2: http2,
      ...(http2 && { h2Options: { maxConcurrentStreams: 1, pingInterval: 0 } }), // a ping costs bytes that nobody asked for
      connect: linkConnector({ tls, proxyTo, http2 }, (open) => this.#open(open)),
    })
  }

  setRate(rate: LinkRate): void {
    this.#rate = rate
    if (!rate.yields) this.#yielding = { ...yieldingStart, minutes: this.#yielding.minutes }
    this.#pacer.setRates(rate.maxBytesPerSecond, this.#yielding.bytesPerSecond)
    this.#plan()
  }

  use(meter: Meter, signal: AbortSignal, watch?: Watch): AsyncDisposable {
    if (this.#use) throw new Error('a link has one user at a time')
    const use: Use = { meter, watch, stopped: undefined }
    this.#use = use
    const stop = () => { this.#stop(stopped(signal.reason)) }
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    const owedBytes = this.#owedBytes
    this.#owedBytes = 0
    if (owedBytes !== 0 && !meter.correct(owedBytes)) this.#stop(refused())
    this.#plan()
    return {
      [Symbol.asyncDispose]: async () => {
        if (use.stopped) await this.#allClosed()
        else await this.#looks.fresh()
        for (const connection of this.#connections) this.#correct(connection, keptBytes(connection.account))
        signal.removeEventListener('abort', stop)
        this.#use = undefined
      },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    await this.dispatcher.destroy()
    for (const connection of this.#connections) connection.destroy()
    await this.#allClosed()
  }

  sliceBytes({ account, window }: Connection): number {
    return this.#pacer.sliceBytes(segmentBytes(account), window.bytes)
  }

  async admit(connection: Connection, bytes: number): Promise<number> {
    await this.#hasRoom(connection)
    await this.#pacer.wait(connection.ending)
    this.#throwIfStopped(connection)
    if (!this.#chargeSlice(connection, bytes)) {
      // The charge is cautious: fresh figures may make room, and a smaller slice may fit into what is left.
      await this.#looks.fresh()
      this.#throwIfStopped(connection)
      while (!this.#chargeSlice(connection, bytes)) {
        if (bytes <= leastSliceBytes) throw this.#stop(refused())
        bytes = Math.max(leastSliceBytes, Math.floor(bytes / 2))
      }
    }
    this.#pacer.spend(sliceWireBytes(connection.account, bytes))
    this.#use?.watch?.handed(bytes)
    return bytes
  }

  /** Waits until the kernel holds little enough of what was handed over before. */
  async #hasRoom(connection: Connection): Promise<void> {
    if (looksDue(connection.account) >= 1) void this.#looks.begin()
    const isFull = () => {
      const { window, account } = connection
      return outstandingBytes(window, account.traffic.handedBytes) >= window.bytes
    }
    while (this.#canLook && isFull() && !connection.ending.aborted) {
      await this.#looks.fresh()
      if (!isFull()) return
      await sleep(lookAgainAfterMs(connection.window, connection.account.traffic.handedBytes), connection.ending)
    }
  }

  happened(connection: Connection, receivedBytes = 0): void {
    if (!this.#charge(connection)) this.#stop(refused())
    if (receivedBytes > 0) this.#use?.watch?.received(receivedBytes)
  }

  async closing(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const timer = setTimeout(resolve, lastLookMs, undefined)
    await Promise.race([this.#looks.fresh(), promise])
    clearTimeout(timer)
  }

  closed(connection: Connection): void {
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#figures.rest()
    this.#correct(connection, likelyBytes(connection.account))
  }

  #open(open: (toll: Toll) => Connection): Connection {
    if (this.#use?.stopped) throw this.#use.stopped
    const firstBytes = mostBytes(newAccount)
    if (this.#use && !this.#use.meter.charge(firstBytes)) throw this.#stop(refused())
    const connection = open(this)
    if (this.#use) connection.chargedBytes = firstBytes
    this.#connections.add(connection)
    this.#plan()
    return connection
  }

  #chargeSlice(connection: Connection, bytes: number): boolean {
    const before = connection.account
    connection.account = afterSlice(before, bytes)
    if (this.#charge(connection)) return true
    connection.account = before
    return false
  }

  /** Charges what the connection's state asks for beyond what was charged. */
  #charge(connection: Connection): boolean {
    const missing = mostBytes(connection.account) - connection.chargedBytes
    if (missing <= 0 || !this.#use) return true
    if (!this.#use.meter.charge(missing)) return false
    connection.chargedBytes += missing
    return true
  }

  /** Puts `bytes` in place of what was charged. */
  #correct(connection: Connection, bytes: number): void {
    const delta = bytes - connection.chargedBytes
    if (delta === 0) return
    connection.chargedBytes = bytes
    if (!this.#use) this.#owedBytes += delta
    else if (!this.#use.meter.correct(delta)) this.#stop(refused())
  }

  /** Ends every connection, and this use. Returns why: the first cause stays. */
  #stop(error: SluiceError): SluiceError {
    if (!this.#use) return error
    if (this.#use.stopped) return this.#use.stopped
    this.#use.stopped = error
    for (const connection of this.#connections) connection.stop(error)
    return error
  }

  #throwIfStopped(connection: Connection): void {
    if (this.#use?.stopped) throw this.#use.stopped
    if (connection.destroyed) throw stopped(undefined)
  }

  async #allClosed(): Promise<void> {
    await Promise.all([...this.#connections].map(({ reset }) => reset))
  }

  /** Looks again while something moves that somebody pays for or yields to. */
  #plan(): void {
    clearTimeout(this.#timer)
    if (!this.#use || this.#connections.size === 0) return
    this.#timer = setTimeout(() => {
      const isMoving = [...this.#connections].some(({ account }) => hasMoved(account))
      void (isMoving ? this.#looks.begin() : Promise.resolve()).then(() => { this.#plan() })
    }, this.#rate.yields ? lookMs.yielding : lookMs.counting)
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    const asked = [...this.#connections].flatMap((connection) => {
      const { localPort, account: { traffic } } = connection
      return localPort === undefined ? [] : [{ connection, localPort, traffic }]
    })
    const at = this.#clock()
    const found = await this.#figures.read(asked.map(({ localPort }) => localPort))
    this.#unanswered = found ? 0 : this.#unanswered + 1
    this.#canLook = found ? asked.length === 0 || found.size > 0 : this.#unanswered < mostUnanswered
    if (!found) return
    for (const { connection, localPort, traffic } of asked) {
      const figures = found.get(localPort)
      if (!figures || !this.#connections.has(connection)) continue
      connection.account = { ...connection.account, sample: { figures, traffic } }
      connection.window = afterLook(connection.window, { at, handedBytes: traffic.handedBytes, ...figures })
      if (this.#use) this.#correct(connection, mostBytes(connection.account))
      this.#yieldTo(connection, figures)
    }
  }

  #yieldTo(connection: Connection, figures: SocketFigures): void {
    if (!this.#rate.yields) return
    const now = this.#clock()
    const before = connection.seen
    if (before && now - before.at < lookMs.yielding / 2) return
    connection.seen = { figures, at: now }
    const sample = before && delaySample(before.figures, figures, now - before.at)
    if (!sample) return
    this.#yielding = yieldTo(this.#yielding, sample, now)
    this.#pacer.setRates(this.#rate.maxBytesPerSecond, this.#yielding.bytesPerSecond)
  }
}

/** Undefined when nothing came back in between: then the delay is an old one. */
function delaySample(before: SocketFigures, after: SocketFigures, elapsedMs: number): DelaySample | undefined {
  if (after.rttMs === undefined || after.segmentsIn === before.segmentsIn) return undefined
  const sentBytes = after.sentBytes - before.sentBytes
  const againBytes = after.retransmittedBytes - before.retransmittedBytes
  return {
    delayMs: after.rttMs,
    deliveredBytesPerSecond: Math.max(0, sentBytes - againBytes) / elapsedMs * 1000,
    lossShare: sentBytes === 0 ? 0 : againBytes / sentBytes,
  }
}

function stopped(cause: unknown): SluiceError {
  return new SluiceError('aborted', 'Sending was stopped. What arrived is kept, and the rest goes on from there.', {
    transient: true, cause,
  })
}

function refused(): SluiceError {
  const message = 'A data cap leaves no room for more. What arrived is kept, and the rest goes on from there.'
  return new SluiceError('aborted', message, { transient: true })
}
