import type { SluiceError } from '../observe/error.ts'
import { checkDevice, stopIfAborted } from './destination-rules.ts'
import {
  packFileName, parsePackFileName, sliceBytes, type Destination, type OutgoingPack, type PackName, type PutOptions, type RequestOptions,
} from './destination.ts'
import type { Link } from './link/link.ts'
import { mostBytes, newAccount } from './link/wire-cost.ts'
import { refusalOf } from './refusal.ts'
import { authorizationOf, isLoopback, uploadAddress } from './tus-address.ts'
import { byteCountOf, headerOf, refused, ServerClock, statusError, unreachable, type Answer } from './tus-answer.ts'
import { patience, Session, type Patience } from './tus-session.ts'

/** Upload addresses of packs, kept over restarts. The caller deletes that of a pack once it knows the pack as sent. */
export interface UploadMemory {
  get(key: string): string | undefined
  set(key: string, url: string): void
  delete(key: string): void
}

export interface TusOptions {
  /** As `parseTusAddress` returns it. User and password are sent with each request and shown nowhere. */
  readonly url: URL
  /**
   * What this device shows of itself with each request, in place of a user and password. Goes to this server alone, over
   * TLS or on this machine, and is shown nowhere.
   */
  readonly credential?: () => string | undefined
  /** Belongs to this destination alone. */
  readonly link: Link
  readonly uploads: UploadMemory
  readonly now: () => number
  readonly patience?: Patience
}

/** Rounds in which a server may contradict itself about what it has; then it is left alone for a while. */
const mostMisses = 3

/** The key of a pack's upload in an `UploadMemory`. */
export function uploadKey(name: PackName): string {
  return `${checkDevice(name.device)}/${packFileName(name)}`
}

/** A tus 1.0 server as destination (tus.io/protocols/resumable-upload): creation, and termination where it is offered. */
export function tusDestination(options: TusOptions): Destination {
  return new TusDestination(options)
}

/**
 * Bytes on the wire for so many of packs, never too few. Segments of 1200 bytes, the least that a path carries in
 * practice, each with 86 bytes of headers (Ethernet, IPv6, TCP) and as much for its acknowledgement; what the link sets
 * aside before it opens a connection, or a cap might allow a transfer that it then refuses; and 16 KiB for two handshakes
 * with long certificates, and the requests.
 */
export function tusWireBytes(payloadBytes: number): number {
  return payloadBytes + Math.ceil(payloadBytes / 1200) * 2 * 86 + mostBytes(newAccount) + (16 << 10)
}

interface Sent {
  /** Handed over. */
  readonly bytes: number
  /** Missing when it has to be asked for. */
  readonly offset?: number
  /** The upload is no more, so there is nothing to ask. */
  readonly isGone?: boolean
  /** How much patience it costs; 1 by default. */
  readonly misses?: number
}

class TusDestination implements Destination {
  readonly reading = 'refused'
  readonly url: string
  readonly #server: URL
  readonly #options: TusOptions
  readonly #authorization: string | undefined
  /** The use of the link that ends last: it takes one user at a time. */
  #turn: Promise<unknown> = Promise.resolve()
  readonly #clock: ServerClock
  /** Found to want to know the length of a request before it begins, which costs the clean stop. */
  #lengthRequired = false

  constructor(options: TusOptions) {
    this.#options = options
    this.#clock = new ServerClock(options.now)
    this.#server = new URL(options.url)
    this.#authorization = authorizationOf(this.#server) ?? undefined
    this.#server.username = ''
    this.#server.password = ''
    this.url = this.#server.href
  }

