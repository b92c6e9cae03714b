import type { Readable } from 'node:stream'
import { DataStore, Upload } from '@tus/server'
import type { EmitCollector } from '../observe/collector-events.ts'
import type { CollectorLimits } from './limits.ts'
import type { CollectorStore, Incoming } from './store.ts'
import type { PackName } from '../transfer/destination.ts'
import { hashBytes } from '../pack/header.ts'
import { checkPack } from './pack-check.ts'
import { mayFollow, placeOf } from './placement.ts'
import { Refusal } from './refusal.ts'
import { parseUploadId } from './upload-id.ts'

/** Less is no pack: a header without the name of its device is longer. */
const leastPackBytes = 3 * hashBytes

/** Uploads of one device that may be begun at once. A device sends one at a time, and deletes what it gives up. */
const mostIncoming = 32

export interface UploadsOptions {
  readonly store: CollectorStore
  readonly limits: CollectorLimits
  readonly now: () => number
  readonly emit: EmitCollector
  /** Throws `credential-refused` when the device may no longer write. */
  readonly mayWrite: (device: string) => Promise<void>
}

/** Uploads of packs as tus knows them. Ids were checked to be the asking device's own. */
export class Uploads extends DataStore {
  override extensions = ['creation', 'termination', 'expiration']
  readonly #options: UploadsOptions
  /** The last beginning of each device that is under way: two at once would each find room for itself alone. */
  readonly #beginning = new Map<string, Promise<unknown>>()

  constructor(options: UploadsOptions) {
    super()
    this.#options = options
  }

  override getExpiration(): number {
    return this.#options.limits.uploadsExpireMs
  }

  override async create(upload: Upload): Promise<Upload> {
    const { offset, changedAt } = await this.begin(nameOf(upload.id), upload.size ?? 0)
    upload.offset = offset
    upload.creation_date = new Date(changedAt).toISOString()
    return upload
  }

