import { randomUUID } from 'node:crypto'
import { link } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Disk } from '../journal/disk.ts'
import { systemCode } from '../observe/error.ts'
import { maxHeaderBytes, noPrevious } from '../pack/header.ts'
import { toHex } from '../pack/sha256.ts'
import { packFileName, type PackName } from '../transfer/destination.ts'
import { claimedIn } from './claim.ts'
import type { FolderLogs } from './folder-log.ts'
import type { FolderPlaces } from './folder-store.ts'
import { Refusal } from './refusal.ts'

/** Where commits happen. */
export interface CommitPlace {
  readonly places: FolderPlaces
  readonly disk: Disk
  readonly logs: FolderLogs
}

export interface CommitOptions extends CommitPlace {
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
  while (!await linkedUnless('EEXIST', copy, claim)) {
    if (await finishClaim(claim, name.device, options) === 'unfit') await disk.remove(claim)
  }
  try {
    await disk.syncFolder(places.claims)
    if (!await isPlaced(options)) await publish(copy, name, options)
  } catch (error) {
    // After any other failure somebody may be about to finish what the claim holds: it stays, and whoever comes next does so.
    if (error instanceof Refusal) await disk.remove(claim)
    throw error
  }
  await disk.remove(claim)
}

/** Whether the pack is in the log already. Throws where it is not and may not come next. */
async function isPlaced({ places, disk, logs, name, follows }: CommitOptions): Promise<boolean> {
  const { head } = await logs.ends(name.device)
  if (await disk.size(join(places.root, name.device, packFileName(name))) !== undefined) return true
  follows(head)
  return false
}

/**
 * Finishes the commit of whoever holds a claim, if its pack fits the log, and frees the claim. Its owner, should it live, finds
 * that done. Returns the pack; a claim that does not fit stays.
 */
export async function finishClaim(claim: string, device: string, place: CommitPlace): Promise<PackName | 'gone' | 'unfit'> {
  const { places, disk, logs } = place
  const held = join(places.work, randomUUID())
  // Under a name of our own it stays this pack, whoever claims the seq meanwhile.
  if (!await linkedUnless('ENOENT', claim, held)) return 'gone'
  try {
    const header = new Uint8Array(maxHeaderBytes)
    await using file = await disk.open(held, 'r')
    const found = claimedIn(header.subarray(0, await file.read(header, 0)))
    const { head } = await logs.ends(device)
    const fits = found?.name.device === device && found.name.seq === (head?.seq ?? 0) + 1
      && found.previous === (head?.hash ?? toHex(noPrevious))
    if (!fits) return 'unfit'
    await publish(held, found.name, place)
    await disk.remove(claim)
    return found.name
  } finally {
    await disk.remove(held)
  }
}

async function publish(file: string, name: PackName, { places, disk, logs }: CommitPlace): Promise<void> {
  const path = join(places.root, name.device, packFileName(name))
  await disk.makeFolder(dirname(path))
  await disk.syncFolder(places.root)
  try {
    await disk.rename(file, path)
  } finally {
    logs.changed(name.device)
  }
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
