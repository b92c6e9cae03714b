import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Disk } from '../journal/disk.ts'
import { systemCode } from '../observe/error.ts'
import { inLogOrder } from '../transfer/destination-rules.ts'
import { parsePackFileName, type PackName } from '../transfer/destination.ts'

/** What is remembered of a log, however long it is. */
export interface LogEnds {
  readonly packs: number
  readonly first?: PackName
  readonly head?: PackName
}

interface Known {
  /** The folder as it was when it had these ends; missing while that cannot be told. */
  seen?: { readonly stamp: string; readonly ends: LogEnds }
  running?: Promise<LogEnds>
  /** What those get who came too late for `running`, which may have begun before what they have to see. */
  next?: Promise<LogEnds>
}

/** Devices whose logs are remembered; more only cost listing them more often. */
const mostKnown = 10_000
/** The coarsest clock of a file system. A folder changed more recently may change again under the same time. */
const clockTickMs = 2000

/** The logs in a folder that other processes write to. A log is listed anew only when its folder has changed. */
export class FolderLogs {
  readonly #root: string
  readonly #disk: Disk
  readonly #now: () => number
  readonly #known = new Map<string, Known>()

  constructor(root: string, disk: Disk, now: () => number) {
    this.#root = root
    this.#disk = disk
    this.#now = now
  }

  /** The ends of a log, with everything in it that was there when this was called. */
  ends(device: string): Promise<LogEnds> {
    const known = this.#knownOf(device)
    if (known.next) return known.next
    if (!known.running) return this.#begin(device, known)
    const begin = (): Promise<LogEnds> => {
      delete known.next
      return this.#begin(device, known)
    }
    return known.next = known.running.then(begin, begin)
  }

  /** The whole log, in order. */
  async list(device: string): Promise<PackName[]> {
    const names = await this.#disk.list(join(this.#root, device))
    return names.flatMap((name) => parsePackFileName(device, name) ?? []).sort(inLogOrder)
  }

  /** To be called after each change of one's own, which shows even where the times of folders do not. */
  changed(device: string): void {
    this.#known.delete(device)
  }

  #knownOf(device: string): Known {
    const known = this.#known.get(device) ?? {}
    this.#known.delete(device) // the one that was asked for longest ago comes first
    this.#known.set(device, known)
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= mostKnown) break
      this.#known.delete(oldest)
    }
    return known
  }

  #begin(device: string, known: Known): Promise<LogEnds> {
    return known.running = this.#look(device, known).finally(() => { delete known.running })
  }

  async #look(device: string, known: Known): Promise<LogEnds> {
    const folder = await stat(join(this.#root, device), { bigint: true }).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined
      throw error
    })
    if (!folder) return { packs: 0 }
    const stamp = `${folder.ino} ${folder.mtimeNs} ${folder.ctimeNs}`
    if (known.seen?.stamp === stamp) return known.seen.ends
    const isSettled = this.#now() - Number(folder.mtimeMs) > clockTickMs
    const log = await this.list(device)
    const [first, head] = [log[0], log.at(-1)]
    const ends = { packs: log.length, ...(first && { first }), ...(head && { head }) }
    if (isSettled) known.seen = { stamp, ends }
    return ends
  }
}
