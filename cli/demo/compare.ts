import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { readLog } from '../../src/pack/read-log.ts'
import { restore } from '../../src/pack/restore.ts'
import { openDestination } from '../../src/transfer/open-destination.ts'

/** Rebuilds a device's log into a folder, as `sluice pull` does. Returns how many problems there were. */
export async function rebuildInto(address: string, device: string, out: string): Promise<{ readonly problems: number }> {
  const destination = openDestination(address, realDisk)
  const content = await readLog({ destination, device, zstd: zstdNative, content: false })
  const report = await restore({ content, out, latestOnly: false })
  return { problems: content.problems.length + report.problems.length }
}

/** Compares two folders file by file: how many are equal, and how many differ or are in one of them only. */
export async function compareFolders(left: string, right: string): Promise<{ readonly same: number; readonly different: number }> {
  const [here, there] = await Promise.all([filesIn(left), filesIn(right)])
  const names = new Set([...here, ...there])
  let same = 0
  for (const name of names) {
    if (!here.has(name) || !there.has(name)) continue
    const [a, b] = await Promise.all([readFile(join(left, name)), readFile(join(right, name))])
    if (a.equals(b)) same++
  }
  return { same, different: names.size - same }
}

async function filesIn(folder: string): Promise<Set<string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return new Set(entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name))))
}
