import { existsSync, readFileSync } from 'node:fs'
import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { readLog, type LogContent } from '../../src/pack/read-log.ts'
import { restore, type RestoreOptions } from '../../src/pack/restore.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { addSegment, device, lines, LogMaker, noise, streamOf, type SegmentFacts } from './make-log.ts'

const pointer = streamOf('pointer')
const screens = streamOf('screens', 'whole')

type File = SegmentFacts & { readonly bytes: Uint8Array; readonly stream?: typeof pointer }

async function logOf(files: readonly File[]): Promise<LogMaker> {
  const log = new LogMaker({ level: 1 })
  for (const { bytes, stream = pointer, ...facts } of files) await log.pack('monday', (builder) => addSegment(builder, stream, facts, bytes))
  return log
}

const read = (log: LogMaker): Promise<LogContent> => readLog({ destination: log.destination, device, zstd: zstdNative, content: false })

async function restored(log: LogMaker, out: string, options: Partial<RestoreOptions> = {}) {
  return restore({ content: await read(log), out, latestOnly: false, ...options })
}

/** Every file below a folder. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name))).sort()
}

describe('restoring', () => {
  test('files come back with content, names of any bytes, permission bits and times to the microsecond', async () => {
    const out = await temporaryFolder()
    const times = [1_790_000_000_123_456, 1_790_000_000_999_999, 1, 0, -1, -1_000_001, -86_400_000_000_007, 951_782_400_000_001]
    const names = ['plain', 'line\nbreak', '\xff\xfe\x80', 'a b/ü', '-rf', '~', 'deep/er/and/deeper', ' ']
    const files = names.map((name, index) => ({
      path: Buffer.from(name, 'latin1'), id: String(index), bytes: lines(name, 1000 + index), mode: [0o600, 0o755, 0o400][index % 3]!, modifiedUs: times[index]!,
    }))
    const report = await restored(await logOf(files), out)
    expect(report).toMatchObject({ files: names.length, present: 0, older: 0, incomplete: 0, problems: [] })
    for (const { path, bytes, mode, modifiedUs } of files) {
      const place = Buffer.concat([Buffer.from(`${out}/pointer/`), path])
      expect(Buffer.compare(await readFile(place), bytes)).toBe(0)
      const facts = await stat(place, { bigint: true })
      const restNs = Number(facts.mtimeNs - BigInt(modifiedUs) * 1000n)
      expect(restNs >= 0 && restNs < 1000, `${modifiedUs} became ${facts.mtimeNs}`).toBe(true)
      expect(Number(facts.mode & 0o7777n)).toBe(mode)
    }
  })

  test('set-user-id and its like stay behind', async () => {
    const out = await temporaryFolder()
    await restored(await logOf([{ path: 'a', bytes: lines('a', 10), mode: 0o6755 }]), out)
    expect((await stat(join(out, 'pointer/a'))).mode & 0o7777).toBe(0o755)
  })

  test('what is there already is checked and kept, a damaged file and one of another length are written again', async () => {
    const out = await temporaryFolder()
    const log = await logOf(['a', 'b', 'c', 'd'].map((path) => ({ path, bytes: noise(path, 150_000) })))
    await restored(log, out)
    const inode = (await stat(join(out, 'pointer/a'))).ino
    const damaged = readFileSync(join(out, 'pointer/b'))
    damaged[100_000]! ^= 1
    await writeFile(join(out, 'pointer/b'), damaged)
    await writeFile(join(out, 'pointer/c'), 'short')
    await chmod(join(out, 'pointer/a'), 0o600)
    await utimes(join(out, 'pointer/a'), 5, 5)
    expect(await restored(log, out)).toMatchObject({ files: 4, present: 2, problems: [] })
    for (const path of ['a', 'b', 'c', 'd']) expect(Buffer.compare(await readFile(join(out, 'pointer', path)), noise(path, 150_000))).toBe(0)
    const facts = await stat(join(out, 'pointer/a'))
    expect([facts.ino, facts.mode, Math.floor(facts.mtimeMs * 1000)]).toEqual([inode, 0o100644, 1_790_000_000_123_456])
  })

  test('a link in the folder is not followed: a file link is replaced, a folder link refused', async () => {
    const [out, elsewhere] = [await temporaryFolder(), await temporaryFolder()]
    await mkdir(join(out, 'pointer'))
    await writeFile(join(elsewhere, 'victim'), lines('a', 100))
    await symlink(join(elsewhere, 'victim'), join(out, 'pointer/a'))
    await restored(await logOf([{ path: 'a', bytes: lines('b', 100) }]), out)
    expect((await lstat(join(out, 'pointer/a'))).isFile()).toBe(true)
    expect(await readFile(join(elsewhere, 'victim'))).toEqual(lines('a', 100))
    await symlink(elsewhere, join(out, 'pointer/folder'))
    await expect(restored(await logOf([{ path: 'folder/x', bytes: lines('b', 100) }]), out)).rejects.toMatchObject({ code: 'pull-target' })
    expect(await filesIn(elsewhere)).toEqual(['victim'])
  })

  test('a link to the file of the same content counts as no file', async () => {
    const [out, elsewhere] = [await temporaryFolder(), await temporaryFolder()]
    await mkdir(join(out, 'pointer'))
    await writeFile(join(elsewhere, 'same'), lines('a', 100), { mode: 0o600 })
    await symlink(join(elsewhere, 'same'), join(out, 'pointer/a'))
    expect(await restored(await logOf([{ path: 'a', bytes: lines('a', 100), mode: 0o777 }]), out)).toMatchObject({ present: 0 })
    expect((await stat(join(elsewhere, 'same'))).mode & 0o777).toBe(0o600)
  })

  test('older versions, files in the way of folders and names at the limit all find a place', async () => {
    const out = await temporaryFolder()
    const long = 'x'.repeat(255)
    const log = await logOf([
      { path: 'log', id: '1', bytes: lines('1', 10) }, { path: 'log', id: '2', bytes: lines('2', 10) }, { path: 'log', id: '3', bytes: lines('3', 10) },
      { path: 'way', id: '4', bytes: lines('4', 10) }, { path: 'way/in', id: '5', bytes: lines('5', 10) },
      { path: long, id: '6', bytes: lines('6', 10) }, { path: long, id: '7', bytes: lines('7', 10) },
    ])
    expect(await restored(log, out)).toMatchObject({ files: 7, older: 3, problems: [] })
    expect(await filesIn(join(out, 'pointer'))).toEqual(['log', 'log.~1~', 'log.~2~', 'way.~1~', 'way/in', long, `${'x'.repeat(251)}.~1~`].sort())
    expect(await readFile(join(out, 'pointer/log.~1~'))).toEqual(lines('1', 10))
    expect(await readFile(join(out, 'pointer/log'))).toEqual(lines('3', 10))
  })

  test('no capture file’s name is taken for what is being written', async () => {
    const out = await temporaryFolder()
    const names = ['a.pull~', 'a', '.pull~', 'a.pull~.pull~']
    expect(await restored(await logOf(names.map((path) => ({ path, bytes: lines(path, 50) }))), out)).toMatchObject({ files: 4 })
    for (const path of names) expect(await readFile(join(out, 'pointer', path))).toEqual(lines(path, 50))
  })

  test('a whole file whose end never arrived is counted and left out', async () => {
    const out = await temporaryFolder()
    const log = await logOf([{ path: 'torn', stream: screens, bytes: noise('t', 100), complete: false }, { path: 'good', stream: screens, bytes: noise('g', 100) }])
    expect(await restored(log, out)).toMatchObject({ files: 1, incomplete: 1 })
    expect(await filesIn(out)).toEqual(['screens/good'])
  })

  test('only the latest, only some streams, only since a time: the counts tell of those alone, and names stay', async () => {
    const log = await logOf([
      { path: 'a', id: '1', bytes: lines('1', 10), modifiedUs: 5_000_000 }, { path: 'a', id: '2', bytes: lines('2', 10), modifiedUs: 9_000_000 },
      { path: 'b', stream: screens, bytes: lines('3', 10), modifiedUs: 8_000_000 }, { path: 'c', stream: screens, bytes: lines('4', 10), complete: false },
    ])
    const pulled = async (options: Partial<RestoreOptions>) => {
      const out = await temporaryFolder()
      const { files, older, incomplete } = await restored(log, out, options)
      return [await filesIn(out), files, older, incomplete]
    }
    expect(await pulled({})).toEqual([['pointer/a', 'pointer/a.~1~', 'screens/b'], 3, 1, 1])
    expect(await pulled({ latestOnly: true })).toEqual([['pointer/a', 'screens/b'], 2, 0, 1])
    expect(await pulled({ streams: new Set(['screens']) })).toEqual([['screens/b'], 1, 0, 1])
    expect(await pulled({ streams: new Set(['pointer']) })).toEqual([['pointer/a', 'pointer/a.~1~'], 2, 1, 0])
    expect(await pulled({ since: 8000 })).toEqual([['pointer/a', 'screens/b'], 2, 0, 1])
  })

  test('stopped anywhere, no file under its final name is wrong, nothing temporary is left, and the next run completes it', async () => {
    const files = ['a', 'b', 'c'].map((path) => ({ path, bytes: noise(path, 400_000) }))
    const log = await logOf(files)
    for (let stopAt = 1; stopAt < 15; stopAt++) {
      const out = await temporaryFolder()
      const content = await read(log)
      const stop = new AbortController()
      let chunks = 0
      const whole = content.log.content.bind(content.log)
      content.log.content = async function* (segment) {
        for await (const bytes of whole(segment)) {
          if (++chunks === stopAt) stop.abort()
          yield bytes
        }
      }
      await expect(restore({ content, out, latestOnly: false, signal: stop.signal })).rejects.toMatchObject({ code: 'aborted' })
      for (const name of await filesIn(out)) expect(Buffer.compare(await readFile(join(out, name)), noise(name.slice(-1), 400_000))).toBe(0)
      expect(await restored(log, out)).toMatchObject({ files: 3, problems: [] })
      expect(await filesIn(out)).toEqual(['pointer/a', 'pointer/b', 'pointer/c'])
    }
  })

  test('a file with damaged content is named and not written, the others are', async () => {
    const out = await temporaryFolder()
    const log = await logOf(['a', 'b', 'c'].map((path) => ({ path, stream: screens, bytes: noise(path, 100_000) })))
    const content = await readLog({
      destination: { ...log.destination, open: async (name) => {
        const source = await log.destination.open(name)
        // b rots after the log was read: its first block differs when it is asked for by itself.
        return name.seq !== 2 ? source : { ...source, read: async (offset, length) => {
          const bytes = await source.read(offset, length)
          if (offset > 0) bytes[50]! ^= 1
          return bytes
        } }
      } },
      device, zstd: zstdNative, content: false,
    })
    expect(content.problems).toEqual([])
    const report = await restore({ content, out, latestOnly: false })
    expect(report.problems.map(({ code, message }) => `${code}: ${message}`)).toEqual([expect.stringMatching(/^pack-invalid: screens\/b: 0000000002-.*does not match its hash/)])
    expect(await filesIn(out)).toEqual(['screens/a', 'screens/c'])
  })

  test('a folder where a file should be, or a target that is a file, is refused with what to do', async () => {
    const out = await temporaryFolder()
    await mkdir(join(out, 'pointer/a/b'), { recursive: true })
    await expect(restored(await logOf([{ path: 'a', bytes: lines('a', 10) }]), out)).rejects.toMatchObject({ code: 'pull-target' })
    expect(existsSync(join(out, '.pull~'))).toBe(false)
    await writeFile(join(out, 'file'), '')
    await expect(restored(await logOf([]), join(out, 'file'))).rejects.toMatchObject({ code: 'pull-target' })
    if (process.platform === 'linux') await expect(restored(await logOf([]), '/proc/nowhere/out')).rejects.toMatchObject({ code: 'pull-target' })
  })
})
