import { SluiceError } from '../../observe/error.ts'
import { isDeviceName } from '../../pack/header.ts'
import type { ByteSource, Destination, OutgoingPack, PackName, PutOptions, RequestOptions } from '../destination.ts'
import { checkDevice } from '../destination-rules.ts'
import { packFileName } from '../destination.ts'
import type { Link } from '../link/link.ts'
import { refused } from '../tus-answer.ts'
import { patience, Session, type Patience } from '../tus-session.ts'
import type { UploadMemory } from '../tus.ts'
import { devicePrefix, packKey, rootPrefix, type S3Place } from './address.ts'
import { payloadOf, S3Client, tagOf } from './client.ts'
import { conditional, Conditions } from './conditions.ts'
import { findAll, findHead, hasPacks, watchListing, type PageSource } from './listing.ts'
import { PackReader } from './reader.ts'
import type { Signer } from './signer.ts'
import { begunUploads, endUpload, KeptUploads, packHeaders, putInParts } from './uploads.ts'
import { leastPartBytes, s3WireBytes } from './wire-bytes.ts'
import { childrenOf, keyIn, textOf } from './xml.ts'

export interface S3Options {
  readonly place: S3Place
  readonly signer: Signer
  /** Belongs to this destination alone. */
  readonly link: Link
  readonly uploads: UploadMemory
  readonly now: () => number
  /** Of packs in parts; 5 MiB at least, as stores want it. */
  readonly partBytes?: number
  readonly patience?: Patience
}

/**
 * A put whose answer did not come may still be fulfilled, by a store that was busy or lost a disk: so long its pack is
 * not given up. Shorter, and another pack might take a place in the log that is about to be taken.
 */
const settleMs = 15 * 60_000

/** A bucket of an S3-compatible store: `<prefix>/<device>/<seq>-<hash>.pack`. */
export function s3Destination(options: S3Options): Destination {
  return new S3Destination(options)
}

class S3Destination implements Destination {
  readonly reading = 'costs'
  readonly url: string
  readonly wireBytes = s3WireBytes
  readonly #options: S3Options
  readonly #kept: KeptUploads
  readonly #conditions = new Conditions()
  readonly #reader = new PackReader((work) => this.#inSession({}, work))
  /** By device: the pack that was put or found last, where nothing went wrong since. What follows it is not there. */
  readonly #last = new Map<string, number>()
  readonly #heads = new Map<string, number>()
  /** Devices whose uploads of earlier lives, or without an answer, were ended. */
  readonly #swept = new Set<string>()
  /** The use of the link that ends last: it takes one user at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: S3Options) {
    this.#options = options
    this.url = options.place.url
    this.#kept = new KeptUploads(options.uploads)
  }

  head(device: string, options: RequestOptions = {}): Promise<PackName | undefined> {
    return this.#inSession(options, async (client) => {
      const head = await findHead(this.#pages(client, checkDevice(device)), device, this.#heads.get(device))
      if (head) this.#heads.set(device, head.seq)
      else this.#heads.delete(device)
      return head
    })
  }

  put(pack: OutgoingPack, options: PutOptions = {}): Promise<void> {
    return this.#inSession(options, async (client) => {
      const { device, seq } = pack.name
      checkDevice(device)
      const last = this.#last.get(device)
      this.#last.delete(device) // until this one arrived
      const isNew = last !== undefined && last < seq
      if (isNew || !await this.#conditions.isThere(client, pack)) await this.#send(client, pack, options)
      this.#kept.delete(pack.name)
      this.#last.set(device, seq)
      if ((this.#heads.get(device) ?? 0) < seq) this.#heads.set(device, seq)
      options.onArrived?.(pack.sizeBytes)
    })
  }

  abandon(name: PackName, options: RequestOptions = {}): Promise<boolean> {
    return this.#inSession(options, async (client) => {
      const key = packKey(client.place, { ...name, device: checkDevice(name.device) })
      const doing = 'look for a pack'
      this.#last.delete(name.device)
      const found = await client.ask({ method: 'HEAD', key })
      if (found.isSuccess) return true
      if (found.status !== 404) throw await client.explain(found, key, doing)
      const { wholeAt, upload } = this.#kept.get(name)
      this.#throwIfUnsettled(wholeAt)
      const begun = await begunUploads(client, name.device, packFileName(name))
      const ids = new Set([...begun.map(({ id }) => id), ...(upload ? [upload.id] : [])])
      for (const id of ids) await endUpload(client, key, id)
      this.#kept.delete(name)
      return false
    })
  }

  async devices(): Promise<string[]> {
    return await this.#inSession({}, async (client) => {
      const found = []
      for (const device of await this.#folders(client)) {
        if (await hasPacks(this.#pages(client, device), device)) found.push(device)
      }
      return found.sort()
    })
  }

  async list(device: string): Promise<PackName[]> {
    checkDevice(device)
    return await this.#inSession({}, async (client) => {
      const sizes = new Map<string, number>()
      const names = await findAll(this.#pages(client, device, sizes), device)
      this.#reader.knowSizes(sizes)
      return names
    })
  }

  async open(name: PackName): Promise<ByteSource & AsyncDisposable> {
    checkDevice(name.device)
    return await this.#reader.open(name, packKey(this.#options.place, name))
  }

  async #send(client: S3Client, pack: OutgoingPack, options: PutOptions): Promise<void> {
    await this.#sweep(client, pack)
    const { now, partBytes = leastPartBytes } = this.#options
    const answer = pack.sizeBytes <= partBytes
      ? await this.#putWhole(client, pack, options)
      : await putInParts(pack, { client, kept: this.#kept, conditions: this.#conditions, partBytes, now, put: options })
        .catch((error: unknown) => {
          // An upload may have been begun there whose answer was lost.
          if (!this.#kept.get(pack.name).upload) this.#swept.delete(pack.name.device)
          throw error
        })
    if (answer !== 'conflict' || await this.#conditions.isThere(client, pack)) return
    throw new SluiceError('destination-busy', `${this.#options.place.words} is busy with another request for the same pack.`, { transient: true })
  }

  async #putWhole(client: S3Client, pack: OutgoingPack, options: PutOptions): Promise<'conflict' | undefined> {
    const { name, sizeBytes } = pack
    const before = this.#kept.get(name)
    const payload = await payloadOf(client, pack, [0, sizeBytes], options, () => {
      this.#kept.set(name, { ...before, wholeAt: this.#options.now() })
    })
    const key = packKey(client.place, name)
    const answer = await conditional(client, this.#conditions, { method: 'PUT', key, headers: packHeaders, payload })
      .catch((error: unknown) => { throw payload.failure() ?? error })
    if (answer === 'conflict') return answer
    // A refusal settles this request; one before it may still be fulfilled.
    if (answer.status >= 400 && answer.status < 500) this.#kept.set(name, before)
    if (!answer.isSuccess) throw client.error(answer, 'send a pack')
    tagOf(answer, client)
    return undefined
  }

  /** Ends what this device left unfinished; takes over an upload of this very pack. */
  async #sweep(client: S3Client, { name }: OutgoingPack): Promise<void> {
    if (this.#swept.has(name.device)) return
    const key = packKey(client.place, name)
    for (const upload of await begunUploads(client, name.device)) {
      const kept = this.#kept.get(name)
      if (upload.key === key && !kept.upload) {
        const { partBytes = leastPartBytes } = this.#options
        this.#kept.set(name, { ...kept, upload: { id: upload.id, partBytes, etags: [] } })
      } else if (upload.key !== key || upload.id !== kept.upload?.id) {
        await endUpload(client, upload.key, upload.id)
      }
    }
    this.#swept.add(name.device)
  }

