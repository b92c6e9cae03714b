import { randomUUID } from 'node:crypto'
import { SluiceError } from '../observe/error.ts'
import { isDeviceName, maxHeaderBytes, noPrevious } from '../pack/header.ts'
import { toHex } from '../pack/sha256.ts'
import { packFileName, parsePackFileName, type PackName } from '../transfer/destination.ts'
import { findHead, type PageSource } from '../transfer/s3/listing.ts'
import { ByteBudget } from './byte-budget.ts'
import { claimedIn } from './claim.ts'
import { Refusal } from './refusal.ts'
import type { Bucket, BucketObject } from './s3-bucket.ts'
import { folderOf, furthest, incomingIn, offsetName, packKey, piecesIn, places, uploadIn } from './s3-layout.ts'
import type { CollectorStore, Incoming, PackCheck, Records, SignedPut, Usage } from './store.ts'

/** What arrives is written in objects of this size: the memory of an upload, and what is lost of it when a collector dies. */
const pieceBytes = 512 << 10
/** Packs are put together in memory, within this for all of them: more wait their turn. */
const commitBytes = 128 << 20
/** What belongs to no upload was left by a collector that died, or put by a URL that was still good. Longer, and it counts for no quota longer. */
const leftAfterMs = 3600_000
const mostRecordBytes = 4 << 10
/** A check writes no more often than this: requests that write cost most. */
const writeCheckMs = 60_000
/** Objects that are removed at once. */
const removals = 16
/** How long a device may take to put a pack into the store by itself. Longer, and a URL that leaked works longer. */
const putSeconds = 15 * 60

/**
 * A collector's store in a bucket. Throws `destination-refused` for one that does not keep `If-None-Match`, without which two
 * collectors could give one place in a log to two packs.
 */
export async function openS3Store(bucket: Bucket, now: () => number): Promise<CollectorStore> {
  const probe = places.probes + randomUUID()
  const first = await bucket.create(probe, Buffer.from('1'))
  const second = await bucket.create(probe, Buffer.from('2'))
  await bucket.remove(probe)
  if (first && !second) return new S3Store(bucket, now)
  throw new SluiceError('destination-refused',
    `${bucket.words} does not keep the condition "If-None-Match: *", which a collector needs. Use a store that does, or a folder.`)
}

class S3Store implements CollectorStore {
  readonly records: Records
  readonly #bucket: Bucket
  readonly #now: () => number
  readonly #budget = new ByteBudget(commitBytes)
  /** Where logs ended when they were looked at last: where to look first. */
  readonly #heads = new Map<string, number>()
  /** How far the packs of a device were counted, which only costs time to lose: a log grows at its end. */
  readonly #counted = new Map<string, Usage & { readonly last: string }>()

  /** When a check has written last, with success. */
  #wroteAt = -Infinity

  constructor(bucket: Bucket, now: () => number) {
    this.#bucket = bucket
    this.#now = now
    this.records = recordsIn(bucket)
  }

