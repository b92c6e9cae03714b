import { execFileSync, spawnSync } from 'node:child_process'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { realDisk } from '../../src/journal/real-disk.ts'
import { chunkerStart } from '../../src/pack/chunker.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { addSegment, bodyOf, device, emptyManifest, lines, LogMaker, noise, streamOf } from './make-log.ts'

const python = '/usr/bin/python3'
const program = join(import.meta.dirname, 'independent_reader.py')
const isMissing = spawnSync(python, ['-c', 'import zstandard']).status !== 0

const pointer = streamOf('pointer')
const screens = streamOf('screens', 'whole', { purpose: 'Wofür? 研究' })

/** A log on disk with references, repeats, appends, a rename, a rotation, a torn file, two epochs, an empty pack. */
async function writeLog(root: string): Promise<Map<string, Buffer>> {
  const log = new LogMaker({ destination: folderDestination(pathToFileURL(root).href, realDisk) })
  const [history, shot, other] = [lines('history', 900_000), noise('shot', 600_000), lines('other', 2_500_000)]
  let state = chunkerStart
  for (let part = 0; part < 9; part++) {
    await log.pack('monday', async (builder) => {
      const bytes = history.subarray(part * 100_000, (part + 1) * 100_000)
      state = await addSegment(builder, pointer, { path: part < 5 ? 'log' : 'log.1', id: 'log', offset: part * 100_000, chunker: state }, bytes)
      if (part === 2) await addSegment(builder, screens, { path: 'a/1.png', mode: 0o400, modifiedUs: -1_234_567 }, shot)
      if (part === 4) await addSegment(builder, screens, { path: 'a/2.png' }, Buffer.concat([shot, noise('more', 5)]))
      if (part === 6) await addSegment(builder, pointer, { path: 'log', id: 'next' }, lines('next', 5000))
      if (part === 6) await addSegment(builder, screens, { path: 'torn', complete: false }, shot.subarray(0, 1000))
    })
  }
  await log.append(await bodyOf({ ...emptyManifest, epoch: Buffer.alloc(8), sealNumber: 10 }, []))
  await log.pack('tuesday', async (builder) => {
    await addSegment(builder, screens, { path: Buffer.from([0x6e, 0xff, 0x0a, 0x78]) }, other)
    await addSegment(builder, screens, { path: 'a/1.png', id: 'new' }, shot)
    await addSegment(builder, pointer, { path: 'empty' }, Buffer.alloc(0))
  })
  await log.pack('tuesday', (builder) => addSegment(builder, pointer, { path: 'log.1', id: 'log', offset: 900_000, chunker: state }, Buffer.alloc(0)))
  return new Map([
    ['pointer/log.1', history], ['pointer/log', lines('next', 5000)], ['pointer/empty', Buffer.alloc(0)],
    ['screens/a/1.png', shot], ['.older/1/screens/a/1.png', shot], ['screens/a/2.png', Buffer.concat([shot, noise('more', 5)])],
    ['screens/n\xff\nx', other],
  ])
}

describe.skipIf(isMissing)('a reader in Python written from docs/format.md (needs Debian’s python3-zstandard)', () => {
  test('rebuilds every file of a log, byte for byte', async () => {
    const [root, out] = [await temporaryFolder(), await temporaryFolder()]
    const files = await writeLog(root)
    const report = JSON.parse(execFileSync(python, [program, join(root, device), out], { encoding: 'utf8' })) as Record<string, number>
    expect(report).toMatchObject({ packs: 12, files: 8, torn: 1 })
    expect(report['continued']).toBeGreaterThan(8)
    expect(report['external']).toBeGreaterThan(5)
    for (const [name, bytes] of files) {
      const place = Buffer.concat([Buffer.from(`${out}/`), Buffer.from(name, 'latin1')])
      expect(Buffer.compare(await readFile(place), bytes), name).toBe(0)
    }
    const count = execFileSync('find', [out, '-type', 'f', '-printf', '.'], { encoding: 'utf8' }).length
    expect(count).toBe(files.size)
    const old = await stat(join(out, '.older/1/screens/a/1.png'), { bigint: true })
    expect([Number(old.mode) & 0o7777, old.mtimeNs]).toEqual([0o400, -1_234_567_000n])
  })

  test('refuses the log when any pack of it is changed', async () => {
    const root = await temporaryFolder()
    await writeLog(root)
    for (const name of await readdir(join(root, device))) {
      const path = join(root, device, name)
      const bytes = await readFile(path)
      const changed = Buffer.from(bytes)
      changed[bytes.length >> 1]! ^= 1
      await writeFile(path, changed)
      const result = spawnSync(python, [program, join(root, device), await temporaryFolder()], { encoding: 'utf8' })
      expect(result.stderr).toContain('Refused')
      await writeFile(path, bytes)
    }
  })
})