  head(device: string, options: RequestOptions = {}): Promise<PackName | 'untold' | undefined> {
    return this.#inSession(options, async (session) => {
      const url = new URL(this.#server)
      url.pathname = `${url.pathname.replace(/\/$/, '')}/logs/${checkDevice(device)}/head`
      const answer = await session.ask({ method: 'GET', url })
      if (answer.status === 204) return undefined
      if (answer.status === 404 || answer.status === 405) return 'untold'
      if (answer.status !== 200) throw this.#statusError(answer, 'read the head of its log')
      const head = headIn(answer.text, device)
      if (!head) throw refused(`${this.url} tells the head of ${device} in a form that Sluice does not know.`)
      return head
    })
  }

  put(pack: OutgoingPack, options: PutOptions = {}): Promise<void> {
    return this.#inSession(options, async (session) => {
      let upload = this.#remembered(pack.name)
      let offset: number | undefined
      let handed = pack.sizeBytes // by earlier processes: not known, and not more
      for (let misses = 0; misses < mostMisses;) {
        if (upload && offset === undefined) offset = await this.#offsetOf(session, upload, pack, handed)
        if (!upload || offset === undefined) {
          ({ upload, offset } = await this.#create(session, pack))
          handed = offset === 0 ? 0 : pack.sizeBytes
        }
        options.onArrived?.(offset)
        if (offset === pack.sizeBytes) return
        stopIfAborted(options.signal)
        const sent = await this.#append(session, upload, pack, offset, options)
        misses = sent.offset !== undefined && sent.offset > offset ? 0 : misses + (sent.misses ?? 1)
        handed = offset + sent.bytes
        offset = sent.offset
        if (sent.isGone) upload = undefined
      }
      throw unreachable(this.url, 'It contradicts itself about how much of a pack has arrived.')
    })
  }

  abandon(name: PackName, options: RequestOptions = {}): Promise<boolean> {
    return this.#inSession(options, async (session) => {
      const url = this.#remembered(name)
      if (!url) return false
      const found = await session.askPatiently({ method: 'HEAD', url, headers: tusHeaders })
      if (this.#isThere(found)) {
        const offset = byteCountOf(found, 'upload-offset')
        if (offset !== undefined && offset === byteCountOf(found, 'upload-length')) return true
        const answer = await session.askPatiently({ method: 'DELETE', url, headers: tusHeaders })
        // A server that does not delete lets unfinished uploads expire.
        if (![405, 501].includes(answer.status)) this.#isThere(answer)
      }
      this.#options.uploads.delete(uploadKey(name))
      return false
    })
  }

  forget(name: PackName): void {
    this.#options.uploads.delete(uploadKey(name))
  }

  wireBytes(payloadBytes: number): number {
    return tusWireBytes(payloadBytes)
  }

  async devices(): Promise<never> {
    throw this.#unreadable()
  }

  async list(device: string): Promise<never> {
    checkDevice(device)
    throw this.#unreadable()
  }

  async open({ device }: PackName): Promise<never> {
    checkDevice(device)
    throw this.#unreadable()
  }

  #unreadable(): SluiceError {
    return refused(`A device may write its log to ${this.url}, but not read it. Read packs where that server keeps them.`)
  }

  /** Runs work once those before it have ended: the link takes one user at a time. */
  #inSession<T>(options: RequestOptions, work: (session: Session) => Promise<T>): Promise<T> {
    const { link, patience: waits = patience } = this.#options
    const run = async (): Promise<T> => {
      await using session = new Session({
        ...options, link, server: this.url, authorization: this.#secret(), patience: waits, clock: this.#clock,
      })
      return await work(session)
    }
    const result = this.#turn.then(run)
    this.#turn = result.catch(() => undefined)
    return result
  }

  #secret(): string | undefined {
    if (this.#server.protocol !== 'https:' && !isLoopback(this.#server.hostname)) return undefined
    const credential = this.#options.credential?.()
    return credential === undefined ? this.#authorization : `Bearer ${credential}`
  }

  /** Where an earlier put began. An address of another server is none of this destination's. */
  #remembered(name: PackName): URL | undefined {
    const url = this.#options.uploads.get(uploadKey(name))
    return url !== undefined && URL.canParse(url) && new URL(url).origin === this.#server.origin ? new URL(url) : undefined
  }

  /** Begins an upload, and remembers where. A server may go on with one that it knows: the offset is what it has. */
  async #create(session: Session, { name, sizeBytes }: OutgoingPack): Promise<{ readonly upload: URL, readonly offset: number }> {
    const key = uploadKey(name)
    const metadata = { device: name.device, seq: String(name.seq), hash: name.hash, filename: key }
    const answer = await session.askPatiently({
      method: 'POST',
      url: this.#server,
      headers: { ...tusHeaders, 'upload-length': String(sizeBytes), 'upload-metadata': encodeMetadata(metadata) },
    })
    if (!isSuccess(answer)) throw this.#statusError(answer, 'begin an upload')
    const upload = uploadAddress(headerOf(answer, 'location') ?? '', this.#server)
    if (!upload) throw refused(`${this.url} puts uploads at another address than its own; nothing is sent there.`)
    this.#options.uploads.set(key, upload.href)
    const offset = headerOf(answer, 'upload-offset') === undefined ? 0 : this.#checked(answer, 0, sizeBytes)
    return { upload, offset }
  }

  /** How much of a pack has arrived; undefined when the server no longer has it. `mostBytes` were ever sent. */
  async #offsetOf(session: Session, url: URL, pack: OutgoingPack, mostBytes: number): Promise<number | undefined> {
    const answer = await session.askPatiently({ method: 'HEAD', url, headers: tusHeaders })
    if (!this.#isThere(answer) || byteCountOf(answer, 'upload-length') !== pack.sizeBytes) return undefined
    return this.#checked(answer, 0, mostBytes)
  }

  /** Sends what follows `offset`. Returns the bytes handed over, and the new offset unless it has to be asked for. */
  async #append(
    session: Session, url: URL, pack: OutgoingPack, offset: number, options: PutOptions,
  ): Promise<Sent> {
    const slices = new Slices(pack, offset, session, options)
    const headers = {
      ...tusHeaders,
      'upload-offset': String(offset),
      'content-type': 'application/offset+octet-stream',
      ...(this.#lengthRequired && { 'content-length': String(pack.sizeBytes - offset) }),
    }
    const asked = session.ask({ method: 'PATCH', url, headers, body: slices })
    const answer = await asked.catch((error: unknown) => { throw slices.failure?.error ?? error })
    if (slices.failure) throw slices.failure.error
    const { bytes } = slices
    if (answer.status === 411) this.#lengthRequired = true
    if (answer.status === 423 && await session.outwaitLock()) return { bytes }
    if (answer.status === 409 && isConflictOfLogs(answer)) throw this.#statusError(answer, 'send a pack')
    // Another process sends this pack too, and how much of it is not known.
    if (answer.status === 409) return { bytes: pack.sizeBytes - offset }
    if (lookAgain.has(answer.status)) {
      // A whole pack that went in vain is sent once more, not as often as a request without one.
      return { bytes, isGone: answer.status === 410, ...(answer.status === 460 && { misses: mostMisses - 1 }) }
    }
    if (!isSuccess(answer)) throw this.#statusError(answer, 'send a pack')
    return { bytes, offset: this.#checked(answer, offset, offset + bytes) }
  }

  /** The offset an answer tells, which lies between what was there before and what was sent. */
  #checked(answer: Answer, least: number, most: number): number {
    const offset = byteCountOf(answer, 'upload-offset')
    if (offset !== undefined && offset >= least && offset <= most) return offset
    const told = offset === undefined ? 'does not tell how much' : `tells that ${offset} bytes`
    throw refused(`${this.url} ${told} of a pack arrived, where it can only be ${least} to ${most}. Ask whoever runs it.`, {
      data: { least, most, ...(offset !== undefined && { offset }) },
    })
  }

  /** Whether an upload is still there. A server may answer 403 for one that is not: then creating tells the truth. */
  #isThere(answer: Answer): boolean {
    if ([403, 404, 410].includes(answer.status)) return false
    if (!isSuccess(answer)) throw this.#statusError(answer, 'look for an earlier upload')
    return true
  }

  #statusError(answer: Answer, doing: string): SluiceError {
    return statusError(answer, this.url, doing, this.#options.now())
  }
}

