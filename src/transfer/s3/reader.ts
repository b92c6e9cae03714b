import { ByteCache } from '../../pack/byte-cache.ts'
import type { ByteSource, PackName } from '../destination.ts'
import { packMissing, readPastEnd } from '../destination-rules.ts'
import { byteCountOf, unreachable } from '../tus-answer.ts'
import { packKey } from './address.ts'
import type { S3Answer, S3Client } from './client.ts'

/** Runs work with a session of its own. */
export type InSession = <T>(work: (client: S3Client) => Promise<T>) => Promise<T>

/** Packs that were read as a whole are kept: checking and rebuilding open them again for each block. */
const cacheBytes = 64 << 20
/** A pack up to this size is read as a whole: a further request costs as much time as so many bytes. */
const smallPackBytes = 1 << 20

/** Reads packs of a bucket: as a whole where most of one is wanted, by ranges otherwise. */
export class PackReader {
  readonly #inSession: InSession
  readonly #packs = new ByteCache<string>(cacheBytes, ({ length }) => length)
  readonly #sizes = new Map<string, number>()
  /** The pack that a range was read of last: who comes again wants more of it. */
  #touched = ''

  constructor(inSession: InSession) {
    this.#inSession = inSession
  }

  /** What a listing told of packs, so that opening one of them asks nothing. */
  knowSizes(sizes: Iterable<readonly [key: string, sizeBytes: number]>): void {
    this.#sizes.clear()
    for (const [key, sizeBytes] of sizes) this.#sizes.set(key, sizeBytes)
  }

  async open(name: PackName, key: string): Promise<ByteSource & AsyncDisposable> {
    const sizeBytes = this.#sizes.get(key) ?? await this.#inSession((client) => this.#ask(client, name))
    return {
      sizeBytes,
      read: async (offset, length) => {
        if (offset + length > sizeBytes) throw readPastEnd(name, offset, length, sizeBytes)
        return length === 0 ? new Uint8Array() : await this.#read(name, key, sizeBytes, offset, length)
      },
      [Symbol.asyncDispose]: async () => {},
    }
  }

  async #ask(client: S3Client, name: PackName): Promise<number> {
    const key = packKey(client.place, name)
    const answer = await client.ask({ method: 'HEAD', key })
    if (answer.status !== 404 && !answer.isSuccess) throw await client.explain(answer, key, 'look for a pack')
    const sizeBytes = answer.isSuccess ? byteCountOf(answer, 'content-length') : undefined
    if (sizeBytes === undefined) throw packMissing(name, client.place.words)
    return sizeBytes
  }

  async #read(name: PackName, key: string, sizeBytes: number, offset: number, length: number): Promise<Uint8Array> {
    const known = this.#packs.get(key)
    if (known) return known.subarray(offset, offset + length)
    const isMost = sizeBytes <= smallPackBytes || length * 4 >= sizeBytes || this.#touched === key
    this.#touched = key
    const whole = isMost && sizeBytes <= cacheBytes
    const bytes = await this.#inSession((client) => whole
      ? fetchRange(client, name, sizeBytes, 0, sizeBytes)
      : fetchRange(client, name, sizeBytes, offset, length))
    if (!whole) return bytes
    this.#packs.set(key, bytes)
    return bytes.subarray(offset, offset + length)
  }
}

async function fetchRange(client: S3Client, name: PackName, sizeBytes: number, offset: number, length: number): Promise<Uint8Array> {
  const isWhole = length === sizeBytes
  const answer: S3Answer = await client.ask({
    method: 'GET', key: packKey(client.place, name),
    ...(!isWhole && { headers: { range: `bytes=${offset}-${offset + length - 1}` } }),
    answerBytes: length + 1, // one more is how a longer answer is told
  })
  if (answer.status === 404 && answer.refusal?.code !== 'NoSuchBucket') throw packMissing(name, client.place.words)
  if (answer.status === 416) throw readPastEnd(name, offset, length, byteCountOf(answer, 'content-length') ?? 0)
  if (!answer.isSuccess) throw client.error(answer, 'read a pack')
  if (answer.status === (isWhole ? 200 : 206) && answer.bytes.length === length) return answer.bytes
  throw unreachable(client.place.words, `It gave ${answer.bytes.length} bytes of a pack where ${length} were asked for.`)
}
