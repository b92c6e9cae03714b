import { unitColumns, unitsPerRow, type Picture } from './picture.ts'

/** What a unit of a picture is made from. From `firstSource` on: as in that source. */
export const units = { coded: 0, above: 1, firstSource: 2 } as const
/** Three bits hold every kind of unit. */
export const maxSources = 6

/** Units are copied from this earlier picture, from as many rows further down. */
export interface Source {
  /** Index into the references. */
  readonly reference: number
  readonly rows: number
}

export interface Plan {
  readonly sources: readonly Source[]
  /** The kind of each unit, row by row. */
  readonly kinds: Uint8Array
}

export interface SearchLimits {
  /** Different pictures that may be copied from. */
  readonly references: number
}

/** A further source costs bytes and time of its own: it must replace so many coded units. */
const leastUnits = 24
/** Pictures searched for moved content when it is open which are used: those that have most in common. */
const movedCandidates = 3

/** A hash of each unit, row by row. Units that look alike are told apart by whoever proves the round trip. */
export function fingerprint(picture: Pick<Picture, 'columns' | 'height' | 'pixels'>): Uint32Array {
  const { columns, height, pixels } = picture
  const hashes = new Uint32Array(unitsPerRow(picture) * height)
  let unit = 0
  for (let row = 0; row < height; row++) {
    const end = (row + 1) * columns
    for (let from = row * columns; from < end; from += unitColumns) hashes[unit++] = hashUnit(pixels, from, Math.min(from + unitColumns, end))
  }
  return hashes
}

/** Two chains, so that one multiplication need not wait for the other. */
function hashUnit(pixels: Uint32Array, from: number, to: number): number {
  let even = 1
  let odd = 2
  for (let at = from; at + 1 < to; at += 2) {
    even = Math.imul(even ^ (even >>> 15) ^ pixels[at]!, 0x9e3779b1)
    odd = Math.imul(odd ^ (odd >>> 15) ^ pixels[at + 1]!, 0x85ebca6b)
  }
  if ((to - from) % 2 === 1) odd ^= pixels[to - 1]!
  const hash = Math.imul(even ^ (even >>> 16) ^ Math.imul(odd ^ (odd >>> 16), 0x2c1b3c6d), 0x297a2d39)
  return hash ^ (hash >>> 15)
}

/**
 * Decides for each unit where it comes from: greedily, the source first that spares most coded units. Only hashes are
 * compared: at most two for each unit, reference and round.
 */
export function plan(current: Uint32Array, references: readonly Uint32Array[], perRow: number, limits: SearchLimits): Plan {
  const kinds = new Uint8Array(current.length)
  for (let at = perRow; at < current.length; at++) if (current[at] === current[at - perRow]) kinds[at] = units.above
  const sources: Source[] = []
  const used = new Set<number>()
  while (sources.length < maxSources) {
    const open = openUnits(kinds)
    const best = open.length < leastUnits ? undefined : bestSource(current, references, perRow, open, used, used.size < limits.references)
    if (!best || best.units < leastUnits) break
    const { reference, rows } = best.source
    cover(current, references[reference]!, rows * perRow, kinds, units.firstSource + sources.length, sources.length === 0)
    sources.push(best.source)
    used.add(reference)
  }
  return { sources, kinds }
}

interface Found {
  readonly source: Source
  readonly units: number
}

/** Units that are still to be coded. */
function openUnits(kinds: Uint8Array): Int32Array {
  const open = new Int32Array(kinds.length)
  let count = 0
  for (let at = 0; at < kinds.length; at++) if (kinds[at] === units.coded) open[count++] = at
  return open.subarray(0, count)
}

function bestSource(
  current: Uint32Array, references: readonly Uint32Array[], perRow: number, open: Int32Array, used: ReadonlySet<number>, mayUseMore: boolean,
): Found | undefined {
  const inPlace = [...references.keys()].filter((reference) => mayUseMore || used.has(reference))
    .map((reference): Found => ({ source: { reference, rows: 0 }, units: equalUnits(current, references[reference]!, open) }))
    .sort((a, b) => b.units - a.units)
  const first = inPlace[0]
  // What mostly stays in place needs no search for what moved, until that is covered.
  if (!first || first.units * 2 > open.length) return first
  const likely = mayUseMore ? inPlace.slice(0, movedCandidates).map(({ source }) => source.reference) : []
  return [...new Set([...used, ...likely])]
    .map((reference) => bestMove(current, references[reference]!, perRow, open, reference))
    .reduce((best, each) => (each.units > best.units ? each : best), first)
}

function equalUnits(current: Uint32Array, reference: Uint32Array, open: Int32Array): number {
  let count = 0
  for (let index = 0; index < open.length; index++) {
    const at = open[index]!
    if (current[at] === reference[at]) count++
  }
  return count
}

/** log2 of the slots for each column of units; in pictures of more rows than slots some rows are not found. */
const slotBits = 10

/** The shift, in rows, for which most open units are found in the reference. */
function bestMove(current: Uint32Array, reference: Uint32Array, perRow: number, open: Int32Array, index: number): Found {
  const height = current.length / perRow
  const rows = rowsByHash(reference, perRow)
  const votes = new Int32Array(2 * height)
  for (let next = 0; next < open.length; next++) {
    const at = open[next]!
    const row = Math.floor(at / perRow)
    const column = at - row * perRow
    const found = rows[(column << slotBits) + (current[at]! >>> (32 - slotBits))]! - 1
    if (found >= 0 && reference[found * perRow + column] === current[at]) votes[found - row + height]!++
  }
  votes[height] = 0
  const most = votes.reduce((best, count, at) => (count > votes[best]! ? at : best), 0)
  return { source: { reference: index, rows: most - height }, units: votes[most]! }
}

/** For each column and hash the row, plus 1, where it stands in the reference; rows that repeat the one above do not count. */
function rowsByHash(reference: Uint32Array, perRow: number): Int32Array {
  const rows = new Int32Array(perRow << slotBits)
  for (let at = 0, row = 1, column = 0; at < reference.length; at++) {
    const hash = reference[at]!
    if (at < perRow || hash !== reference[at - perRow]) rows[(column << slotBits) + (hash >>> (32 - slotBits))] = row
    if (++column === perRow) {
      column = 0
      row++
    }
  }
  return rows
}

/** Marks what the source has: units not decided yet and, for the first source, also those that repeat the row above. */
function cover(current: Uint32Array, reference: Uint32Array, shift: number, kinds: Uint8Array, kind: number, isFirst: boolean): void {
  const end = Math.min(current.length, reference.length - shift)
  for (let at = Math.max(0, -shift); at < end; at++) {
    if ((kinds[at] === units.coded || (isFirst && kinds[at] === units.above)) && current[at] === reference[at + shift]) kinds[at] = kind
  }
}
