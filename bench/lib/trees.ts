import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import sharp from 'sharp'

/** Regular files below `root` as paths relative to it, sorted; none when there is no such folder. */
export async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath, entry.name))).sort()
}

/** Sum of the sizes of all regular files below `root`. */
export async function bytesBelow(root: string): Promise<number> {
  let total = 0
  for (const path of await filesBelow(root)) total += (await lstat(join(root, path))).size
  return total
}

export interface TreeDifference {
  /** One line a file: missing, unexpected, or of other content. */
  readonly content: readonly string[]
  /** Files whose permission bits or modification time (to the microsecond) differ. */
  readonly metadata: readonly string[]
}

/** Compares all regular files of two folders, in their content by `isSame`. */
export async function compareTrees(
  expected: string, actual: string, isSame: (a: string, b: string) => Promise<boolean> = sameBytes,
): Promise<TreeDifference> {
  const [wanted, found] = [new Set(await filesBelow(expected)), new Set(await filesBelow(actual))]
  const content = [
    ...[...wanted].filter((path) => !found.has(path)).map((path) => `missing: ${path}`),
    ...[...found].filter((path) => !wanted.has(path)).map((path) => `unexpected: ${path}`),
  ]
  const metadata: string[] = []
  for (const path of [...wanted].filter((each) => found.has(each))) {
    const [a, b] = [join(expected, path), join(actual, path)]
    if (!await isSame(a, b)) content.push(`differs: ${path}`)
    const [aFacts, bFacts] = [await lstat(a, { bigint: true }), await lstat(b, { bigint: true })]
    if ((aFacts.mode & 0o7777n) !== (bFacts.mode & 0o7777n)) metadata.push(`mode: ${path}`)
    if (aFacts.mtimeNs / 1000n !== bFacts.mtimeNs / 1000n) metadata.push(`mtime: ${path}`)
  }
  return { content, metadata }
}

/** Byte for byte, by SHA-256. */
export async function sameBytes(a: string, b: string): Promise<boolean> {
  return await hashFile(a) === await hashFile(b)
}

/** Whether two pictures have the same size, channels, depth and pixels, as sharp reads them. */
export async function samePixels(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([a, b].map(async (path) => ({
    metadata: await sharp(path).metadata(), pixels: await sharp(path).raw().toBuffer(),
  })))
  if (!first || !second || !first.pixels.equals(second.pixels)) return false
  return (['width', 'height', 'channels', 'depth', 'space', 'hasAlpha'] as const).every((key) => first.metadata[key] === second.metadata[key])
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}
