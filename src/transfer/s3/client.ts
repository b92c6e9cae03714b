import { createHash } from 'node:crypto'
import { SluiceError } from '../../observe/error.ts'
import type { ByteSource, PutOptions } from '../destination.ts'
import { sliceBytes } from '../destination.ts'
import { stopIfAborted } from '../destination-rules.ts'
import { headerOf, refused, unreachable } from '../tus-answer.ts'
import type { Received, Session } from '../tus-session.ts'
import type { S3Place } from './address.ts'
import { s3Url } from './address.ts'
import { notOfStore, refusalIn, s3Error, type Refusal } from './answers.ts'
import type { Signer } from './signer.ts'
import { mostXmlBytes, parseXml, type XmlElement } from './xml.ts'

/** What a store answered, with its refusal where it is one. */
export interface S3Answer extends Received {
  readonly isSuccess: boolean
  readonly refusal: Refusal | undefined
}

/** A range of a pack, or some text, as a request's body. */
export interface Payload {
  readonly sizeBytes: number
  readonly sha256: string
  /** Hex. */
  readonly md5: string
  readonly slices: () => AsyncIterable<Uint8Array>
}

export interface S3Question {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Of an object; empty for the bucket. */
  readonly key: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly payload?: Payload
  readonly answerBytes?: number
}

/** An error repeats the request that it is about, signature and all. */
const refusalBytes = 16 << 10

const emptySha256 = createHash('sha256').digest('hex')

/** The requests of one session to a bucket. */
export class S3Client {
  readonly place: S3Place
  readonly #session: Session
  readonly #signer: Signer
  readonly #now: () => number

  constructor(place: S3Place, session: Session, signer: Signer, now: () => number) {
    this.place = place
    this.#session = session
    this.#signer = signer
    this.#now = now
  }

  /** Whether nothing more may be sent. */
  get isOver(): boolean {
    return this.#session.isOver
  }

  /** The answer, whatever its status. */
  async ask({ method, key, query, headers, payload, answerBytes = refusalBytes }: S3Question): Promise<S3Answer> {
    const signed = await this.#signer.sign({
      method,
      url: s3Url(this.place, key, query),
      headers: {
        ...headers,
        ...(payload && {
          'content-length': String(payload.sizeBytes), 'content-md5': Buffer.from(payload.md5, 'hex').toString('base64'),
        }),
      },
      sha256: payload?.sha256 ?? emptySha256,
    })
    const answer = await this.#session.ask({
      method, ...signed, answerBytes, impostor: notOfStore, ...(payload && { body: payload.slices() }),
    })
    const isSuccess = answer.status >= 200 && answer.status < 300
    return { ...answer, isSuccess, refusal: refusalIn(answer) }
  }

  /** As `ask`; throws what an answer means that is no success. */
  async expect(question: S3Question, doing: string): Promise<S3Answer> {
    const answer = await this.ask(question)
    if (!answer.isSuccess) throw this.error(answer, doing)
    return answer
  }

  /** The root element of an answer; throws where it is another, or not well-formed. */
  async expectXml(question: S3Question, root: string, doing: string): Promise<XmlElement> {
    const answer = await this.expect({ ...question, answerBytes: mostXmlBytes }, doing)
    return this.xmlOf(answer, root, doing)
  }

  xmlOf(answer: S3Answer, root: string, doing: string): XmlElement {
    const element = parseXml(answer.bytes.toString(), root)
    if (element) return element
    throw refused(`${this.place.words} did not let Sluice ${doing}: its answer is not whole, or no S3-compatible store's.`, {
      transient: true, data: { status: answer.status },
    })
  }

  /** What an answer means that is no success. */
  error(answer: S3Answer, doing: string): SluiceError {
    const { place, refusal } = { place: this.place, refusal: answer.refusal }
    const error = s3Error({ answer, refusal, place: place.words, region: place.region, doing, now: this.#now() })
    if (error.code === 'credential-refused') this.#signer.refused()
    return error
  }

  /** As `error`, of an answer to HEAD, which has no words: a request for the first byte has. */
  async explain(answer: S3Answer, key: string, doing: string): Promise<SluiceError> {
    const worded = await this.ask({ method: 'GET', key, headers: { range: 'bytes=0-0' } })
    return this.error(worded.status === answer.status ? worded : answer, doing) // another status is another trouble
  }
}

/** Bytes of a pack from `from` to `to`, hashed. `onLast` is called before the last slice is handed over. */
export async function payloadOf(
  client: S3Client, pack: ByteSource, [from, to]: readonly [from: number, to: number], options: PutOptions, onLast?: () => void,
): Promise<Payload & { readonly failure: () => unknown }> {
  const { signal } = options
  const [sha256, md5] = [createHash('sha256'), createHash('md5')]
  for (let at = from; at < to; at += sliceBytes) {
    stopIfAborted(signal)
    const slice = await pack.read(at, Math.min(sliceBytes, to - at))
    sha256.update(slice)
    md5.update(slice)
  }
  return {
    sizeBytes: to - from, sha256: sha256.digest('hex'), md5: md5.digest('hex'),
    ...bodyOf(pack, [from, to], { ...options, isOver: () => client.isOver, ...(onLast && { onLast }) }),
  }
}

export interface BodyOptions extends PutOptions {
  /** Whether nothing more may be sent. */
  readonly isOver: () => boolean
  readonly onLast?: () => void
}

/** Bytes of a pack as a request's body, and what went wrong in reading them. */
export function bodyOf(
  pack: ByteSource, [from, to]: readonly [from: number, to: number], { signal, onSent, isOver, onLast }: BodyOptions,
): Pick<Payload, 'slices'> & { readonly failure: () => unknown } {
  let failure: unknown
  async function* slices(): AsyncGenerator<Uint8Array> {
    for (let at = from; at < to;) {
      stopIfAborted(signal) // by an error: a body that ends early would become a shorter one
      let slice: Uint8Array
      try {
        slice = await pack.read(at, Math.min(sliceBytes, to - at))
      } catch (error) {
        failure = error
        throw error
      }
      stopIfAborted(signal)
      at += slice.length
      if (at >= to) onLast?.()
      yield slice
      if (isOver()) return
      onSent?.(slice.length)
    }
  }
  return { slices, failure: () => failure }
}

/** The entity tag in an answer. Whatever has none is no store's. */
export function tagOf(answer: S3Answer, client: S3Client): string {
  const etag = plainTag(headerOf(answer, 'etag'))
  if (etag !== '') return etag
  throw unreachable(client.place.words, 'Its answer tells no entity tag: it is no S3-compatible store’s.')
}

/** An entity tag without its quotes; empty for none. */
export function plainTag(value: string | undefined): string {
  return value?.replaceAll('"', '') ?? ''
}

/** Some text as a body. */
export function textPayload(text: string): Payload {
  const bytes = Buffer.from(text)
  return {
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    md5: createHash('md5').update(bytes).digest('hex'),
    async *slices() { yield bytes },
  }
}
