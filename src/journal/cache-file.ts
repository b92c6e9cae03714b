import type { Disk } from './disk.ts'
import { ByteReader, type ByteWriter } from '../pack/bytes.ts'
import { hashBytes } from '../pack/header.ts'
import { sha256 } from '../pack/sha256.ts'

/** Writes what can be made again, or done without, with a hash behind it. Not durable: a torn one is as good as none. */
export async function writeCache(disk: Disk, path: string, writer: ByteWriter): Promise<void> {
  writer.bytes(sha256(writer.finish()))
  {
    await using file = await disk.open(`${path}.tmp`, 'w')
    await file.write(writer.finish(), 0)
  }
  await disk.rename(`${path}.tmp`, path)
}

/** What `read` makes of the file; undefined when it is missing, larger than `mostBytes`, damaged, or cannot be read. */
export async function readCache<T>(disk: Disk, path: string, mostBytes: number, read: (reader: ByteReader) => T): Promise<T | undefined> {
  const bytes = await readWhole(disk, path, mostBytes + hashBytes).catch(() => undefined)
  if (!bytes || bytes.length < hashBytes) return undefined
  const content = bytes.subarray(0, -hashBytes)
  if (Buffer.compare(sha256(content), bytes.subarray(-hashBytes)) !== 0) return undefined
  try {
    return read(new ByteReader(content))
  } catch {
    return undefined // written by another version, it may fail anywhere
  }
}

async function readWhole(disk: Disk, path: string, mostBytes: number): Promise<Buffer | undefined> {
  const size = await disk.size(path)
  if (size === undefined || size > mostBytes) return undefined
  await using file = await disk.open(path, 'r')
  const bytes = Buffer.alloc(size)
  return (await file.read(bytes, 0)) === size ? bytes : undefined
}
