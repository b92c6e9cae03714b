import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, onTestFinished, test } from 'vitest'
import { drawScreen } from '../../cli/demo/screenshot.ts'
import { simulateSession } from '../../cli/demo/session.ts'
import { codecIds } from '../../src/compress/codec.ts'
import type { FrameShape } from '../../src/compress/frames/frame.ts'
import { readPng, writePng } from '../../src/compress/frames/png.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { findCursors } from '../../src/journal/find-cursors.ts'
import type { ManifestBlock } from '../../src/pack/manifest.ts'
import { readLog } from '../../src/pack/read-log.ts'
import type { ReadPack } from '../../src/pack/read-pack.ts'
import { restore } from '../../src/pack/restore.ts'
import { WorkerPool } from '../../src/workers/pool.ts'
import { inline, type Workers } from '../../src/workers/workers.ts'
import { changePixels, chunkOf, drawPixels, forms, headerOf, makePng, signature } from '../compress/frames/make-png.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { Desk } from './desk.ts'
import { addPicture, addSegment, bodyOf, device, emptyManifest, fakeTake, idOf, LogMaker, noise, streamOf } from './make-log.ts'
import { Random } from './mutate.ts'
import { filesOf, problemsOf, readAll } from './read-content.ts'

const screens = streamOf('screens', 'whole', { fidelity: 'pixels' })
const screen: FrameShape = { width: 320, height: 200, colorType: 2, bitDepth: 8 }
const nothing = new Uint8Array()

const desk = async (options?: ConstructorParameters<typeof Desk>[1]) => new Desk(await temporaryFolder(), options)

/** Screens of somebody at work, each a little different from the last. */
function work(count: number): Buffer[] {
  const session = simulateSession({ seed: 7, seconds: count * 5, startMs: 0 })
  return Array.from({ length: count }, (_, at) => {
    const { width, height, pixels } = drawScreen(session.appStateAt(at * 5000), `12:${String(at).padStart(2, '0')}`)
    return Buffer.from(writePng({ width, height, pixels, colorType: 2, bitDepth: 8, head: nothing, tail: nothing }))
  })
}

/** Pictures of one form, each made of the last one. */
function sequence(seed: number, shape: FrameShape, count: number): Buffer[] {
  const random = new Random(seed)
  let pixels = drawPixels(random, shape)
  return Array.from({ length: count }, () => {
    pixels = changePixels(random, shape, pixels)
    return makePng(shape, pixels, () => random.below(5), [chunkOf('tEXt', Buffer.from('Title\0screen'))])
  })
}

async function expectSamePixels(actual: Uint8Array, expected: Uint8Array): Promise<void> {
  const [a, b] = await Promise.all([actual, expected].map(async (bytes) => ({ facts: await sharp(bytes).metadata(), pixels: await sharp(bytes).raw().toBuffer() })))
  expect(Buffer.compare(a!.pixels, b!.pixels)).toBe(0)
  for (const key of ['width', 'height', 'channels', 'depth', 'space', 'hasAlpha'] as const) expect(a!.facts[key]).toBe(b!.facts[key])
}

const blocksOf = (packs: readonly ReadPack[]): ManifestBlock[] => packs.flatMap(({ manifest }) => manifest.blocks)
const framesOf = (packs: readonly ReadPack[]): ManifestBlock[] => blocksOf(packs).filter(({ codec }) => codec === codecIds.frame)

