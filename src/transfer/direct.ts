import { stopIfAborted } from './destination-rules.ts'
import { packFileName, type Destination, type OutgoingPack, type PackName, type PutOptions, type RequestOptions } from './destination.ts'
import type { Link } from './link/link.ts'
import { SluiceError } from '../observe/error.ts'
import { refusalOf } from './refusal.ts'
import { notOfStore } from './s3/answers.ts'
import { bodyOf } from './s3/client.ts'
import { directWireBytes, mostDirectBytes } from './s3/wire-bytes.ts'
import { authorizationOf, isLoopback, uploadAddress } from './tus-address.ts'
import { headerOf, refused, statusError } from './tus-answer.ts'
import { patience, Session, type Question, type Received } from './tus-session.ts'
import { uploadKey, type TusOptions } from './tus.ts'

export interface DirectOptions extends TusOptions {
  /** To the same collector over the same link; nobody else uses either. */
  readonly tus: Destination
  /** The way to the store. */
  readonly storeLink: Link
}

/** A store that could not be reached is let be for so long: each attempt may cost half a minute. */
const avoidMs = 10 * 60_000
/** A URL that was signed with a session token is long. */
const answerBytes = 64 << 10

/**
 * A collector that lets devices put packs into its store by themselves (docs/collector-api.md). What is too large for that,
 * and what the store does not take, goes by tus.
 */
export function directDestination(options: DirectOptions): Destination {
  return new DirectDestination(options)
}

/** Where an upload stands at the collector. */
interface Begun {
  readonly offset: number
  /** Where all of it can be put; secret. */
  readonly url?: URL
}

class DirectDestination implements Destination {
  readonly url: string
  readonly reading = 'refused'
  readonly wireBytes = directWireBytes
  readonly #options: DirectOptions
  /** Until when packs go by tus: forever at a collector that does not know the request. */
  #avoidUntil = -Infinity
  /** The use of the link that ends last: it takes one user at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: DirectOptions) {
    this.#options = options
    this.url = options.tus.url
  }

  head(device: string, options?: RequestOptions): Promise<PackName | 'untold' | undefined> {
    return this.#inTurn(() => this.#options.tus.head(device, options))
  }

  put(pack: OutgoingPack, options: PutOptions = {}): Promise<void> {
    return this.#inTurn(async () => {
      const isDirect = pack.sizeBytes <= mostDirectBytes && this.#options.now() >= this.#avoidUntil
      if (!isDirect || !await this.#putDirectly(pack, options)) await this.#options.tus.put(pack, options)
    })
  }

  abandon(name: PackName, options?: RequestOptions): Promise<boolean> {
    return this.#inTurn(() => this.#options.tus.abandon(name, options))
  }

  forget(name: PackName): void {
    this.#options.tus.forget?.(name)
  }

  devices(): Promise<string[]> {
    return this.#options.tus.devices()
  }

  list(device: string): Promise<PackName[]> {
    return this.#options.tus.list(device)
  }

  open(name: PackName): Promise<never> {
    return this.#options.tus.open(name) as Promise<never>
  }

  /** Whether the pack is in the log now. Else nothing speaks against sending it by tus. */
  async #putDirectly(pack: OutgoingPack, options: PutOptions): Promise<boolean> {
    const begun = await this.#begin(pack, options)
    if (begun?.offset === pack.sizeBytes) {
      options.onArrived?.(pack.sizeBytes)
      return true
    }
    if (!begun?.url || !await this.#putIntoStore(pack, begun.url, options)) return false
    const isCommitted = await this.#commit(pack, options)
    if (isCommitted) options.onArrived?.(pack.sizeBytes)
    return isCommitted
  }

