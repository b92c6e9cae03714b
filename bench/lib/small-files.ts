import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { jsonLines, seededRandom } from './random.ts'

export interface SmallFiles {
  readonly files: number
  readonly folders: number
  readonly leastBytes: number
  readonly mostBytes: number
}

/** Writes small files of JSON lines, dealt out to folders `0`, `1`, …; says how many bytes they come to. */
export function generateSmallFiles(target: string, shape: SmallFiles, seed = 1): number {
  const { files, folders, leastBytes, mostBytes } = shape
  const [random, fill] = [seededRandom(seed), jsonLines(seed)]
  for (let folder = 0; folder < folders; folder++) mkdirSync(join(target, String(folder)), { recursive: true })
  let total = 0
  for (let index = 0; index < files; index++) {
    const bytes = Buffer.alloc(leastBytes + Math.floor(random() * (mostBytes - leastBytes)))
    fill(bytes)
    writeFileSync(join(target, String(index % folders), `${index}.jsonl`), bytes)
    total += bytes.length
  }
  return total
}
