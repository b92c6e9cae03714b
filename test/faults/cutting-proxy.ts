import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { seededRandom } from '../../bench/lib/random.ts'
import type { Direction, Fault } from './fault-plan.ts'
import { RequestReader, type SeenRequest } from './request-reader.ts'

export interface CuttingProxyOptions {
  /** Of the server on this machine that it leads to; changeable, for one that comes back elsewhere. */
  readonly port: number
  /** For the moments of `jitter` and `pause`. */
  readonly seed: number
}

/** What one connection carried. */
export interface Carried {
  /** From 1. */
  readonly number: number
  /** Bytes that reached the server's kernel. */
  upBytes: number
  /** Bytes that were handed on to the client. */
  downBytes: number
  /** Read from the client and thrown away, or lost with a reset before the server's kernel had them. */
  lostBytes: number
  /** Reached the server only after the client had come back: counted neither above nor in requests. */
  lateBytes: number
  /** What was done to it. */
  fault?: Fault
}

/**
 * A TCP proxy on loopback that does to connections what networks do. Bytes pass as they are, so TLS does too; plain HTTP/1.1
 * requests are also read as they pass, to tell how much of which body the server's kernel was given.
 */
export interface CuttingProxy extends AsyncDisposable {
  readonly port: number
  readonly connections: readonly Carried[]
  readonly requests: readonly SeenRequest[]
  /** Leads further connections to another port of this machine. */
  leadTo(port: number): void
  /** Has this happen, counted from now over all connections; replaces one that has not happened yet. */
  arm(fault: Fault): void
  /** Takes back what was armed. Returns whether it has happened. */
  disarm(): boolean
}

/** Most of a pause, and of the delay of one piece. */
const pauseMs = 60
const jitterMs = 4
/** Taken from the client after a `late` fault, at most, and waited for at most. */
const lateBytes = 256 << 10
const lateMs = 30
/** How long a server's kernel may take to confirm what it was sent, before a reset throws the rest away. */
const confirmMs = 2000
const giveUpLookMs = 20

export async function startCuttingProxy({ port, seed }: CuttingProxyOptions): Promise<CuttingProxy> {
  const way = new Way(port, seed)
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => { way.accept(near) }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    connections: way.connections,
    requests: way.requests,
    leadTo: (next) => { way.port = next },
    arm: (fault) => { way.armed = { fault, left: fault.atBytes } },
    disarm: () => {
      const hasHappened = way.armed === undefined
      way.armed = undefined
      return hasHappened
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      way.close()
      await closed
    },
  }
}

/** The state that connections share. */
class Way {
  port: number
  armed: { readonly fault: Fault, left: number } | undefined
  readonly connections: Carried[] = []
  readonly requests: SeenRequest[] = []
  readonly random: () => number
  readonly #sockets = new Set<Socket>()
  /** What waits until a later connection has been answered. */
  #untilAnswered: { readonly after: number, readonly go: () => void }[] = []

  constructor(port: number, seed: number) {
    this.port = port
    this.random = seededRandom(seed)
  }

