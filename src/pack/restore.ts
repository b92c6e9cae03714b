import type { LogContent } from './read-log.ts'
import type { FileVersion } from './versions.ts'
import { constants } from 'node:fs'
import { lstat, mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { maxFrameBytes } from '../compress/frames/frame.ts'
import { makeFolders } from '../journal/durable-file.ts'
import { SluiceError, systemCode } from '../observe/error.ts'
import { segmentChunks, type Segment } from './device-log.ts'
import { isFileOfFrame } from './frame-chunk.ts'
import { chunkNameOf, keyOf } from './sha256.ts'
import { Placement } from './versions.ts'

export interface RestoreOptions {
  readonly content: LogContent
  /** Folder to rebuild into; made when missing. Files land in `<out>/<stream>/<path>`. */
  readonly out: string
  /** Only these streams. */
  readonly streams?: ReadonlySet<string>
  /** Only files changed at or after this time, milliseconds since the epoch. */
  readonly since?: number
  /** Leave older versions of a path out. */
  readonly latestOnly: boolean
  readonly signal?: AbortSignal
  readonly onBytes?: (bytes: number) => void
}

/** Where files grow until they are right. Begins as no stream's name does, so it is nobody's place. */
const temporaryName = '.pull~'

/** No PNG that is made of a frame is larger: deflate adds less than a hundredth to what it cannot compress. */
const maxRestoredBytes = maxFrameBytes * 1.05

export interface RestoreReport {
  files: number
  bytes: number
  /** Files that were there already, byte for byte. */
  present: number
  /** Older versions of a path, kept as `NAME.~n~`. */
  older: number
  /** `whole` versions whose end never arrived: they may be torn and are left out. */
  incomplete: number
  readonly problems: SluiceError[]
}

/**
 * Rebuilds capture files with names, permission bits and modification times. A file appears under its name only when
 * every chunk of it was checked; what the folder already holds is checked and kept. Links in `out` are not followed.
 */
export async function restore(options: RestoreOptions): Promise<RestoreReport> {
  const { content, out } = options
  const report: RestoreReport = { files: 0, bytes: 0, present: 0, older: 0, incomplete: 0, problems: [] }
  try {
    makeFolders(out)
  } catch (error) {
    throw targetError(Buffer.from(out), error)
  }
  const wanted = content.versions.newestFirst().filter((version) => isWanted(options, version))
  report.incomplete = wanted.filter((version) => !version.complete).length
  for (const { name, version, isLatest } of placed(content.versions.newestFirst(), options.latestOnly)) {
    if (options.signal?.aborted) throw new SluiceError('aborted', 'rebuilding was stopped; run it again to go on')
    if (!isWanted(options, version)) continue
    if (!isLatest) report.older++
    try {
      await restoreFile(options, name, version, report)
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code === 'aborted' || error.code === 'pull-target') throw error
      report.problems.push(new SluiceError(error.code, `${Buffer.from(name, 'latin1').toString()}: ${error.message}`, { cause: error }))
    }
  }
  return report
}

function isWanted({ streams, since }: RestoreOptions, version: FileVersion): boolean {
  return (!streams || streams.has(version.stream)) && (since === undefined || version.modifiedUs >= since * 1000)
}

interface Placed {
  readonly name: string
  readonly version: FileVersion
  readonly isLatest: boolean
}

/**
 * Every complete version with its place below `out`, in the order of the log, which is the order their content lies in.
 * Also those that are not wanted now: a place does not depend on what else is asked for.
 */
function placed(newestFirst: readonly FileVersion[], latestOnly: boolean): Placed[] {
  const byPath = Map.groupBy(newestFirst.filter(({ complete }) => complete), ({ stream, path }) => `${stream}/${keyOf(path)}`)
  const placement = new Placement()
  const result: Placed[] = []
  for (const [path, versions] of byPath) {
    placement.place(path, latestOnly ? 1 : versions.length).forEach((name, index) => {
      result.push({ name, version: versions[index] as FileVersion, isLatest: index === 0 })
    })
  }
  return result.sort((a, b) => a.version.latest - b.version.latest)
}