describe('packing screenshots of a stream with fidelity pixels', () => {
  test('every pixel, size, form and text comes back, as another program reads them, in a fraction of the bytes', async () => {
    const files = work(12)
    const at = await desk()
    await at.pack(files.map((file, index) => fakeTake(screens, `${index}.png`, file)))
    const { packs, files: restored, problems } = await at.send()
    expect(problems).toEqual([])
    const distinct = new Set(files.map((file) => file.toString('latin1'))).size
    expect(framesOf(packs).length).toBe(distinct)
    for (const [index, file] of files.entries()) await expectSamePixels(restored.get(`screens/${index}.png`)!, file)
    const bytes = packs.reduce((sum, { header }) => sum + header.bodyBytes, 0)
    expect(bytes).toBeLessThan(files.reduce((sum, file) => sum + file.length, 0) / 5)
  })

  test.each(forms)('colour type $colorType with $bitDepth bits: the same', async (form) => {
    const at = await desk({ level: 6 })
    const files = sequence(form.colorType * 100 + form.bitDepth, { ...form, width: 150, height: 90 }, 5)
    await at.pack(files.map((file, index) => fakeTake(screens, `${index}.png`, file)))
    const { files: restored, problems } = await at.send()
    expect(problems).toEqual([])
    for (const [index, file] of files.entries()) {
      await expectSamePixels(restored.get(`screens/${index}.png`)!, file)
      expect(readPng(restored.get(`screens/${index}.png`)!)).toEqual(readPng(file))
    }
  })

  test('on other threads they become what they become on this one, and a thread that ends with them costs bytes, not pictures', async () => {
    const files = work(10)
    const names = files.map((_, at) => `${at}.png`)
    const pool = new WorkerPool({ threads: 2, restMs: 60_000 })
    onTestFinished(() => pool[Symbol.asyncDispose]())
    const packed = async (workers: Workers): Promise<ReadPack[]> => {
      const at = await desk({ workers })
      for (const half of [0, 5]) await at.pack(files.slice(half, half + 5).map((file, index) => fakeTake(screens, names[half + index]!, file)))
      const { packs, files: restored, problems } = await at.send()
      expect(problems).toEqual([])
      for (const [index, file] of files.entries()) await expectSamePixels(restored.get(`screens/${names[index]}`)!, file)
      return packs
    }
    const here = await packed(inline)
    expect(blocksOf(await packed(pool))).toEqual(blocksOf(here))
    let frames = 0
    const failing: Workers = {
      width: 2,
      async run(name, input, moved) {
        // The fourth goes down with its pictures: both that it was to be made from are lost.
        const lost = name === 'frame' && ++frames === 4
        return pool.run(lost ? 'what no thread lives through' as typeof name : name, input, moved)
      },
    }
    const kinds = blocksOf(await packed(failing)).map(({ codec }) => codec === codecIds.frame)
    expect(kinds).toEqual(kinds.map((_, index) => index !== 3))
  })

  test('one picture in several files is stored once, however they are compressed, also after its pack was sent', async () => {
    const pixels = drawPixels(new Random(5), screen)
    const files = [0, 1, 4].map((filter) => makePng(screen, pixels, () => filter))
    const at = await desk()
    await at.pack([fakeTake(screens, 'a', files[0]!), fakeTake(screens, 'b', files[1]!)])
    await at.send()
    await at.pack([fakeTake(screens, 'c', files[2]!), fakeTake(screens, 'd', files[0]!)])
    expect(at.journal.unsent().map(({ newBytes, rawBytes }) => [newBytes, rawBytes])).toEqual([[0, files[2]!.length + files[0]!.length]])
    const { packs, files: restored, problems } = await at.send()
    expect([problems, framesOf(packs).length, blocksOf(packs).length]).toEqual([[], 1, 1])
    for (const name of 'abcd') await expectSamePixels(restored.get(`screens/${name}`)!, files[0]!)
  })

  test('what is no picture of this kind comes back byte for byte: broken, cut, interlaced, animated, other formats, noise', async () => {
    const png = makePng(screen, drawPixels(new Random(5), screen), () => 1)
    const broken = Buffer.from(png)
    broken[200]! ^= 1
    const bomb = Buffer.concat([signature, headerOf({ width: 60_000, height: 60_000, colorType: 6, bitDepth: 16 }), chunkOf('IDAT', noise('x', 50)), chunkOf('IEND')])
    const files = {
      broken, cut: png.subarray(0, 500), more: Buffer.concat([png, Buffer.of(0)]), bomb, empty: Buffer.alloc(0), text: Buffer.from('hello'),
      interlaced: Buffer.concat([signature, headerOf(screen, 1), png.subarray(33)]),
      animated: makePng(screen, drawPixels(new Random(5), screen), () => 1, [chunkOf('acTL', Buffer.alloc(8))]),
      jpeg: await sharp(png).jpeg().toBuffer(), webp: await sharp(png).webp({ lossless: true }).toBuffer(), noise: noise('noise', 3_000_000),
    }
    const at = await desk()
    await at.pack(Object.entries(files).map(([name, bytes]) => fakeTake(screens, name, bytes, { bufferBytes: 70_000 })))
    const { packs, files: restored, problems } = await at.send()
    expect([problems, framesOf(packs)]).toEqual([[], []])
    for (const [name, bytes] of Object.entries(files)) expect(Buffer.compare(restored.get(`screens/${name}`)!, bytes), name).toBe(0)
  })

  test('other streams keep every byte', async () => {
    const [file] = work(1)
    const at = await desk()
    const streams = [streamOf('plain', 'whole'), streamOf('growing', 'append', { fidelity: 'pixels' })]
    await at.pack(streams.map((stream) => fakeTake(stream, 'a.png', file!)))
    const { packs, files } = await at.send()
    expect(framesOf(packs)).toEqual([])
    for (const { name } of streams) expect(Buffer.compare(files.get(`${name}/a.png`)!, file!)).toBe(0)
  })

  test('a picture that changed while it was read is not looked into, and told', async () => {
    const [file, other] = work(2)
    const at = await desk()
    await at.pack([fakeTake(screens, 'a', file!, { torn: true }), fakeTake(screens, 'b', other!)])
    expect(at.torn.map(({ path }) => Buffer.from(path).toString())).toEqual(['a'])
    const { packs, files } = await at.send()
    expect([framesOf(packs).length, [...files.keys()]]).toEqual([1, ['screens/b']])
  })

  test('pictures continue those of the packs before them, also after a restart, and begin anew without what it kept', async () => {
    const files = work(9)
    const first = await desk()
    const pack = async (at: Desk, from: number, to: number) => {
      await at.pack(files.slice(from, to).map((file, index) => fakeTake(screens, `${from + index}.png`, file)))
      await at.lineages.save()
    }
    await pack(first, 0, 3)
    const second = new Desk(first.folder)
    await pack(second, 3, 6)
    await writeFile(join(first.folder, 'lineages', 'screens.frames'), 'damaged')
    const third = new Desk(first.folder)
    await pack(third, 6, 9)
    const { packs, files: restored, problems } = await third.send()
    expect(problems).toEqual([])
    const distances = packs.map(({ manifest }) => manifest.blocks.map(({ frameDistances = [] }) => frameDistances.length > 0))
    expect(distances.map(([isContinued]) => isContinued)).toEqual([false, true, false])
    for (const [index, file] of files.entries()) await expectSamePixels(restored.get(`screens/${index}.png`)!, file)
  })

  test('a run of pictures that each continue the last one ends after 32 blocks', async () => {
    const pixels = drawPixels(new Random(2), screen)
    const files = Array.from({ length: 40 }, (_, index) => makePng(screen, pixels.fill(index, 900, 930), () => 1))
    const at = await desk()
    await at.pack(files.map((file, index) => fakeTake(screens, `${index}.png`, file)))
    const { packs, problems } = await at.send()
    expect(problems).toEqual([])
    const alone = framesOf(packs).filter(({ frameDistances = [] }) => frameDistances.length === 0)
    expect(alone.map(({ ordinal }) => ordinal)).toEqual([0, 32])
  })

  test('no picture needs a block 32 back, and what two monitors show is made each from its own', async () => {
    const [left, right] = [sequence(1, screen, 40), sequence(2, { ...screen, width: 400 }, 40)]
    const at = await desk()
    const takes = left.flatMap((file, index) => [fakeTake(screens, `l${index}`, file), fakeTake(screens, `r${index}`, right[index]!)])
    await at.pack(takes)
    const { packs, files, problems } = await at.send()
    expect(problems).toEqual([])
    const starts: number[] = []
    for (const { ordinal, frameDistances = [] } of framesOf(packs)) {
      starts[ordinal] = Math.min(ordinal, ...frameDistances.map((distance) => starts[ordinal - distance]!))
      expect(ordinal - starts[ordinal]).toBeLessThan(32)
    }
    const continued = framesOf(packs).filter(({ frameDistances = [] }) => frameDistances.length > 0)
    expect(continued.length).toBeGreaterThan(framesOf(packs).length * 0.7)
    await expectSamePixels(files.get('screens/r39')!, right[39]!)
  })

  test('a pack that is not sealed leaves no trace in what the next pictures are made from', async () => {
    const files = work(4)
    const at = await desk()
    await at.pack([fakeTake(screens, '0', files[0]!)])
    await expect(at.pack([fakeTake(screens, '1', files[1]!)], { maySeal: () => false })).rejects.toMatchObject({ code: 'aborted' })
    await at.pack([fakeTake(screens, '1', files[1]!), fakeTake(screens, '2', files[2]!)])
    const { packs, files: restored, problems } = await at.send()
    expect([problems, framesOf(packs).map(({ ordinal }) => ordinal)]).toEqual([[], [0, 1, 2]])
    await expectSamePixels(restored.get('screens/2')!, files[2]!)
  })
})

