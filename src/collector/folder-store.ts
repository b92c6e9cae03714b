import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Disk, DiskFile } from '../journal/disk.ts'
import { systemCode } from '../observe/error.ts'
import { isDeviceName } from '../pack/header.ts'
import { packFileName, parsePackFileName, sliceBytes, type PackName } from '../transfer/destination.ts'
import { commitTo, finishClaim } from './folder-commit.ts'
import { FolderLogs } from './folder-log.ts'
import { prepareFolders } from './folder-prepare.ts'
import { folderRecords } from './folder-records.ts'
import { Refusal } from './refusal.ts'
import type { CollectorStore, Incoming, PackCheck, Usage } from './store.ts'

/** A file in a work folder that nobody has touched for so long was left by a collector that died. */
const leftAfterMs = 24 * 3600_000

/** What a check writes: more than a file system may keep beside a name. */
const probeBytes = 4 << 10
/** Devices whose packs are remembered as counted; more only cost counting them anew. */
const mostCounted = 10_000

/** Where a collector on a folder keeps what. Packs lie as `folderDestination` has them. */
export interface FolderPlaces {
  readonly root: string
  /** `<device>/<seq>-<hash>.<size>.part` */
  readonly incoming: string
  /** `<device>-<seq>`: a pack that is about to get its place in the log. */
  readonly claims: string
  /** Files that are being written, under names of chance. */
  readonly work: string
  readonly records: string
}

/** The folders of a collector, made where they are missing. The folder above `root` must be there. Throws `state-unusable`. */
export async function openFolderStore(root: string, disk: Disk, now: () => number): Promise<CollectorStore> {
  const own = join(root, '.collector')
  const places: FolderPlaces = {
    root, incoming: join(own, 'incoming'), claims: join(own, 'claims'), work: join(own, 'work'), records: join(own, 'records'),
  }
  await prepareFolders(places, own, disk)
  return new FolderStore(places, disk, now)
}

class FolderStore implements CollectorStore {
  readonly records
  readonly #places: FolderPlaces
  readonly #disk: Disk
  readonly #now: () => number
  /** How far the packs of a device were counted, which only costs time to lose: a log grows at its end. */
  readonly #counted = new Map<string, { readonly seq: number; readonly bytes: number; readonly first: string }>()
  readonly #counting = new Map<string, Promise<Usage>>()
  readonly #logs: FolderLogs

  constructor(places: FolderPlaces, disk: Disk, now: () => number) {
    this.#now = now
    this.#places = places
    this.#disk = disk
    this.#logs = new FolderLogs(places.root, disk, now)
    this.records = folderRecords(places.records, places.work, disk)
  }

