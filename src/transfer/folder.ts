import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Disk, DiskFile } from '../journal/disk.ts'
import { SluiceError, systemCode, type ErrorDetails } from '../observe/error.ts'
import {
  packFileName, parsePackFileName, sliceBytes,
  type ByteSource, type Destination, type OutgoingPack, type PackName, type PutOptions,
} from './destination.ts'
import { isDeviceName } from '../pack/header.ts'
import { chargeSlice, checkDevice, inLogOrder, packMissing, readPastEnd, stopIfAborted } from './destination-rules.ts'

/**
 * A folder as destination, at a `file:///` URL: `<root>/<device>/<seq>-<hash>.pack`. A pack grows as `.<its name>.part`
 * beside its place and is renamed once it is durable, so a pack that is listed is whole. The root is created when its
 * parent exists: a longer missing path is more likely a disk that is not mounted.
 */
export function folderDestination(url: string, disk: Disk): Destination {
  const root = fileURLToPath(url)
  const prepared = new Set<string>()
  const pathOf = (name: PackName) => join(root, checkDevice(name.device), packFileName(name))

  const here: Here = work => work.catch((error: unknown) => {
    throw destinationError(error, url)
  })

  const rootExists = async (): Promise<boolean> => {
    if (await here(folderExists(disk, root))) return true
    if (await here(folderExists(disk, dirname(root)))) return false
    throw unreachable(url, 'Neither the folder nor the one above it exists; is its disk mounted?')
  }

  const logOf = async (device: string): Promise<PackName[]> => {
    checkDevice(device)
    if (!await rootExists()) return []
    const names = await here(disk.list(join(root, device)))
    return names.flatMap(name => parsePackFileName(device, name) ?? []).sort(inLogOrder)
  }

  return {
    url,
    head: async device => (await logOf(device)).at(-1),
    list: logOf,

    async put(pack, options = {}) {
      const path = pathOf(pack.name)
      const folder = dirname(path)
      stopIfAborted(options.signal)
      if (!prepared.has(folder)) await here(prepare(disk, root, folder))
      prepared.add(folder)
      if (!await here(isThere(disk, path, pack.sizeBytes))) {
        const part = partOf(path)
        const file = await here(disk.open(part, 'r+')).catch((error: unknown) => {
          prepared.delete(folder) // removed since, perhaps: the next try makes it again
          throw error
        })
        await send(file, pack, options, here).finally(() => file.close())
        await here(publish(disk, part, path, pack.sizeBytes))
      }
      // Also for a pack that was there: whoever renamed it may have died before this.
      await here(disk.syncFolder(folder))
    },

    async abandon(name) {
      const path = pathOf(name)
      if (!await rootExists()) return false
      await here(disk.remove(partOf(path)))
      return await here(disk.size(path)) !== undefined
    },

    reading: 'free',
    wireBytes: payloadBytes => payloadBytes,

    async devices() {
      if (!await rootExists()) return []
      const found = []
      for (const device of (await here(disk.list(root))).filter(isDeviceName)) {
        const names = await here(disk.list(join(root, device)).catch(unlessFile))
        if (names.some(name => parsePackFileName(device, name))) found.push(device)
      }
      return found
    },

    async open(name) {
      const path = pathOf(name)
      const file = await here(disk.open(path, 'r').catch(async (error: unknown) => {
        throw systemCode(error) === 'ENOENT' && await rootExists() ? packMissing(name, url) : error
      }))
      return here(packReader(name, file, here))
    },
  }
}

/** Once so much of a pack went out, and each slice in less than `quickMs`, slices are large: small ones cost as much again as their bytes. */
const slowStartBytes = 2 << 20
const largeSliceBytes = 4 * sliceBytes
const quickMs = 20

/** Errors of this disk as what they mean for a destination; those of a pack's source never pass through. */
type Here = <T>(work: Promise<T>) => Promise<T>

function partOf(path: string): string {
  return join(dirname(path), `.${path.slice(dirname(path).length + 1)}.part`)
}

async function folderExists(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.freeBytes(path)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}

/** Makes root and device folder durable, whether they are new or left by a process that died. */
async function prepare(disk: Disk, root: string, folder: string): Promise<void> {
  await disk.makeFolder(root)
  // Whoever could create the root can sync its parent; where that is refused, somebody else created it.
  await disk.syncFolder(dirname(root)).catch((error: unknown) => {
    if (systemCode(error) !== 'EACCES') throw error
  })
  await disk.makeFolder(folder)
  await disk.syncFolder(root)
}

