import { randomUUID } from 'node:crypto'
import { link } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Disk } from '../journal/disk.ts'
import { systemCode } from '../observe/error.ts'
import { decodeHeader, headerHash, maxHeaderBytes } from '../pack/header.ts'
import { toHex } from '../pack/sha256.ts'
import { packFileName, type PackName } from '../transfer/destination.ts'
import type { FolderPlaces } from './folder-store.ts'

export interface CommitOptions {
  readonly places: FolderPlaces
  readonly disk: Disk
  /** The log of the device as it is at this moment, in order. */
  readonly log: () => Promise<readonly PackName[]>
  readonly name: PackName
  /** The pack, checked and durable, in a file of its own. It is moved into the log. */
  readonly copy: string
  readonly follows: (head: PackName | undefined) => void
}

/**
 * Puts a pack into a log that other processes may write to. A seq belongs to who links its pack to the claim first. Only what
 * fits the log is claimed, and a claim is taken away only once the seq is in the log. So whoever gets a claim and still finds
 * the seq free has it for good, and whoever finds a claim can finish what a process that died has begun: the claim is the pack.
 */
export async function commitTo(options: CommitOptions): Promise<void> {
  const { places, disk, name, copy } = options
  if (await isPlaced(options)) return
  const claim = join(places.claims, `${name.device}-${name.seq}`)
  while (!await linkedUnless('EEXIST', copy, claim)) await finish(claim, options)
  try {
    await disk.syncFolder(places.claims)
    if (!await isPlaced(options)) await publish(copy, name, options)
  } finally {
    await disk.remove(claim)
  }
}

/** Whether the pack is in the log already. Throws where it is not and may not come next. */
async function isPlaced({ name, log, follows }: CommitOptions): Promise<boolean> {
  const packs = await log()
  if (packs.some((pack) => packFileName(pack) === packFileName(name))) return true
  follows(packs.at(-1))
  return false
}

/** Finishes the commit of whoever holds a claim, and frees it. Its owner, should it live, finds that done. */
async function finish(claim: string, { places, disk, log, name }: CommitOptions): Promise<void> {
  const held = join(places.work, randomUUID())
  // Under a name of our own it stays this pack, whoever claims the seq meanwhile.
  if (!await linkedUnless('ENOENT', claim, held)) return
  try {
    const header = new Uint8Array(maxHeaderBytes)
    await using file = await disk.open(held, 'r')
    await file.read(header, 0)
    const { device, seq, previous, headerBytes } = decodeHeader(header)
    const pack: PackName = { device, seq, hash: toHex(headerHash(header.subarray(0, headerBytes))) }
    const head = (await log()).at(-1)
    const fits = device === name.device && seq === (head?.seq ?? 0) + 1 && toHex(previous) === (head?.hash ?? '0'.repeat(64))
    if (fits) await publish(held, pack, { places, disk })
    await disk.remove(claim)
  } finally {
    await disk.remove(held)
  }
}

async function publish(file: string, name: PackName, { places, disk }: Pick<CommitOptions, 'places' | 'disk'>): Promise<void> {
  const path = join(places.root, name.device, packFileName(name))
  await disk.makeFolder(dirname(path))
  await disk.syncFolder(places.root)
  await disk.rename(file, path)
  await disk.syncFolder(dirname(path))
}

/** Makes a link; false where the system says no for this reason. */
async function linkedUnless(code: 'EEXIST' | 'ENOENT', from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (systemCode(error) === code) return false
    throw error
  }
}