describe('restoring screenshots', () => {
  test('what holds the same picture is kept, whatever its bytes, another picture is replaced, and times are set', async () => {
    const pictures = sequence(3, screen, 3)
    const log = new LogMaker()
    for (const [index, file] of pictures.entries()) await log.pack('monday', (builder) => addPicture(builder, screens, `${index}.png`, file))
    const out = await temporaryFolder()
    const place = (index: number) => join(out, 'screens', `${index}.png`)
    await mkdir(dirname(place(0)))
    const same = await sharp(pictures[0]).png({ compressionLevel: 9 }).toBuffer()
    await writeFile(place(0), pictures[0]!)
    await writeFile(place(1), pictures[2]!)
    await writeFile(place(2), same)
    const content = () => readLog({ destination: log.destination, device, zstd: zstdNative, content: false })
    expect(await restore({ content: await content(), out, latestOnly: false })).toMatchObject({ files: 3, present: 1, problems: [] })
    expect(Buffer.compare(await readFile(place(0)), pictures[0]!)).toBe(0)
    for (const [index, file] of pictures.entries()) await expectSamePixels(await readFile(place(index)), file)
    expect(await restore({ content: await content(), out, latestOnly: false })).toMatchObject({ files: 3, present: 3, problems: [] })
  })

  test('after the journal was lost a file gets its cursor back when it holds the picture that was packed, and only then', async () => {
    const folder = await temporaryFolder()
    const [file, other] = sequence(3, screen, 2)
    const stream = { ...screens, folder }
    const log = new LogMaker()
    await log.pack('monday', (builder) => addPicture(builder, stream, 'a.png', file!))
    const { versions } = await readLog({ destination: log.destination, device, zstd: zstdNative, content: false })
    const cursors = async (bytes: Uint8Array) => {
      await writeFile(join(folder, 'a.png'), bytes)
      return [...findCursors([stream], versions.newestFirst()).keys()]
    }
    expect(await cursors(file!)).toMatchObject([{ offset: file!.length, complete: true }])
    expect(await cursors(other!)).toEqual([])
    expect(await cursors(file!.subarray(0, -1))).toEqual([])
  })
})

