import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { openLink, type Link, type LinkRate } from '../../src/transfer/link/link.ts'
import { parseProxy } from '../../src/transfer/link/proxy-address.ts'
import { configuredProxy } from '../../src/transfer/link/proxy.ts'
import { noFigures } from '../../src/transfer/link/socket-figures.ts'
import type { Meter } from '../../src/transfer/meter.ts'

/** What the sender is to do; its only argument, as JSON. A line of input stops it, the end of its input ends it. */
export interface Sending {
  readonly url: string
  /** Path of a certificate to trust. */
  readonly ca?: string
  /** `http://user:password@host:port` */
  readonly proxy?: string
  readonly bytes: number
  /** Ends the upload and resumes it each time so many more bytes were read from the source. */
  readonly cutEvery?: number
  /** Most wire bytes the meter grants. */
  readonly capBytes?: number
  readonly rate?: LinkRate
  /** False: do as if the kernel told nothing. */
  readonly asksKernel?: boolean
}

/** What it prints at the end, as JSON. */
export interface Sent {
  /** What the meter was charged in the end, and the most that it ever was. */
  readonly chargedBytes: number
  readonly mostChargedBytes: number
  readonly arrivedBytes: number
  readonly refused: boolean
  /** When it was told to stop, milliseconds since the epoch. */
  readonly stoppedAt?: number
  readonly errors: readonly string[]
  readonly cpuMs: number
}

const sending = JSON.parse(process.argv[2] ?? '') as Sending
let [chargedBytes, mostChargedBytes, refused] = [0, 0, false]
const meter: Meter = {
  charge: (bytes) => {
    if (chargedBytes + bytes > (sending.capBytes ?? Infinity)) { refused = true; return false }
    chargedBytes += bytes
    mostChargedBytes = Math.max(mostChargedBytes, chargedBytes)
    return true
  },
  correct: (delta) => {
    chargedBytes += delta
    mostChargedBytes = Math.max(mostChargedBytes, chargedBytes)
    return chargedBytes <= (sending.capBytes ?? Infinity)
  },
}
const stopping = new AbortController()
let stoppedAt: number | undefined
process.stdin.on('data', () => {
  stoppedAt ??= Date.now()
  stopping.abort()
}).once('end', () => process.exit(1))

const link = openLink({
  clock: () => performance.now(),
  rate: sending.rate ?? { yields: false },
  ...(sending.ca === undefined ? {} : { tls: { ca: readFileSync(sending.ca) } }),
  ...(sending.proxy === undefined ? {} : { proxyTo: configuredProxy(parseProxy(sending.proxy)) }),
  ...(sending.asksKernel === false ? { figures: noFigures } : {}),
})
const path = `/${randomUUID()}`
const errors: string[] = []
const arrivedBytes = await sendAll(link)
await link[Symbol.asyncDispose]()
const { user, system } = process.cpuUsage()
const sent: Sent = {
  chargedBytes, mostChargedBytes, arrivedBytes, refused, errors, cpuMs: (user + system) / 1000,
  ...(stoppedAt === undefined ? {} : { stoppedAt }),
}
process.stdout.write(`${JSON.stringify(sent)}\n`)
process.exit()

/** Uploads until all is there, the cap is used up, or it is stopped; returns what arrived as far as it knows. */
async function sendAll(link: Link): Promise<number> {
  let offset = 0
  for (let tries = 0; offset < sending.bytes && tries < 1000 && !refused && !stopping.signal.aborted; tries++) {
    const cut = new AbortController()
    const use = link.use(meter, AbortSignal.any([cut.signal, stopping.signal]))
    try {
      if (tries > 0) offset = await ask(link)
      if (offset < sending.bytes) offset = await put(link, offset, cut)
    } catch (error) {
      errors.push(describe(error))
    }
    await use[Symbol.asyncDispose]()
  }
  return offset
}

async function ask(link: Link): Promise<number> {
  const { headers, body } = await link.dispatcher.request({ origin: sending.url, path, method: 'HEAD' })
  await body.dump()
  return Number(headers['offset'])
}

async function put(link: Link, offset: number, cut: AbortController): Promise<number> {
  const { headers, body } = await link.dispatcher.request({
    origin: sending.url, path, method: 'PUT', headers: { 'content-length': String(sending.bytes - offset) },
    body: Readable.from(source(offset, cut), { objectMode: false, highWaterMark: 64 << 10 }),
  })
  await body.dump()
  return Number(headers['offset'])
}

function* source(offset: number, cut: AbortController): Generator<Buffer> {
  const block = Buffer.alloc(64 << 10, 'sluice')
  let left = sending.cutEvery ?? Infinity
  for (let at = offset; at < sending.bytes; at += block.length) {
    if (left <= 0) cut.abort()
    left -= block.length
    yield block.subarray(0, sending.bytes - at)
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name} ${'code' in error ? String(error.code) : ''}: ${error.message}` : String(error)
}