  #throwIfUnsettled(wholeAt: number | undefined): void {
    const agoMs = wholeAt === undefined ? Infinity : Math.abs(this.#options.now() - wholeAt)
    if (agoMs >= settleMs) return
    throw new SluiceError(
      'destination-busy',
      `All of a pack was sent to ${this.#options.place.words}, which did not say whether it arrived: it may yet appear there.`,
      { transient: true, data: { retryAfterMs: settleMs - agoMs } },
    )
  }

  /** Pages of file names below a device; `sizes` takes up how large they are, by key. */
  #pages(client: S3Client, device: string, sizes?: Map<string, number>): PageSource {
    const prefix = devicePrefix(client.place, device)
    return async (after, most) => {
      const doing = 'list its log'
      const query = {
        'list-type': '2', 'encoding-type': 'url', 'max-keys': String(most), prefix, ...(after !== '' && { 'start-after': prefix + after }),
      }
      const list = await client.expectXml({ method: 'GET', key: '', query }, 'ListBucketResult', doing)
      const names = childrenOf(list, 'Contents').flatMap((object) => {
        const key = keyIn(list, object, 'Key')
        if (!key?.startsWith(prefix) || key === prefix) return [] // some tools make an object for a folder
        sizes?.set(key, Number(textOf(object, 'Size')))
        return [key.slice(prefix.length)]
      })
      if (names.some((name, at) => Buffer.compare(Buffer.from(name), Buffer.from(names[at - 1] ?? after)) <= 0)) {
        throw refused(`${client.place.words} lists names in another order than that of their bytes, so that no log can be read there.`)
      }
      return { names, more: textOf(list, 'IsTruncated') === 'true' }
    }
  }

  /** Folders below the prefix whose names are a device's. */
  async #folders(client: S3Client): Promise<string[]> {
    const prefix = rootPrefix(client.place)
    const found = new Set<string>()
    const watch = watchListing()
    for (let token: string | undefined = '', last = ''; token !== undefined;) {
      const query: Record<string, string> = {
        'list-type': '2', 'encoding-type': 'url', 'delimiter': '/', prefix, ...(token !== '' && { 'continuation-token': token }),
      }
      const list = await client.expectXml({ method: 'GET', key: '', query }, 'ListBucketResult', 'list the devices')
      const folders = childrenOf(list, 'CommonPrefixes').flatMap((folder) => keyIn(list, folder, 'Prefix') ?? [])
        .filter((folder) => folder !== last) // some stores tell it once more where a page begins
      watch(last, folders)
      last = folders.at(-1) ?? last
      for (const folder of folders) {
        const name = folder.slice(prefix.length, -1)
        if (isDeviceName(name)) found.add(name)
      }
      token = textOf(list, 'IsTruncated') === 'true' ? textOf(list, 'NextContinuationToken') : undefined
    }
    return [...found]
  }

  /** Runs work once those before it have ended: the link takes one user at a time. */
  #inSession<T>(options: RequestOptions, work: (client: S3Client) => Promise<T>): Promise<T> {
    const { link, place, signer, now, patience: waits = patience } = this.#options
    const run = async (): Promise<T> => {
      await using session = new Session({ ...options, link, server: place.words, authorization: undefined, patience: waits })
      return await work(new S3Client(place, session, signer, now))
    }
    const result = this.#turn.then(run)
    this.#turn = result.catch(() => undefined)
    return result
  }
}