  accept(near: Socket): void {
    const far = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
    }
    const carried: Carried = { number: this.connections.length + 1, upBytes: 0, downBytes: 0, lostBytes: 0, lateBytes: 0 }
    this.connections.push(carried)
    void new Crossing(this, near, far, carried).run()
  }

  /** Called with each answer: what waited for a later connection's goes on. */
  answered(connection: number): void {
    const due = this.#untilAnswered.filter(({ after }) => after < connection)
    this.#untilAnswered = this.#untilAnswered.filter(({ after }) => after >= connection)
    for (const { go } of due) go()
  }

  afterLaterAnswer(connection: number): Promise<void> {
    return new Promise((go) => this.#untilAnswered.push({ after: connection, go }))
  }

  close(): void {
    for (const { go } of this.#untilAnswered) go()
    for (const socket of this.#sockets) socket.destroy()
  }
}

/** One connection from a client, and the one made for it to the server. */
class Crossing {
  readonly #way: Way
  readonly #near: Socket
  readonly #far: Socket
  readonly #carried: Carried
  readonly #reader: RequestReader
  /** What becomes of pieces: passed on with or without delay, held for good, thrown away, or kept for later. */
  #mode: 'pass' | 'jitter' | 'hold' | 'drop' | 'keep' = 'pass'
  readonly #kept: Buffer[] = []

  constructor(way: Way, near: Socket, far: Socket, carried: Carried) {
    this.#way = way
    this.#near = near
    this.#far = far
    this.#carried = carried
    this.#reader = new RequestReader(carried.number, (request) => way.requests.push(request))
  }

  async run(): Promise<void> {
    await Promise.all([this.#pump('up', this.#near, this.#far), this.#pump('down', this.#far, this.#near)])
  }

  async #pump(direction: Direction, from: Socket, to: Socket): Promise<void> {
    try {
      for await (const piece of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        await this.#take(direction, piece)
      }
      if (this.#isPassing) to.end()
    } catch {
      // A reset goes on to the other side, unless a fault has its own way of telling it.
      if (!this.#isPassing) return
      if (direction === 'up') await this.#confirmed()
      to.resetAndDestroy()
    }
  }

  get #isPassing(): boolean {
    return this.#mode === 'pass' || this.#mode === 'jitter'
  }

  async #take(direction: Direction, piece: Buffer): Promise<void> {
    const { armed } = this.#way
    if (armed?.fault.direction !== direction || !this.#isPassing) return this.#move(direction, piece)
    // A cut may come behind the last byte; what is to be changed must be there.
    if (armed.left > piece.length || (armed.left === piece.length && armed.fault.kind === 'corrupt')) {
      armed.left -= piece.length
      return this.#move(direction, piece)
    }
    this.#way.armed = undefined
    this.#carried.fault = armed.fault
    await this.#move(direction, piece.subarray(0, armed.left))
    await this.#happen(armed.fault, piece.subarray(armed.left))
  }

  async #move(direction: Direction, piece: Buffer): Promise<void> {
    if (piece.length === 0) return
    switch (this.#mode) {
      case 'hold':
        return this.#holdOn()
      case 'keep':
        if (direction === 'up') this.#kept.push(piece)
        return
      case 'drop':
        if (direction === 'up') this.#carried.lostBytes += piece.length
        return
      case 'jitter':
        await delay(this.#way.random() * jitterMs)
        return this.#pass(direction, piece)
      case 'pass':
        return this.#pass(direction, piece)
    }
  }

  async #pass(direction: Direction, piece: Buffer): Promise<void> {
    const failed = await new Promise<unknown>((resolve) => (direction === 'up' ? this.#far : this.#near).write(piece, resolve))
    if (direction === 'down') {
      this.#carried.downBytes += piece.length
      this.#way.answered(this.#carried.number)
    } else if (failed instanceof Error) {
      this.#carried.lostBytes += piece.length
    } else {
      this.#carried.upBytes += piece.length
      this.#reader.read(piece)
    }
  }

  /** `rest`: what came in the same piece behind the fault's byte. */
  async #happen(fault: Fault, rest: Buffer): Promise<void> {
    const { direction } = fault
    switch (fault.kind) {
      case 'jitter':
        this.#mode = 'jitter'
        return this.#move(direction, rest)
      case 'pause':
        await delay(this.#way.random() * pauseMs)
        return this.#move(direction, rest)
      case 'corrupt':
        rest[0] = (rest[0] ?? 0) ^ 0x20
        return this.#move(direction, rest)
      case 'stall':
        this.#mode = 'hold'
        void this.#holdOn().then(() => this.#tellServer(fault.server))
        return this.#move(direction, rest)
      case 'late':
        this.#mode = 'keep'
        await this.#move(direction, rest)
        void this.#deliverLate()
        return
      case 'answer':
        this.#mode = 'drop'
        this.#near.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
        break
      case 'fin':
        this.#mode = 'drop'
        this.#near.end()
        break
      case 'rst':
        this.#mode = 'drop'
        this.#near.resetAndDestroy()
        break
    }
    await this.#move(direction, rest)
    await this.#tellServer(fault.server)
  }

  async #tellServer(how: Fault['server']): Promise<void> {
    if (how === 'fin') return void this.#far.end()
    if (how === 'later') await this.#way.afterLaterAnswer(this.#carried.number)
    await this.#confirmed()
    this.#far.resetAndDestroy()
  }

  /** Takes what the client still hands over, resets it, and delivers that once the client has come back elsewhere. */
  async #deliverLate(): Promise<void> {
    const until = Date.now() + lateMs
    const keptBytes = () => this.#kept.reduce((sum, piece) => sum + piece.length, 0)
    while (keptBytes() < lateBytes && Date.now() < until) await delay(5)
    this.#near.resetAndDestroy()
    await this.#way.afterLaterAnswer(this.#carried.number)
    for (const piece of this.#kept) {
      this.#far.write(piece)
      this.#carried.lateBytes += piece.length
    }
    this.#far.end()
  }

  /** Reads nothing until the client has given up, which only the kernel sees. */
  async #holdOn(): Promise<void> {
    while (kernelView(this.#near)?.isEstablished) await delay(giveUpLookMs)
    this.#near.destroy()
  }

  /** Waits until the server's kernel has everything, and takes back from the counts what it does not get. */
  async #confirmed(): Promise<void> {
    const until = Date.now() + confirmMs
    const look = () => kernelView(this.#far)?.unconfirmedBytes ?? 0
    let missing = look()
    while (missing > 0 && Date.now() < until) {
      await delay(1)
      missing = look()
    }
    this.#carried.upBytes -= missing
    this.#carried.lostBytes += missing
    const { request } = this.#reader
    if (request) request.bodyBytes -= Math.min(missing, request.bodyBytes)
  }
}

/** What Linux tells of a connection: whether both sides have it open, and the bytes handed over that the other has not confirmed. */
function kernelView({ localPort, remotePort }: Socket): { readonly isEstablished: boolean, readonly unconfirmedBytes: number } | undefined {
  if (localPort === undefined || remotePort === undefined) return undefined
  const hex = (port: number) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const row = new RegExp(`${hex(localPort)} \\w+${hex(remotePort)} (\\w\\w) (\\w{8}):`)
  const found = row.exec(readFileSync('/proc/net/tcp', 'latin1'))
  return found ? { isEstablished: found[1] === '01', unconfirmedBytes: Number.parseInt(found[2] ?? '0', 16) } : undefined
}