async function restoreFile(options: RestoreOptions, name: string, version: FileVersion, report: RestoreReport): Promise<void> {
  const target = Buffer.concat([Buffer.from(`${options.out}/`), Buffer.from(name, 'latin1')])
  await makeParents(options.out, name)
  let bytes = await presentBytes(target, version)
  if (bytes !== undefined) {
    report.present++
  } else {
    const temporary = Buffer.from(join(options.out, temporaryName))
    try {
      bytes = await write(options, temporary, version)
      await rename(temporary, target)
    } catch (error) {
      await rm(temporary, { force: true })
      throw targetError(target, error)
    }
  }
  report.files++
  report.bytes += bytes
  options.onBytes?.(bytes)
}

async function makeParents(out: string, name: string): Promise<void> {
  const parts = name.split('/').slice(0, -1)
  let folder = Buffer.from(out)
  for (const part of parts) {
    folder = Buffer.concat([folder, Buffer.from('/'), Buffer.from(part, 'latin1')])
    try {
      await mkdir(folder)
    } catch (error) {
      if (systemCode(error) !== 'EEXIST' || !(await lstat(folder)).isDirectory()) throw targetError(folder, error)
    }
  }
}

function targetError(path: Buffer, error: unknown): unknown {
  const code = systemCode(error)
  if (error instanceof SluiceError || code === undefined) return error
  return new SluiceError('pull-target', `${path.toString()} cannot be written (${code}): choose an empty folder with room, or clear the way`, { cause: error })
}

/** Size of the file when it is there with exactly this content, or this picture; mode and time are then set again. */
async function presentBytes(path: Buffer, version: FileVersion): Promise<number | undefined> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
  try {
    const facts = await file.stat()
    if (!facts.isFile()) return undefined
    const isSame = version.isFrame ? await holdsFrame(file, facts.size, version) : facts.size === version.bytes && (await holdsBytes(file, version))
    if (!isSame) return undefined
    await setFacts(file, version)
    return facts.size
  } finally {
    await file.close()
  }
}

async function holdsBytes(file: FileHandle, version: FileVersion): Promise<boolean> {
  let offset = 0
  for (const segment of version.segments) {
    for (const chunk of segmentChunks(segment)) {
      const bytes = Buffer.allocUnsafe(chunk.bytes)
      const { bytesRead } = await file.read(bytes, 0, chunk.bytes, offset)
      if (bytesRead !== chunk.bytes || Buffer.compare(chunkNameOf(bytes, segment.chunkKey), chunk.hash) !== 0) return false
      offset += chunk.bytes
    }
  }
  return true
}

async function holdsFrame(file: FileHandle, sizeBytes: number, { segments }: FileVersion): Promise<boolean> {
  const segment = segments.at(-1) as Segment
  const [name] = segmentChunks(segment)
  if (!name || sizeBytes > maxRestoredBytes) return false
  const bytes = Buffer.allocUnsafe(sizeBytes)
  const { bytesRead } = await file.read(bytes, 0, sizeBytes, 0)
  return bytesRead === sizeBytes && isFileOfFrame(bytes, name, segment.chunkKey)
}

/** Returns how many bytes it wrote. */
async function write(options: RestoreOptions, path: Buffer, version: FileVersion): Promise<number> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW
  const file = await open(path, flags, 0o600)
  let written = 0
  try {
    for (const segment of version.segments) {
      for await (const bytes of options.content.log.content(segment)) {
        if (options.signal?.aborted) throw new SluiceError('aborted', 'rebuilding was stopped; run it again to go on')
        await file.writeFile(bytes)
        written += bytes.length
      }
    }
    await setFacts(file, version)
    return written
  } finally {
    await file.close()
  }
}

/** Permission bits without set-user-id and the like: they come from another machine. */
async function setFacts(file: FileHandle, version: FileVersion): Promise<void> {
  await file.chmod(version.mode & 0o777)
  // Half a microsecond more, because seconds as a double fall just below the microsecond they mean.
  // As text, because Node takes a negative number (before 1970) for the current time.
  const seconds = String((version.modifiedUs + 0.5) / 1e6)
  await file.utimes(seconds, seconds)
}