  async check(): Promise<void> {
    const path = join(this.#places.work, randomUUID())
    try {
      await using file = await this.#disk.open(path, 'w')
      await file.write(new Uint8Array(probeBytes), 0)
      await file.sync()
    } finally {
      await this.#disk.remove(path)
    }
  }

  async head(device: string): Promise<PackName | undefined> {
    return (await this.#logs.ends(device)).head
  }

  sizeOf(name: PackName): Promise<number | undefined> {
    return this.#disk.size(this.#packPath(name))
  }

  /** Those who ask at once share the counting. */
  async usage(device: string): Promise<Usage> {
    const counting = this.#counting.get(device) ?? this.#count(device).finally(() => { this.#counting.delete(device) })
    this.#counting.set(device, counting)
    return await counting
  }

  async #count(device: string): Promise<Usage> {
    const { packs, first, head } = await this.#logs.ends(device)
    if (!first || !head) return { packs: 0, bytes: 0 }
    const known = this.#counted.get(device)
    // A log whose beginning was taken away is counted anew.
    const counted = known?.first === packFileName(first) ? known : { seq: 0, bytes: 0 }
    const rest = head.seq <= counted.seq + 1 ? [head] : await this.#logs.list(device)
    let bytes = counted.bytes
    for (const name of rest) if (name.seq > counted.seq && name.seq <= head.seq) bytes += await this.sizeOf(name) ?? 0
    if (this.#counted.size >= mostCounted) this.#counted.clear()
    this.#counted.set(device, { seq: head.seq, bytes, first: packFileName(first) })
    const lastPackAt = await timeOf(this.#packPath(head))
    return { packs, bytes, ...(lastPackAt !== undefined && { lastPackAt }) }
  }

  async begin(name: PackName, sizeBytes: number): Promise<Incoming> {
    const found = await this.find(name)
    if (found?.sizeBytes === sizeBytes) return found
    if (found) await this.discard(name)
    const folder = join(this.#places.incoming, name.device)
    await this.#disk.makeFolder(folder)
    await (await this.#disk.open(this.#partPath(name, sizeBytes), 'r+')).close()
    await this.#disk.syncFolder(folder)
    return await this.find(name) ?? { name, sizeBytes, offset: 0, changedAt: this.#now() }
  }

  async find(name: PackName): Promise<Incoming | undefined> {
    return (await this.incoming(name.device)).find((found) => packFileName(found.name) === packFileName(name))
  }

  async incoming(device?: string): Promise<Incoming[]> {
    const devices = device === undefined ? (await this.#disk.list(this.#places.incoming)).filter(isDeviceName) : [device]
    const found: Incoming[] = []
    for (const each of devices) {
      for (const file of await this.#disk.list(join(this.#places.incoming, each))) {
        const [, packFile = '', size = ''] = /^(.+\.pack)\.(\d{1,16})\.part$/.exec(file) ?? []
        const name = parsePackFileName(each, packFile)
        const stats = name && await stat(join(this.#places.incoming, each, file)).catch(unless('ENOENT'))
        if (name && stats) found.push({ name, sizeBytes: Number(size), offset: stats.size, changedAt: stats.mtimeMs })
      }
    }
    return found
  }

  async append({ name, sizeBytes }: Incoming, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<number> {
    const path = this.#partPath(name, sizeBytes)
    if (await this.#disk.size(path) === undefined) removed()
    await using file = await this.#disk.open(path, 'r+')
    let end = offset
    try {
      for await (const piece of bytes) {
        await file.write(piece, end)
        end += piece.length
      }
    } finally {
      // What is complete is about to be copied, and the copy is synced.
      if (end > offset && end < sizeBytes) await file.sync()
    }
    return end
  }

  async discard(name: PackName): Promise<void> {
    const found = await this.find(name)
    if (found) await this.#disk.remove(this.#partPath(name, found.sizeBytes))
  }

  async commit({ name, sizeBytes }: Incoming, check: PackCheck, follows: (head: PackName | undefined) => void): Promise<void> {
    const part = this.#partPath(name, sizeBytes)
    const copy = join(this.#places.work, randomUUID())
    try {
      await this.#copy(part, copy, (bytes) => check.pass(bytes))
      await commitTo({ places: this.#places, disk: this.#disk, logs: this.#logs, name, copy, follows })
    } finally {
      await this.#disk.remove(copy)
    }
    await this.#removeUpTo(name)
  }

  /** Uploads of what is in the log, and of its rivals. */
  async #removeUpTo({ device, seq }: PackName): Promise<void> {
    for (const done of await this.incoming(device)) {
      if (done.name.seq <= seq) await this.#disk.remove(this.#partPath(done.name, done.sizeBytes))
    }
  }

  async #copy(from: string, to: string, through: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>): Promise<void> {
    await using source = await this.#disk.open(from, 'r').catch(unless('ENOENT')) ?? removed()
    await using target = await this.#disk.open(to, 'w')
    let at = 0
    for await (const piece of through(piecesOf(source))) {
      await target.write(piece, at)
      at += piece.length
    }
    await target.sync()
  }

  async sweep(): Promise<void> {
    for (const claim of await this.#disk.list(this.#places.claims)) await this.#sweepClaim(claim)
    const before = this.#now() - leftAfterMs
    for (const name of await this.#disk.list(this.#places.work)) {
      const path = join(this.#places.work, name)
      if ((await timeOf(path) ?? Infinity) < before) await this.#disk.remove(path)
    }
  }

  async #sweepClaim(claim: string): Promise<void> {
    const [, device = '', seq = ''] = /^(.+)-(\d+)$/.exec(claim) ?? []
    if (!isDeviceName(device)) return
    const path = join(this.#places.claims, claim)
    // One whose seq is in the log was left when its removal was lost.
    if (Number(seq) <= ((await this.head(device))?.seq ?? 0)) return await this.#disk.remove(path)
    const done = await finishClaim(path, device, { places: this.#places, disk: this.#disk, logs: this.#logs })
    if (typeof done === 'object') await this.#removeUpTo(done)
  }

  #packPath(name: PackName): string {
    return join(this.#places.root, name.device, packFileName(name))
  }

  #partPath(name: PackName, sizeBytes: number): string {
    return join(this.#places.incoming, name.device, `${packFileName(name)}.${sizeBytes}.part`)
  }
}

async function *piecesOf(file: DiskFile): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(sliceBytes)
  for (let at = 0; ;) {
    const count = await file.read(buffer, at)
    if (count === 0) return
    yield buffer.subarray(0, count)
    at += count
  }
}

/** By its device, or since another pack has its place in the log. */
function removed(): never {
  throw new Refusal('upload-unknown', 'The upload was removed meanwhile.')
}

async function timeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(unless('ENOENT')))?.mtimeMs
}

function unless(code: string): (error: unknown) => undefined {
  return (error) => {
    if (systemCode(error) === code) return undefined
    throw error
  }
}