describe('a reader of frames refuses', () => {
  const raw = Buffer.from('not a frame')
  const streams = [{ name: 'screens', purpose: '', files: 'whole', fidelity: 'pixels' }] as const
  const chunk = { hash: noise('frame', 32), bytes: 5000 }
  const block = (ordinal: number, rest: Partial<ManifestBlock> = {}): ManifestBlock => ({
    stream: 0, ordinal, referenceDistance: 0, codec: codecIds.frame, storedBytes: raw.length, chunks: [chunk], frameDistances: [], ...rest,
  })
  const problemsWith = async (...blocks: ManifestBlock[]): Promise<string[]> => {
    const log = new LogMaker()
    await log.append(await bodyOf({ ...emptyManifest, streams, blocks }, blocks.map(() => raw)))
    return problemsOf(await readAll(log.destination))
  }

  test('what is no code, what is made from no frame, from too far back, from too large a one; a block that continues a frame', async () => {
    expect(await problemsWith(block(0))).toEqual([expect.stringContaining('pack-invalid')])
    expect((await problemsWith(block(1, { frameDistances: [1] })))[0]).toContain('is made from a frame that no earlier pack')
    expect((await problemsWith(block(0), block(1, { codec: codecIds.zstd, referenceDistance: 1, chunks: [{ ...chunk, bytes: 9 }] })))[0]).toContain('continues a frame')
    const large = { ...chunk, bytes: 40 << 20 }
    const far = [block(0, { chunks: [large] }), block(1), block(2, { chunks: [large], frameDistances: [2] })]
    expect((await problemsWith(...far))[0]).toContain('is made from a frame too far back')
    const run = Array.from({ length: 33 }, (_, ordinal) => block(ordinal, { frameDistances: ordinal > 0 ? [1] : [] }))
    expect((await problemsWith(...run))[0]).toContain('is made from a frame too far back')
  })

  test('a frame of another size than it said, before others are made from it', async () => {
    const log = new LogMaker()
    await log.pack('monday', (builder) => addPicture(builder, screens, 'a', sequence(3, screen, 1)[0]!))
    const { pack } = await (async () => {
      const found: ReadPack[] = []
      await readLog({ destination: log.destination, device, zstd: zstdNative, content: false, onPack: ({ pack: each }) => void (each && found.push(each)) })
      return { pack: found[0]! }
    })()
    const stored = log.packs[0]!.bytes.subarray(pack.blockOffsets[0], pack.blockOffsets[0]! + pack.manifest.blocks[0]!.storedBytes)
    const lie = new LogMaker()
    const blocks = [{ ...pack.manifest.blocks[0]!, chunks: [{ ...pack.manifest.blocks[0]!.chunks[0]!, bytes: 100 }] }]
    await lie.append(await bodyOf({ ...emptyManifest, streams, blocks }, [stored]))
    expect(problemsOf(await readAll(lie.destination))).toEqual([expect.stringContaining('the frame has another size')])
  })

  test('a file that is said to be a frame, and is none', async () => {
    const log = new LogMaker()
    await log.pack('monday', (builder) => addSegment(builder, screens, { path: 'a' }, raw))
    const found: ReadPack[] = []
    await readLog({ destination: log.destination, device, zstd: zstdNative, content: false, onPack: ({ pack }) => void (pack && found.push(pack)) })
    const lie = new LogMaker()
    const entries = found[0]!.manifest.entries.map((entry) => ({ ...entry, isFrame: true, fileId: idOf('b') }))
    await lie.append(await bodyOf({ ...found[0]!.manifest, entries }, [raw]))
    const content = await readAll(lie.destination)
    expect(problemsOf(content)).toEqual([expect.stringContaining('said to be a frame')])
    await expect(filesOf(content)).rejects.toMatchObject({ code: 'pack-invalid' })
  })
})
