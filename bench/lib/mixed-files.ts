import { closeSync, copyFileSync, mkdirSync, openSync, readSync, truncateSync, writeSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { incompressible, jsonLines, seededRandom } from './random.ts'
import type { Fill, Random } from './random.ts'

const smallestFileBytes = 200
const largestFileBytes = 400e6
const pieceBytes = 1 << 20

/** How steeply small files outnumber large ones: 0.4 gives about 2,700 files for 2 GiB, most of the bytes in large ones. */
const tailExponent = 0.4

type Kind = 'text' | 'random' | 'binary' | 'copies'
const shares: Record<Kind, number> = { text: 0.4, random: 0.3, binary: 0.2, copies: 0.1 }

interface GeneratedFile {
  readonly path: string
  readonly sizeBytes: number
}

export interface MixedFiles {
  readonly files: readonly GeneratedFile[]
  readonly bytesOf: Readonly<Record<Kind, number>>
}

/**
 * Writes files of `totalBytes` in all below `folder`: 40 % JSON lines, 30 % incompressible, 20 % pieces of this
 * machine's shared libraries, 10 % copies of the others. The same seed on the same machine gives the same files.
 */
export async function generateMixedFiles(folder: string, totalBytes: number, seed = 1): Promise<MixedFiles> {
  const random = seededRandom(seed)
  const fills = { text: jsonLines(seed), random: incompressible(seed), binary: pieces(await libraries(), random) }
  const files: GeneratedFile[] = []
  const bytesOf = { text: 0, random: 0, binary: 0, copies: 0 }
  for (const kind of ['text', 'random', 'binary'] as const) {
    for (const sizeBytes of fileSizes(Math.round(totalBytes * shares[kind]), random)) {
      const path = nextPath(folder, kind, files.length)
      writeFilled(path, sizeBytes, fills[kind])
      files.push({ path, sizeBytes })
      bytesOf[kind] += sizeBytes
    }
  }
  const budget = Math.round(totalBytes * shares.copies)
  const originals = [...files]
  while (bytesOf.copies < budget) {
    const original = originals[Math.floor(random() * originals.length)]
    if (!original) break
    const path = nextPath(folder, 'copies', files.length)
    const sizeBytes = Math.min(original.sizeBytes, budget - bytesOf.copies)
    copyFileSync(original.path, path)
    if (sizeBytes < original.sizeBytes) truncateSync(path, sizeBytes)
    files.push({ path, sizeBytes })
    bytesOf.copies += sizeBytes
  }
  return { files, bytesOf }
}

/** One file, half of it (in turns of 1 MiB) JSON lines and half incompressible; no holes. */
export function generateSingleFile(path: string, sizeBytes: number, seed = 1): void {
  const [text, noise] = [jsonLines(seed), incompressible(seed)]
  let turn = 0
  writeFilled(path, sizeBytes, (target) => { (turn++ % 2 === 0 ? text : noise)(target) })
}

/**
 * Sizes that add up to `budgetBytes`: the largest allowed first, then a truncated Pareto distribution.
 */
function fileSizes(budgetBytes: number, random: Random): number[] {
  const largest = Math.min(largestFileBytes, Math.ceil(budgetBytes / 2))
  const sizes = [largest]
  let left = budgetBytes - largest
  const [low, high] = [smallestFileBytes ** -tailExponent, largest ** -tailExponent]
  while (left > 0) {
    const drawn = Math.round((low - random() * (low - high)) ** (-1 / tailExponent))
    const sizeBytes = Math.min(drawn, left)
    sizes.push(sizeBytes)
    left -= sizeBytes
  }
  return sizes
}

function nextPath(folder: string, kind: Kind, index: number): string {
  const parent = join(folder, kind, String(Math.floor(index / 100)))
  mkdirSync(parent, { recursive: true })
  return join(parent, `${index}.${kind === 'text' ? 'jsonl' : 'bin'}`)
}

function writeFilled(path: string, sizeBytes: number, fill: Fill): void {
  const file = openSync(path, 'wx')
  try {
    const buffer = Buffer.alloc(Math.min(pieceBytes, sizeBytes))
    for (let offset = 0; offset < sizeBytes;) {
      const piece = buffer.subarray(0, Math.min(buffer.length, sizeBytes - offset))
      fill(piece)
      offset += writeSync(file, piece)
    }
  } finally {
    closeSync(file)
  }
}

/** Shared libraries of this machine, in byte order of their paths. */
async function libraries(): Promise<GeneratedFile[]> {
  const root = '/usr/lib'
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((entry) => entry.isFile() && /\.so(\.|$)/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  const sized = await Promise.all(paths.map(async (path) => ({ path, sizeBytes: (await stat(path)).size })))
  const large = sized.filter(({ sizeBytes }) => sizeBytes > 1 << 16)
  if (large.length === 0) throw new Error(`${root} holds no shared library over 64 KiB to cut pieces from`)
  return large
}

/** Pieces of 4 KiB to 1 MiB from random places of random files. */
function pieces(sources: readonly GeneratedFile[], random: Random): Fill {
  return (target) => {
    for (let filled = 0; filled < target.length;) {
      const source = sources[Math.floor(random() * sources.length)]
      if (!source) throw new Error('no file to cut pieces from')
      const length = Math.min(target.length - filled, source.sizeBytes, Math.round(4096 * 256 ** random()))
      const file = openSync(source.path, 'r')
      filled += readSync(file, target, filled, length, Math.floor(random() * (source.sizeBytes - length)))
      closeSync(file)
    }
  }
}
