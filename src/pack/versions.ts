import type { Segment } from './device-log.ts'
import { SluiceError } from '../observe/error.ts'
import { maxPartBytes } from './manifest.ts'
import { keyOf } from './sha256.ts'

/** One state of a capture file, put together from the segments that carry its file id. */
export interface FileVersion {
  readonly stream: string
  /** The path of its latest segment: a renamed file counts under its last name. */
  path: Uint8Array
  mode: number
  modifiedUs: number
  /** `append` files are whole at any segment; a `whole` file only when its last segment said so. */
  complete: boolean
  /** Of the file, or of its frame. */
  bytes: number
  /** It is a PNG whose only chunk is a frame. */
  isFrame: boolean
  readonly segments: Segment[]
  /** Position of its latest segment in the log: the last one at a path is the newest. */
  latest: number
}

/** Collects the segments of a device log, in log order, into file versions. */
export class Versions {
  readonly #versions = new Map<string, FileVersion>()
  #position = 0

  /** Returns what is wrong with the segment: bytes missing before it, or bytes that are there twice. */
  add(segment: Segment, where: string): SluiceError | undefined {
    const { entry, stream, bytes, files } = segment
    const key = `${stream}/${keyOf(entry.fileId)}`
    const known = this.#versions.get(key)
    const expected = known?.bytes ?? 0
    if (entry.offset !== expected) {
      const what = entry.offset > expected ? 'are missing' : 'are there twice'
      const [from, to] = [Math.min(entry.offset, expected), Math.max(entry.offset, expected)]
      return new SluiceError('log-gap', `${where}: bytes ${from} to ${to} of a file in stream ${stream} ${what}`)
    }
    const version = known ?? { stream, path: entry.path, mode: 0, modifiedUs: 0, complete: false, bytes: 0, isFrame: false, segments: [], latest: 0 }
    if (!known) this.#versions.set(key, version)
    version.path = entry.path
    version.mode = entry.mode
    version.modifiedUs = entry.modifiedUs
    version.complete = files === 'append' || entry.complete
    version.bytes += bytes
    version.isFrame = entry.isFrame
    version.latest = this.#position++
    version.segments.push(segment)
    return undefined
  }

  /** Names of the streams that have files here. */
  streams(): Set<string> {
    return new Set([...this.#versions.values()].map(({ stream }) => stream))
  }

  /** Newest first, so that whoever gives out names lets the newest have its own. */
  newestFirst(): FileVersion[] {
    return [...this.#versions.values()].sort((a, b) => b.latest - a.latest)
  }
}

/**
 * Gives every version a place below the output folder. The newest version of a path gets the path itself, older ones
 * `NAME.~1~`, `.~2~` … with 1 the oldest, as `cp --backup=numbered` names them. Where a file stands in the way of a
 * folder of the same name, the older of the two gives way.
 */
export class Placement {
  readonly #files = new Set<string>()
  readonly #folders = new Set<string>()

  /** Names for the versions of one path, newest first; the result is in the same order. */
  place(path: string, versions: number): string[] {
    const names: string[] = []
    for (let number = versions - 1; number >= 0; number--) {
      const wanted = number === versions - 1 ? path : undefined
      names.push(wanted !== undefined && this.#free(wanted) ? this.#claim(wanted) : this.#backup(path, number + 1))
    }
    return names
  }

  #backup(path: string, from: number): string {
    const blocking = parents(path).find((folder) => this.#files.has(folder))
    const renamed = blocking ?? path
    for (let number = from; ; number++) {
      const name = `${suffixed(renamed, `.~${number}~`)}${path.slice(renamed.length)}`
      if (this.#free(name)) return this.#claim(name)
    }
  }

  #free(path: string): boolean {
    return !this.#files.has(path) && !this.#folders.has(path) && !parents(path).some((folder) => this.#files.has(folder))
  }

  #claim(path: string): string {
    this.#files.add(path)
    for (const folder of parents(path)) this.#folders.add(folder)
    return path
  }
}

/** The last part is cut where it would become longer than file systems take. One character is one byte. */
function suffixed(path: string, suffix: string): string {
  const start = path.lastIndexOf('/') + 1
  return `${path.slice(0, start)}${path.slice(start, start + maxPartBytes - suffix.length)}${suffix}`
}

function parents(path: string): string[] {
  const parts = path.split('/')
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'))
}
