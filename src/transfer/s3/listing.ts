import { inLogOrder } from '../destination-rules.ts'
import { parsePackFileName, type PackName } from '../destination.ts'
import { refused } from '../tus-answer.ts'

/** Some file names of a device's folder, in byte order. */
export interface NamePage {
  readonly names: readonly string[]
  /** Whether there are names behind these. */
  readonly more: boolean
}

/** Asks for at most `most` names that come behind `after` in byte order. */
export type PageSource = (after: string, most: number) => Promise<NamePage>

/** Names asked for at once where any may be the last: a page of a few kilobytes. */
const fewNames = 20
const manyNames = 1000
/** More names than a device's log has in years; without an end, a store could keep Sluice listing, and its memory growing. */
const mostNames = 1_000_000
/** Seqs below it have ten digits and begin with 0, so that the order of bytes is that of the log. */
const plainSeqs = 1_000_000_000

/**
 * Looks at each page of one listing: the name that it was asked to come behind, and the names in it. Throws
 * `destination-refused` when a page goes back, or when there are more than a million names or a thousand pages.
 */
export function watchListing(): (after: string, names: readonly string[]) => void {
  let left = mostNames
  return (after, names) => {
    left -= Math.max(names.length, manyNames)
    if (left < 0) throw refused(`The store goes on listing names after ${mostNames}: no log can be read there.`)
    const [first] = names
    if (after !== '' && first !== undefined && Buffer.compare(Buffer.from(first), Buffer.from(after)) <= 0) {
      throw refused('The store lists names again that came before: no log can be read there.')
    }
  }
}

function watched(page: PageSource): PageSource {
  const watch = watchListing()
  return async (after, most) => {
    const found = await page(after, most)
    watch(after, found.names)
    return found
  }
}

/** The pack with the highest seq behind `after`, by looking at every name from there on. */
async function lastBehind(page: PageSource, device: string, after: string): Promise<PackName | undefined> {
  let last: PackName | undefined
  for (let at = after, more = true; more;) {
    const found = await page(at, fewNames)
    last = [...packsIn(found, device), ...(last ? [last] : [])].sort(inLogOrder).at(-1)
    at = found.names.at(-1) ?? at
    more = found.more && found.names.length > 0 && !isBehindAll(at)
  }
  return last
}

/** The first pack at or behind `seq` in byte order, or undefined when there is none. */
async function firstFrom(page: PageSource, device: string, seq: number): Promise<PackName | undefined> {
  for (let at = before(seq), most = 1, more = true; more; most = manyNames) {
    const found = await page(at, most)
    const [first] = packsIn(found, device)
    if (first) return first
    at = found.names.at(-1) ?? at
    more = found.more && found.names.length > 0 && !isBehindAll(at)
  }
  return undefined
}

/**
 * The last pack of a log in few requests: one for a short log, or where `hint`, a seq that was the last one before,
 * still is about right; else a search for the end, as "is there a name behind this seq" is true up to it and false
 * behind. Steps eight times as long each, then halves: 22 requests for 100,000 packs, some 30 kB.
 */
export async function findHead(source: PageSource, device: string, hint?: number): Promise<PackName | undefined> {
  const page = watched(source)
  const near = await page(hint === undefined ? '' : before(hint), fewNames)
  const [nearest] = packsIn(near, device).slice(-1)
  if (!near.more && (nearest || hint === undefined)) return packsIn(near, device).sort(inLogOrder).at(-1)
  if (!nearest && hint !== undefined) return await findHead(source, device)
  // What is no pack's name may fill the page: then the search begins at the first seq.
  let low = nearest?.seq ?? 0
  let high: number | undefined
  for (let step = 8; high === undefined && low + step < plainSeqs; step *= 8) {
    const found = await firstFrom(page, device, low + step)
    if (found) low = found.seq
    else high = low + step
  }
  for (high ??= plainSeqs; high - low > fewNames;) {
    const middle = Math.floor((low + high) / 2)
    const found = await firstFrom(page, device, middle)
    if (found) low = found.seq
    else high = middle
  }
  return await lastBehind(page, device, before(low))
}

/** Every pack, in the order of the log. */
export async function findAll(source: PageSource, device: string): Promise<PackName[]> {
  const page = watched(source)
  const packs: PackName[] = []
  for (let at = '', more = true; more;) {
    const found = await page(at, manyNames)
    packs.push(...packsIn(found, device))
    at = found.names.at(-1) ?? at
    more = found.more && found.names.length > 0
  }
  return packs.sort(inLogOrder)
}

/** Whether there is any pack. */
export async function hasPacks(source: PageSource, device: string): Promise<boolean> {
  const page = watched(source)
  for (let at = '', more = true; more;) {
    const found = await page(at, fewNames)
    if (packsIn(found, device).length > 0) return true
    at = found.names.at(-1) ?? at
    more = found.more && found.names.length > 0 && !isBehindAll(at)
  }
  return false
}

function packsIn({ names }: NamePage, device: string): PackName[] {
  return names.flatMap((name) => parsePackFileName(device, name) ?? [])
}

/** Comes right before the names of a seq, and behind those of lower ones. */
function before(seq: number): string {
  return seq >= plainSeqs ? '1' : String(seq).padStart(10, '0')
}

/** Whether names of packs, which begin with a digit, all come before this one. */
function isBehindAll(name: string): boolean {
  return name > ':'
}