/** Writes what is missing of a pack, and makes it durable. */
async function send(file: DiskFile, pack: OutgoingPack, options: PutOptions, here: Here): Promise<void> {
  const { signal, meter, onSent } = options
  let offset = await resumeAt(file, pack, here, signal)
  const room = new Uint8Array(Math.min(largeSliceBytes, pack.sizeBytes - offset))
  let ahead: Uint8Array = new Uint8Array()
  let length = sliceBytes
  for (let written = 0; offset < pack.sizeBytes; written += length) {
    if (ahead.length === 0) ahead = await pack.read(offset, Math.min(room.length, pack.sizeBytes - offset), room)
    const slice = ahead.subarray(0, length)
    ahead = ahead.subarray(length)
    stopIfAborted(signal)
    chargeSlice(meter, slice.length)
    const began = performance.now()
    await here(file.write(slice, offset))
    offset += slice.length
    onSent?.(slice.length)
    const isQuick = performance.now() - began < quickMs
    length = isQuick && written >= slowStartBytes ? largeSliceBytes : sliceBytes
  }
  await here(file.sync())
}

/** Whether the complete pack is in its place. Names are content, so another size is damage, not another pack. */
async function isThere(disk: Disk, path: string, sizeBytes: number): Promise<boolean> {
  const found = await disk.size(path)
  if (found === undefined || found === sizeBytes) return found === sizeBytes
  throw new SluiceError(
    'destination-refused',
    `${path} has ${found} bytes where the pack of that name has ${sizeBytes}: the file there is damaged. ` +
      'Move it away, and the pack is sent again.',
    { data: { foundBytes: found, packBytes: sizeBytes } },
  )
}

/**
 * Where to go on: the first byte of the partial file that is not the pack's. After a power cut its size may be right
 * and its tail zeros, so the size alone says nothing. Cuts the file there.
 */
async function resumeAt(file: DiskFile, pack: OutgoingPack, here: Here, signal?: AbortSignal): Promise<number> {
  const present = await here(file.size())
  const comparable = Math.min(present, pack.sizeBytes)
  let offset = 0
  while (offset < comparable) {
    stopIfAborted(signal)
    const length = Math.min(sliceBytes, comparable - offset)
    const [there, ours] = [await here(readUpTo(file, offset, length)), await pack.read(offset, length)]
    const same = equalBytes(there, ours)
    offset += same
    if (same < length) break
  }
  if (present > offset) await here(file.truncate(offset))
  return offset
}

/** Count of leading bytes that are equal. */
function equalBytes(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return a.length
  const different = a.findIndex((byte, at) => byte !== b[at])
  return different === -1 ? a.length : different
}

/** Puts the finished file in its place. Another process may have done so a moment ago, with the same bytes. */
async function publish(disk: Disk, part: string, path: string, sizeBytes: number): Promise<void> {
  try {
    await disk.rename(part, path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || !await isThere(disk, path, sizeBytes)) throw error
  }
}

async function packReader(name: PackName, file: DiskFile, here: Here): Promise<ByteSource & AsyncDisposable> {
  const sizeBytes = await file.size()
  return {
    sizeBytes,
    async read(offset, length) {
      if (offset + length > sizeBytes) throw readPastEnd(name, offset, length, sizeBytes)
      const bytes = await here(readUpTo(file, offset, length))
      if (bytes.length < length) throw readPastEnd(name, offset, length, offset + bytes.length)
      return bytes
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}

async function readUpTo(file: DiskFile, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  let done = 0
  while (done < length) {
    const count = await file.read(bytes.subarray(done), offset + done)
    if (count === 0) break
    done += count
  }
  return bytes.subarray(0, done)
}

/** An ordinary file beside the device folders is no log. */
function unlessFile(error: unknown): string[] {
  if (systemCode(error) === 'ENOTDIR') return []
  throw error
}

const fullCodes = new Set(['ENOSPC', 'EDQUOT'])
/** What comes and goes with cables, servers and load. */
const transientCodes = new Set([
  'EIO', 'ENOENT', 'ENODEV', 'ENXIO', 'ESTALE', 'EBUSY', 'EAGAIN', 'EMFILE', 'ENFILE', 'ETIMEDOUT', 'EHOSTDOWN',
  'EHOSTUNREACH', 'ENETUNREACH', 'ENOTCONN', 'ESHUTDOWN',
])

function destinationError(error: unknown, url: string): unknown {
  const code = systemCode(error)
  if (error instanceof SluiceError || code === undefined) return error
  const details = { cause: error, data: { errno: code } }
  if (fullCodes.has(code)) {
    return new SluiceError('destination-full', `No room left at ${url} (${code}).`, { ...details, transient: true })
  }
  if (transientCodes.has(code)) return unreachable(url, `The system says ${code}; is its disk connected?`, details)
  return new SluiceError('destination-refused', `${url} does not let Sluice read or write there (${code}).`, details)
}

function unreachable(url: string, why: string, details: ErrorDetails = {}): SluiceError {
  return new SluiceError('destination-unreachable', `Cannot reach ${url}. ${why}`, { ...details, transient: true })
}
