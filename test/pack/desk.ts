import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { FileTake } from '../../src/capture/take.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import type { Disk } from '../../src/journal/disk.ts'
import { Journal } from '../../src/journal/journal.ts'
import { Lineages } from '../../src/journal/lineages.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { Spool } from '../../src/journal/spool.ts'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { encodeHeader, headerHash, noPrevious } from '../../src/pack/header.ts'
import { Packer, type PackCallbacks } from '../../src/pack/packer.ts'
import { readPack, type ReadPack } from '../../src/pack/read-pack.ts'
import { toHex } from '../../src/pack/sha256.ts'
import type { Workers } from '../../src/workers/workers.ts'
import { memoryDestination } from '../../src/transfer/memory.ts'
import { device, idOf, put } from './make-log.ts'
import { filesOf, problemsOf, readAll } from './read-content.ts'

/** Packer, journal and spool over a real folder, with a clock that the test sets. */
export class Desk {
  readonly folder: string
  readonly destination = memoryDestination()
  readonly events: SluiceEvent[] = []
  readonly torn: FileTake[] = []
  journal: Journal
  spool: Spool
  packer: Packer
  readonly lineages: Lineages
  now = 1_790_000_000_000
  readBytes = 0
  #ids = 0

  constructor(folder: string, options: { sealBytes?: number; disk?: Disk; level?: number; workers?: Workers } = {}) {
    this.folder = folder
    const disk = options.disk ?? realDisk
    this.journal = new Journal(join(folder, 'journal.sqlite'))
    onTestFinished(() => this.journal[Symbol.dispose]())
    this.spool = new Spool(join(folder, 'spool'), disk)
    this.lineages = new Lineages(join(folder, 'lineages'), disk)
    this.packer = new Packer({
      journal: this.journal, spool: this.spool, lineages: this.lineages, zstd: zstdNative, level: options.level ?? 1, ...(options.workers && { workers: options.workers }),
      sealBytes: options.sealBytes ?? 4 << 20, epochMs: 86_400_000, now: () => this.now,
      randomBytes: () => idOf(`epoch ${this.#ids++}`), emit: (event) => void this.events.push(event),
    })
  }

  async pack(takes: readonly FileTake[], callbacks: Partial<PackCallbacks> = {}, queue = 'any'): Promise<void> {
    await this.packer.pack(queue, (async function* () {
      yield* takes
    })(), { onTorn: (take) => void this.torn.push(take), onRead: (bytes) => void (this.readBytes += bytes), ...callbacks })
  }

  /** Stamps and sends what is sealed, and reads the whole log back. */
  async send(): Promise<{ packs: ReadPack[]; files: Map<string, Buffer>; problems: string[] }> {
    for (const { id, bodyHash, bodyBytes } of this.journal.unsent()) {
      const head = this.journal.head()
      const header = encodeHeader({ device, seq: (head?.seq ?? 0) + 1, previous: head?.hash ?? noPrevious, bodyBytes, bodyHash })
      const name = { device, seq: (head?.seq ?? 0) + 1, hash: toHex(headerHash(header)) }
      const body = await this.spool.readWhole(bodyHash)
      await put(this.destination, { name, bytes: Buffer.concat([header, body!]) })
      this.journal.transaction(() => this.journal.markSent(id, { seq: name.seq, hash: headerHash(header) }, this.now))
      await this.spool.remove(bodyHash)
    }
    const content = await readAll(this.destination)
    const names = await this.destination.list(device)
    const packs = await Promise.all(names.map(async (name) => readPack(await this.destination.open(name), name, zstdNative)))
    return { packs, files: await filesOf(content), problems: problemsOf(content) }
  }

  spooled(): Promise<string[]> {
    return realDisk.list(this.spool.folder)
  }
}