  async check(): Promise<void> {
    const now = this.#now()
    if (Math.abs(now - this.#wroteAt) < writeCheckMs) return void await this.#bucket.list(places.records, { most: 1 })
    const probe = places.probes + randomUUID()
    await this.#bucket.put(probe, Buffer.from('1'))
    await this.#bucket.remove(probe)
    this.#wroteAt = now
  }

  async head(device: string): Promise<PackName | undefined> {
    const head = await findHead(this.#pages(device), device, this.#heads.get(device))
    if (head) this.#heads.set(device, head.seq)
    else this.#heads.delete(device)
    return head
  }

  async sizeOf(name: PackName): Promise<number | undefined> {
    const key = packKey(name)
    return (await this.#bucket.list(key, { most: 1 })).find((object) => object.key === key)?.sizeBytes
  }

  async usage(device: string): Promise<Usage> {
    const known = this.#counted.get(device) ?? { packs: 0, bytes: 0, last: `${device}/` }
    const packs = (await this.#bucket.list(`${device}/`, { after: known.last }))
      .filter(({ key }) => parsePackFileName(device, key.slice(device.length + 1)))
    const lastPackAt = packs.at(-1)?.changedAt ?? known.lastPackAt
    const usage = {
      packs: known.packs + packs.length,
      bytes: packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, known.bytes),
      ...(lastPackAt !== undefined && { lastPackAt }),
    }
    this.#counted.set(device, { ...usage, last: packs.at(-1)?.key ?? known.last })
    return usage
  }

  async begin(name: PackName, sizeBytes: number): Promise<Incoming> {
    const found = await this.find(name)
    if (found?.sizeBytes === sizeBytes) return found
    if (found) await this.discard(name)
    await this.#bucket.put(`${folderOf(name, sizeBytes)}begun`, Buffer.of())
    return { name, sizeBytes, offset: 0, changedAt: this.#now() }
  }

  async find(name: PackName): Promise<Incoming | undefined> {
    const objects = await this.#bucket.list(`${places.incoming}${name.device}/${packFileName(name)}.`)
    return incomingIn(objects)[0]
  }

  async incoming(device?: string): Promise<Incoming[]> {
    return incomingIn(await this.#bucket.list(`${places.incoming}${device === undefined ? '' : `${device}/`}`))
  }

  async append({ name, sizeBytes }: Incoming, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<number> {
    const folder = folderOf(name, sizeBytes)
    if (!await this.#isBegun(folder)) removed()
    const piece = Buffer.allocUnsafe(Math.min(pieceBytes, Math.max(1, sizeBytes - offset)))
    let filled = 0
    let end = offset
    const flush = async (): Promise<void> => {
      if (filled === 0) return
      const bytes = piece.subarray(0, filled)
      filled = 0
      await this.#bucket.put(folder + offsetName(end), bytes)
      end += bytes.length
    }
    try {
      for await (const part of bytes) {
        for (let at = 0; at < part.length;) {
          const taken = part.subarray(at, at + piece.length - filled)
          piece.set(taken, filled)
          filled += taken.length
          at += taken.length
          if (filled === piece.length) await flush()
        }
      }
    } finally {
      await flush()
    }
    return end
  }

  async presign({ name, sizeBytes }: Incoming): Promise<SignedPut> {
    const expiresAt = this.#now() + putSeconds * 1000
    return { url: await this.#bucket.presignCreate(folderOf(name, sizeBytes) + offsetName(0), sizeBytes, putSeconds), expiresAt }
  }

  async discard(name: PackName): Promise<void> {
    await this.#remove(await this.#bucket.list(`${places.incoming}${name.device}/${packFileName(name)}.`))
  }

  async commit({ name, sizeBytes }: Incoming, check: PackCheck, follows: (head: PackName | undefined) => void): Promise<void> {
    await this.#budget.hold(sizeBytes, async () => {
      const pack = await this.#checked(folderOf(name, sizeBytes), sizeBytes, check)
      await this.#place(name, pack, follows)
    })
    await this.#removeUpTo(name)
  }

  /** Uploads of what is in the log, and of its rivals. */
  async #removeUpTo({ device, seq }: PackName): Promise<void> {
    const objects = await this.#bucket.list(`${places.incoming}${device}/`)
    await this.#remove(objects.filter(({ key }) => (uploadIn(key)?.name.seq ?? Infinity) <= seq))
  }

  async sweep(): Promise<void> {
    for (const { key } of await this.#bucket.list(places.claims)) {
      const [, device = '', seq = ''] = /^(.+)-(\d+)$/.exec(key.slice(places.claims.length)) ?? []
      if (!isDeviceName(device)) continue
      // One whose seq is in the log was left when its removal was lost.
      if (Number(seq) <= ((await this.head(device))?.seq ?? 0)) {
        await this.#bucket.remove(key)
        continue
      }
      const done = await this.#finish(key, device)
      if (typeof done === 'object') await this.#removeUpTo(done)
    }
    const objects = await this.#bucket.list(places.incoming)
    const begun = new Set(objects.flatMap(({ key }) => key.endsWith('/begun') ? [key.slice(0, -'begun'.length)] : []))
    const before = this.#now() - leftAfterMs
    const left = objects.filter(({ key }) => !begun.has(key.slice(0, key.lastIndexOf('/') + 1)))
    const probes = await this.#bucket.list(places.probes)
    await this.#remove([...left, ...probes].filter(({ changedAt }) => changedAt < before))
  }

  async #isBegun(folder: string): Promise<boolean> {
    return await this.#bucket.get(`${folder}begun`, 1) !== undefined
  }

  /** The bytes of an upload, once they have passed the check. */
  async #checked(folder: string, sizeBytes: number, check: PackCheck): Promise<Buffer> {
    const pack = Buffer.allocUnsafe(sizeBytes)
    let end = 0
    for await (const part of check.pass(this.#pieces(folder, sizeBytes))) {
      pack.set(part, end)
      end += part.length
    }
    return pack.subarray(0, end)
  }

  /** What has arrived, from its first byte on. Pieces may lie over one another where two requests wrote the same bytes. */
  async *#pieces(folder: string, sizeBytes: number): AsyncGenerator<Uint8Array> {
    const objects = await this.#bucket.list(folder)
    if (!objects.some(({ key }) => key === `${folder}begun`)) removed()
    const pieces = piecesIn(objects)
    for (let at = 0; at < sizeBytes;) {
      const piece = furthest(pieces, at)
      if (!piece) return
      const { bytes } = await this.#bucket.get(piece.key, piece.sizeBytes) ?? removed()
      // Whoever writes to it now may have made it shorter.
      const part = bytes.subarray(at - piece.offset, Math.min(piece.sizeBytes, sizeBytes - piece.offset))
      if (part.length === 0) return
      yield part
      at += part.length
    }
  }

  /**
   * Puts a pack into a log that other collectors may write to, by the rules of `commitTo`: a seq belongs to who creates its
   * claim first; the claim is the pack itself, so that whoever finds it can finish what a collector that died has begun; and it
   * is taken away only once the seq is in the log.
   */
  async #place(name: PackName, pack: Uint8Array, follows: (head: PackName | undefined) => void): Promise<void> {
    const isPlaced = async (): Promise<boolean> => {
      const head = await this.head(name.device)
      if (head && head.seq >= name.seq && await this.sizeOf(name) !== undefined) return true
      follows(head)
      return false
    }
    if (await isPlaced()) return
    const claim = `${places.claims}${name.device}-${name.seq}`
    while (!await this.#bucket.create(claim, pack)) {
      if (await this.#finish(claim, name.device) === 'unfit') await this.#bucket.remove(claim)
    }
    try {
      // A put that fails may yet be fulfilled: then the claim stays, and whoever comes next finishes it.
      if (!await isPlaced()) await this.#bucket.put(packKey(name), pack)
    } catch (error) {
      if (error instanceof Refusal) await this.#bucket.remove(claim)
      throw error
    }
    await this.#bucket.remove(claim)
  }

  /**
   * Finishes the commit of whoever holds a claim, if its pack fits the log, and frees the claim. Its owner, should it live, finds
   * that done. Returns the pack; a claim that does not fit stays.
   */
  async #finish(claim: string, device: string): Promise<PackName | 'gone' | 'unfit'> {
    const found = await this.#bucket.get(claim, maxHeaderBytes, true)
    if (!found) return 'gone'
    const claimed = claimedIn(found.bytes)
    const head = await this.head(device)
    const fits = claimed?.name.device === device && claimed.name.seq === (head?.seq ?? 0) + 1
      && claimed.previous === (head?.hash ?? toHex(noPrevious))
    if (!fits) return 'unfit'
    // By its tag it stays this pack, whoever claims the seq meanwhile.
    if (!await this.#bucket.copy(claim, found.etag, packKey(claimed.name))) return 'gone'
    await this.#bucket.remove(claim)
    return claimed.name
  }

  async #remove(objects: readonly BucketObject[]): Promise<void> {
    // The sign that it was begun goes first: without it the rest is no upload any more.
    const isSign = ({ key }: BucketObject): boolean => key.endsWith('/begun')
    for (const { key } of objects.filter(isSign)) await this.#bucket.remove(key)
    const rest = objects.filter((object) => !isSign(object))
    for (let at = 0; at < rest.length; at += removals) {
      await Promise.all(rest.slice(at, at + removals).map(({ key }) => this.#bucket.remove(key)))
    }
  }

  #pages(device: string): PageSource {
    return async (after, most) => {
      const prefix = `${device}/`
      const objects = await this.#bucket.list(prefix, { most, ...(after !== '' && { after: prefix + after }) })
      return { names: objects.map(({ key }) => key.slice(prefix.length)), more: objects.length === most }
    }
  }
}

function recordsIn(bucket: Bucket): Records {
  return {
    read: async (key) => (await bucket.get(places.records + key, mostRecordBytes))?.bytes.toString('utf8'),
    create: (key, text) => bucket.create(places.records + key, Buffer.from(text)),
    replace: (key, text) => bucket.put(places.records + key, Buffer.from(text)),
    remove: (key) => bucket.remove(places.records + key),
    list: async (prefix) => (await bucket.list(places.records + prefix)).map(({ key }) => key.slice(places.records.length)),
  }
}

/** By its device, or since another pack has its place in the log. */
function removed(): never {
  throw new Refusal('upload-unknown', 'The upload was removed meanwhile.')
}