  /** Begins an upload, and remembers where as tus does; undefined at a collector that does not know the request. */
  async #begin({ name, sizeBytes }: OutgoingPack, options: RequestOptions): Promise<Begun | undefined> {
    const { uploads, now } = this.#options
    const key = uploadKey(name)
    const answer = await this.#ask('direct', { name: packFileName(name), sizeBytes }, options)
    if ([404, 405, 501].includes(answer.status)) {
      this.#avoidUntil = Infinity
      return undefined
    }
    if (!isSuccess(answer)) throw statusError(answer, this.url, 'begin an upload', now())
    const server = new URL(this.url)
    const upload = uploadAddress(headerOf(answer, 'location') ?? '', new URL(this.#address('direct')))
    const begun = begunIn(answer, server)
    if (!upload || !begun) throw refused(`${this.url} tells how a pack is put into its store in a form that Sluice does not know.`)
    uploads.set(key, upload.href)
    return begun
  }

  /** Whether the store has the object now, from here or from an earlier attempt. */
  async #putIntoStore(pack: OutgoingPack, url: URL, options: PutOptions): Promise<boolean> {
    const { storeLink, now, patience: waits = patience } = this.#options
    // The origin alone: what follows it holds the signature.
    await using session = new Session({ ...options, link: storeLink, server: url.origin, authorization: undefined, patience: waits })
    const { slices, failure } = bodyOf(pack, [0, pack.sizeBytes], { ...options, isOver: () => session.isOver })
    const headers = { 'content-length': String(pack.sizeBytes), 'if-none-match': '*' }
    try {
      const { status } = await session.ask({ method: 'PUT', url, headers, body: slices(), impostor: notOfStore })
      if (status >= 200 && status < 300 || status === 409 || status === 412) return true
    } catch (error) {
      if (failure() !== undefined) throw failure()
      stopIfAborted(options.signal)
      if (!(error instanceof SluiceError) || error.code === 'aborted') throw error
    }
    this.#avoidUntil = now() + avoidMs
    return false
  }

  /** Whether the collector has put the object into the log. */
  async #commit({ name }: OutgoingPack, options: RequestOptions): Promise<boolean> {
    const answer = await this.#ask('direct/commit', { name: packFileName(name) }, options)
    if (isSuccess(answer)) return true
    // It is not there, or was damaged on the way and is gone.
    if (['upload-unknown', 'offset-conflict', 'hash-mismatch'].includes(refusalOf(answer)?.code ?? '')) return false
    throw statusError(answer, this.url, 'send a pack', this.#options.now())
  }

  async #ask(path: string, json: unknown, options: RequestOptions): Promise<Received> {
    const { link, url, credential, patience: waits = patience } = this.#options
    const shown = credential?.()
    const authorization = shown === undefined ? authorizationOf(url) ?? undefined : `Bearer ${shown}`
    await using session = new Session({ ...options, link, server: this.url, authorization, patience: waits })
    return await session.ask(jsonQuestion(new URL(this.#address(path)), json))
  }

  #address(path: string): string {
    return `${this.url.replace(/\/$/, '')}/${path}`
  }

  /** Runs work once what came before has ended: a link takes one user at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => undefined)
    return result
  }
}

function jsonQuestion(url: URL, json: unknown): Question {
  const body = Buffer.from(JSON.stringify(json))
  const headers = { 'content-type': 'application/json', 'content-length': String(body.length) }
  return { method: 'POST', url, headers, body: (async function* () { yield body })(), answerBytes }
}

function begunIn({ bytes }: Received, server: URL): Begun | undefined {
  let json: unknown
  try {
    json = JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null || !('offset' in json)) return undefined
  const { offset, url } = json as { readonly offset: unknown, readonly url?: unknown }
  if (typeof offset !== 'number') return undefined
  if (url === undefined) return { offset }
  const target = typeof url === 'string' ? storeAddress(url, server) : undefined
  return target && { offset, url: target }
}

/** The URL of an object where a pack may be put: over TLS, or on this machine if the collector is there too. */
function storeAddress(text: string, server: URL): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || url.username !== '' || url.password !== '') return undefined
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname) && isLoopback(server.hostname))
  return isSafe ? url : undefined
}

function isSuccess({ status }: Received): boolean {
  return status >= 200 && status < 300
}