const tusHeaders = { 'tus-resumable': '1.0.0' }

/** Conflict, gone, a wrong checksum, no length: HEAD tells how to go on, or that the upload begins anew. */
const lookAgain = new Set([404, 409, 410, 411, 460])

/** Whether it is the pack's place in the log that another has, and not the upload that is at another offset. */
function isConflictOfLogs(answer: Answer): boolean {
  return !['offset-conflict', undefined].includes(refusalOf(answer)?.code)
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300
}

function encodeMetadata(metadata: Readonly<Record<string, string>>): string {
  return Object.entries(metadata).map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`).join(',')
}

/** `{ "seq": 12, "hash": "…" }`, or undefined for anything else. */
function headIn(text: string, device: string): PackName | undefined {
  let head: unknown
  try {
    head = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof head !== 'object' || head === null || !('seq' in head) || !('hash' in head)) return undefined
  const { seq, hash } = head
  if (typeof seq !== 'number' || typeof hash !== 'string') return undefined
  return parsePackFileName(device, packFileName({ device, seq, hash }))
}

/** What follows `offset` in a pack, as a request's body. It ends early on an abort or when the pack cannot be read. */
class Slices {
  /** Handed over so far. */
  bytes = 0
  failure: { readonly error: unknown } | undefined
  readonly #slices: AsyncGenerator<Uint8Array>

  constructor(pack: OutgoingPack, offset: number, session: Session, options: PutOptions) {
    this.#slices = this.#read(pack, offset, session, options)
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    return this.#slices
  }

  async *#read(
    pack: OutgoingPack, offset: number, session: Session, { signal, onSent }: PutOptions,
  ): AsyncGenerator<Uint8Array> {
    for (let at = offset; at < pack.sizeBytes && !signal?.aborted;) {
      let slice: Uint8Array
      try {
        slice = await pack.read(at, Math.min(sliceBytes, pack.sizeBytes - at))
      } catch (error) {
        this.failure = { error } // the request ends in order, so that what was read before it counts
        return
      }
      if (signal?.aborted) return
      at += slice.length
      this.bytes += slice.length
      yield slice
      if (session.isOver) return // the slice waited for a connection that is no more
      onSent?.(slice.length)
    }
  }
}
