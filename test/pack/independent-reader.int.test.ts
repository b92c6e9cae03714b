import { execFileSync, spawnSync } from 'node:child_process'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { codecIds } from '../../src/compress/codec.ts'
import { frameBytes } from '../../src/compress/frames/canonical.ts'
import { readPng } from '../../src/compress/frames/png.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { chunkerStart } from '../../src/pack/chunker.ts'
import { readPack } from '../../src/pack/read-pack.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { changePixels, chunkOf, drawPixels, forms, makePng } from '../compress/frames/make-png.ts'
import { generateLines } from '../compress/json-lines/generate.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { addPicture, addSegment, bodyOf, device, emptyManifest, lines, LogMaker, noise, streamOf } from './make-log.ts'
import { Random } from './mutate.ts'

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

/** Small screens of every form at every effort, natural pictures among them, and logs of generated lines, in many packs. */
async function writeCodedLog(root: string): Promise<{ pictures: Map<string, Buffer>; logs: Map<string, Buffer>; flags: Set<number> }> {
  const log = new LogMaker({ destination: folderDestination(pathToFileURL(root).href, realDisk), level: 6 })
  const random = new Random(20_261_123)
  const pictures = new Map<string, Buffer>()
  /** First bytes of the frames' codes: how each was coded. */
  const flags = new Set<number>()
  for (const [index, form] of [...forms, ...forms.slice(5, 6)].entries()) {
    const stream = streamOf(`screens-${index}`, 'whole', { fidelity: 'pixels' })
    const isLarge = index === forms.length
    const shape = { ...form, width: (isLarge ? 300 : 70) + random.below(100), height: (isLarge ? 120 : 20) + random.below(40) }
    let pixels = drawPixels(random, shape)
    for (let count = 0; count < 5; count++) {
      const png = makePng(shape, pixels, () => random.below(5), [chunkOf('tEXt', Buffer.from(`Author\0${count >> 1}`))])
      const [path, effort] = [`${count}.png`, isLarge ? 'thorough' : random.pick(['quick', 'normal', 'thorough'] as const)]
      const { name, bytes } = await log.pack('monday', async (builder) => {
        const isFrame = await addPicture(builder, stream, path, png, effort)
        if (!isFrame) await addSegment(builder, stream, { path, id: `${stream.name}/${path}` }, png)
      })
      pictures.set(`${stream.name}/${path}`, png)
      await using source = await log.destination.open(name)
      const { manifest, blockOffsets } = await readPack(source, name, zstdNative)
      if (manifest.blocks[0]?.codec === codecIds.frame) flags.add(bytes[blockOffsets[0]!]!)
      const changes = isLarge ? 8 : 1
      for (let change = 0; change < changes; change++) pixels = changePixels(random, shape, pixels)
      if (count === 2) pixels = drawPixels(random, shape)
    }
  }
  const logs = new Map<string, Buffer>()
  for (let seed = 0; seed < 12; seed++) {
    const stream = streamOf(`lines-${seed}`)
    const bytes = Buffer.from(generateLines(new Random(seed), 300))
    let chunker = chunkerStart
    for (let part = 0; part < 3; part++) {
      const [from, to] = [part, part + 1].map((at) => Math.floor((at * bytes.length) / 3))
      await log.pack('monday', async (builder) => {
        chunker = await addSegment(builder, stream, { path: 'log', id: stream.name, offset: from!, chunker }, bytes.subarray(from, to))
      })
    }
    logs.set(`${stream.name}/log`, bytes)
  }
  return { pictures, logs, flags }
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

  test('rebuilds pictures of every form, pixel for pixel, and JSON lines, byte for byte', async () => {
    const [root, out] = [await temporaryFolder(), await temporaryFolder()]
    const { pictures, logs, flags } = await writeCodedLog(root)
    const report = JSON.parse(execFileSync(python, [program, join(root, device), out], { encoding: 'utf8' })) as Record<string, number>
    expect(report['pictures']).toBeGreaterThan(50)
    expect(report['made']).toBeGreaterThan(10)
    for (const flag of [1, 2, 4]) expect([...flags].some((each) => (each & flag) !== 0), `flag ${flag}`).toBe(true)
    expect(report['columns']).toBeGreaterThan(15)
    for (const [name, png] of pictures) {
      const [restored, original] = [readPng(await readFile(join(out, name))), readPng(png)]
      expect(Buffer.compare(frameBytes(restored!), frameBytes(original!)), name).toBe(0)
    }
    for (const [name, bytes] of logs) expect(Buffer.compare(await readFile(join(out, name)), bytes), name).toBe(0)
  }, 300_000)

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