  /** Begins an upload, or goes on with it, if the pack may come next; commits one that is complete. Throws `Refusal`. */
  async begin(name: PackName, sizeBytes: number): Promise<Incoming> {
    const { store, emit } = this.#options
    this.#checkSize(sizeBytes)
    if (placeOf(name, await store.head(name.device)) === 'head') return await this.#finished(name, sizeBytes)
    const incoming = await this.#inTurn(name.device, async () => {
      const found = await store.find(name)
      if (found && this.#isExpired(found)) await store.discard(name)
      await this.#checkQuota(name, sizeBytes)
      return await store.begin(name, sizeBytes)
    })
    emit({ event: 'upload.created', device: name.device, seq: name.seq, packBytes: sizeBytes, offset: incoming.offset })
    if (incoming.offset === sizeBytes) await this.#commit(incoming)
    return incoming
  }

  async #inTurn<T>(device: string, work: () => Promise<T>): Promise<T> {
    const before = this.#beginning.get(device) ?? Promise.resolve()
    const mine = before.then(work)
    const settled = mine.catch(() => undefined)
    this.#beginning.set(device, settled)
    try {
      return await mine
    } finally {
      if (this.#beginning.get(device) === settled) this.#beginning.delete(device)
    }
  }

  #checkSize(sizeBytes: number): void {
    const { maxPackBytes } = this.#options.limits
    if (sizeBytes > maxPackBytes) throw new Refusal('pack-too-large', `A pack may have ${maxPackBytes} bytes here, not ${sizeBytes}.`)
    if (sizeBytes < leastPackBytes) throw new Refusal('request-invalid', `It is ${sizeBytes} bytes long: no pack is that short.`)
  }

  async #finished(name: PackName, sizeBytes: number): Promise<Incoming> {
    if (await this.#options.store.sizeOf(name) !== sizeBytes) throw new Refusal('request-invalid', 'The pack of that name has another length.')
    return { name, sizeBytes, offset: sizeBytes, changedAt: this.#options.now() }
  }

  async #checkQuota(name: PackName, sizeBytes: number): Promise<void> {
    const { store, limits: { quotaBytes } } = this.#options
    const { bytes } = await store.usage(name.device)
    const others = (await store.incoming(name.device)).filter((other) => other.name.hash !== name.hash)
    const announced = others.reduce((sum, other) => sum + other.sizeBytes, 0)
    if (bytes + announced + sizeBytes > quotaBytes) {
      throw new Refusal('quota-full', `The quota of ${name.device} is ${quotaBytes} bytes, and ${bytes + announced} of them are used.`)
    }
    if (others.length >= mostIncoming) throw new Refusal('quota-full', `${name.device} has begun ${others.length} other uploads. Delete those that are given up.`)
  }

  override async getUpload(id: string): Promise<Upload> {
    const { store } = this.#options
    const name = nameOf(id)
    const finishedBytes = await store.sizeOf(name)
    if (finishedBytes !== undefined) return new Upload({ id, size: finishedBytes, offset: finishedBytes })
    const incoming = await store.find(name)
    if (!incoming) throw unknown()
    const { sizeBytes: size, offset, changedAt } = incoming
    // The collector that took its last byte died before it was in the log.
    if (offset === size && !this.#isExpired(incoming)) await this.#commit(incoming)
    return new Upload({ id, size, offset, creation_date: new Date(changedAt).toISOString() })
  }

  override async write(stream: Readable, id: string, offset: number): Promise<number> {
    const { store, emit } = this.#options
    const incoming = await store.find(nameOf(id))
    if (!incoming) throw unknown()
    const { name, sizeBytes } = incoming
    let end = offset
    try {
      end = await store.append(incoming, offset, counted(stream, (bytes) => { end += bytes }))
    } finally {
      if (end > offset) emit({ event: 'upload.received', device: name.device, seq: name.seq, bytes: end - offset, offset: end })
    }
    if (end === sizeBytes) await this.#commit(incoming)
    return end
  }

  async #commit(incoming: Incoming): Promise<void> {
    const { store, emit, mayWrite } = this.#options
    const { name: { device, seq }, name, sizeBytes } = incoming
    try {
      await mayWrite(device)
      const check = checkPack(name)
      await store.commit(incoming, check, (head) => { mayFollow(name, check.header, head) })
      emit({ event: 'pack.accepted', device, seq, packBytes: sizeBytes })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      emit({ event: 'pack.refused', device, seq, code: error.code })
      // A device that is let in again goes on with what arrived; anything else would be refused again.
      if (error.code !== 'credential-refused') await store.discard(name)
      throw error
    }
  }

  override async remove(id: string): Promise<void> {
    const { store, emit } = this.#options
    const name = nameOf(id)
    if (await store.sizeOf(name) !== undefined) throw new Refusal('forbidden', 'The pack is complete, and stays.')
    if (!await store.find(name)) throw unknown()
    await store.discard(name)
    emit({ event: 'upload.discarded', device: name.device, seq: name.seq, cause: 'device' })
  }

  override async deleteExpired(): Promise<number> {
    const { store, emit } = this.#options
    const expired = (await store.incoming()).filter((incoming) => this.#isExpired(incoming))
    for (const { name } of expired) {
      await store.discard(name)
      emit({ event: 'upload.discarded', device: name.device, seq: name.seq, cause: 'expired' })
    }
    return expired.length
  }

  #isExpired({ changedAt }: Incoming): boolean {
    return this.#options.now() - changedAt > this.getExpiration()
  }
}

function nameOf(id: string): PackName {
  const name = parseUploadId(id)
  if (!name) throw unknown()
  return name
}

function unknown(): Refusal {
  return new Refusal('upload-unknown', 'There is no such upload; it may have expired.')
}

async function *counted(stream: Readable, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const piece of stream as AsyncIterable<Uint8Array>) {
    yield piece
    count(piece.length)
  }
}
