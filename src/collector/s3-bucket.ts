import { createHash } from 'node:crypto'
import { Agent } from 'undici'
import { rootPrefix, s3Url, type S3Place } from '../transfer/s3/address.ts'
import { plainTag, S3Client, type Payload, type S3Answer } from '../transfer/s3/client.ts'
import { watchListing } from '../transfer/s3/listing.ts'
import type { UrlSigner } from '../transfer/s3/signer.ts'
import { childrenOf, keyIn, textOf } from '../transfer/s3/xml.ts'
import type { Link } from '../transfer/link/link.ts'
import { headerOf } from '../transfer/tus-answer.ts'
import { patience, Session } from '../transfer/tus-session.ts'

export interface BucketObject {
  /** Below the prefix of the place. */
  readonly key: string
  readonly sizeBytes: number
  /** Milliseconds since the epoch. */
  readonly changedAt: number
}

export interface Found {
  readonly bytes: Buffer
  readonly etag: string
}

/** Requests that are under way at once; more wait for their turn. */
const connections = 64
/** Another writer was quicker by a moment: the store asks to try again. */
const mostConflicts = 20
const conflictWaitMs = 50

/** The objects below a prefix of a bucket, each request by itself and many at once. Throws `SluiceError`s of the store. */
export class Bucket implements AsyncDisposable {
  readonly #place: S3Place
  readonly #signer: UrlSigner
  readonly #now: () => number
  readonly #link: Link

  constructor(place: S3Place, signer: UrlSigner, now: () => number) {
    this.#place = place
    this.#signer = signer
    this.#now = now
    this.#link = unmetered()
  }

  get words(): string {
    return this.#place.words
  }

  /** The object, or its beginning; undefined when there is none. */
  async get(key: string, mostBytes: number, beginningOnly = false): Promise<Found | undefined> {
    const headers = beginningOnly ? { range: `bytes=0-${mostBytes - 1}` } : {}
    const answer = await this.#ask((client) => client.ask({
      method: 'GET', key: this.#key(key), headers, answerBytes: mostBytes + 1,
    }))
    if (isMissing(answer)) return undefined
    if (!answer.isSuccess) throw await this.#error(answer, 'read')
    return { bytes: answer.bytes, etag: plainTag(headerOf(answer, 'etag')) }
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const answer = await this.#ask((client) => client.ask({ method: 'PUT', key: this.#key(key), payload: payloadOf(bytes) }))
    if (!answer.isSuccess) throw await this.#error(answer, 'write')
  }

  /** Makes an object; false when there is one of that name, whoever was first. */
  async create(key: string, bytes: Uint8Array): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      const answer = await this.#ask((client) => client.ask({
        method: 'PUT', key: this.#key(key), headers: { 'if-none-match': '*' }, payload: payloadOf(bytes),
      }))
      if (answer.isSuccess) return true
      if (answer.status === 412) return false
      if (answer.refusal?.code !== 'ConditionalRequestConflict' || tries === mostConflicts) throw await this.#error(answer, 'write')
      await new Promise((resolve) => setTimeout(resolve, conflictWaitMs))
    }
  }

  /** The URL with which `create` can be done elsewhere, of so many bytes and no others. It holds for `expiresSeconds`. */
  async presignCreate(key: string, sizeBytes: number, expiresSeconds: number): Promise<URL> {
    const headers = { 'content-length': String(sizeBytes), 'if-none-match': '*' }
    return await this.#signer.presign({ method: 'PUT', url: s3Url(this.#place, this.#key(key)), headers }, expiresSeconds)
  }

  /** Copies an object within the store, if it is still the one with this entity tag. Returns whether it was. */
  async copy(from: string, etag: string, to: string): Promise<boolean> {
    const source = `/${this.#place.bucket}/${this.#key(from)}`.split('/').map(encodeURIComponent).join('/')
    const headers = { 'x-amz-copy-source': source, 'x-amz-copy-source-if-match': `"${etag}"` }
    const answer = await this.#ask((client) => client.ask({ method: 'PUT', key: this.#key(to), headers }))
    if (isMissing(answer) || answer.status === 412) return false
    // The answer may begin as a success and turn out to be an error in its body.
    if (!answer.isSuccess || answer.refusal) throw await this.#error(answer, 'write')
    return true
  }

  async remove(key: string): Promise<void> {
    const answer = await this.#ask((client) => client.ask({ method: 'DELETE', key: this.#key(key) }))
    if (!answer.isSuccess && !isMissing(answer)) throw await this.#error(answer, 'remove')
  }

  /** Objects whose keys begin with `prefix`, in byte order; `after`: those behind this key only. */
  async list(prefix: string, { after, most = Infinity }: { readonly after?: string, readonly most?: number } = {}): Promise<BucketObject[]> {
    const found: BucketObject[] = []
    const watch = watchListing()
    for (let at = after; found.length < most;) {
      const query = {
        'list-type': '2', 'encoding-type': 'url', 'max-keys': String(Math.min(1000, most - found.length)),
        'prefix': this.#key(prefix), ...(at !== undefined && { 'start-after': this.#key(at) }),
      }
      const doing = 'list what is there'
      const list = await this.#ask((client) => client.expectXml({ method: 'GET', key: '', query }, 'ListBucketResult', doing))
      const root = rootPrefix(this.#place)
      const page = childrenOf(list, 'Contents').map((object): BucketObject => ({
        key: (keyIn(list, object, 'Key') ?? '').slice(root.length),
        sizeBytes: Number(textOf(object, 'Size')),
        changedAt: Date.parse(textOf(object, 'LastModified') ?? ''),
      }))
      watch(at ?? '', page.map(({ key }) => key))
      found.push(...page)
      at = page.at(-1)?.key
      if (textOf(list, 'IsTruncated') !== 'true' || at === undefined) break
    }
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#link[Symbol.asyncDispose]()
  }

  #key(key: string): string {
    return rootPrefix(this.#place) + key
  }

  async #ask<T>(work: (client: S3Client) => Promise<T>): Promise<T> {
    await using session = new Session({ link: this.#link, server: this.#place.words, authorization: undefined, patience })
    return await work(new S3Client(this.#place, session, this.#signer, this.#now))
  }

  #error(answer: S3Answer, doing: string): Promise<Error> {
    return this.#ask(async (client) => client.error(answer, `${doing} an object`))
  }
}

/** Whether an object is not there, as against the bucket. */
function isMissing({ status, refusal }: S3Answer): boolean {
  return status === 404 && refusal?.code !== 'NoSuchBucket'
}

function payloadOf(bytes: Uint8Array): Payload {
  return {
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    md5: createHash('md5').update(bytes).digest('hex'),
    async *slices() { yield bytes },
  }
}

/** A link for a server: it pays for no bytes and gives way to nobody, and takes many users at once. */
function unmetered(): Link {
  const dispatcher = new Agent({ connections, allowH2: false })
  return {
    dispatcher,
    setRate: () => undefined,
    use: () => ({ [Symbol.asyncDispose]: async () => undefined }),
    [Symbol.asyncDispose]: () => dispatcher.close(),
  }
}
