import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codecIds, maxReferenceBytes } from '../../src/compress/codec.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { zstdPortable } from '../../src/compress/zstd-portable.ts'
import { chunkerStart, type ChunkerState } from '../../src/pack/chunker.ts'
import { DeviceLog } from '../../src/pack/device-log.ts'
import { extend, maxLineageDepth } from '../../src/pack/lineage.ts'
import { readPack, type ReadPack } from '../../src/pack/read-pack.ts'
import { sha256, toHex } from '../../src/pack/sha256.ts'
import { addSegment, bodyOf, emptyManifest, lines, LogMaker, noise, streamOf } from './make-log.ts'
import { filesOf, problemsOf, readAll } from './read-content.ts'

const pointer = streamOf('pointer')
const screens = streamOf('screens', 'whole')
const mail = streamOf('mail', 'whole', { purpose: 'Wofür? 研究' })

async function packsOf(log: LogMaker): Promise<ReadPack[]> {
  return Promise.all(log.names.map(async (name) => readPack(await log.destination.open(name), name, zstdNative)))
}

const blocksOf = async (log: LogMaker) => (await packsOf(log)).flatMap(({ manifest }) => manifest.blocks)

/** A log with all that a log can have: streams, appends, repeats within and across packs and streams, epochs. */
async function fullLog(options: ConstructorParameters<typeof LogMaker>[0] = {}) {
  const log = new LogMaker(options)
  const [long, shot, letter] = [lines('pointer', 700_000), noise('shot', 400_000), lines('letter', 90_000)]
  let state: ChunkerState = chunkerStart
  await log.pack('monday', async (builder) => {
    state = await addSegment(builder, pointer, { path: 'a.jsonl' }, long.subarray(0, 300_000))
    await addSegment(builder, screens, { path: 'shots/1.png' }, shot)
    await addSegment(builder, screens, { path: 'shots/2.png' }, shot)
  })
  await log.pack('monday', async (builder) => {
    await addSegment(builder, mail, { path: 'letter' }, letter)
    await addSegment(builder, mail, { path: 'attached.png' }, shot)
    await addSegment(builder, pointer, { path: 'a.jsonl', offset: 300_000, chunker: state }, long.subarray(300_000))
  })
  await log.pack('monday', (builder) => addSegment(builder, mail, { path: 'empty' }, Buffer.alloc(0)))
  await log.pack('tuesday', (builder) => addSegment(builder, screens, { path: 'shots/3.png' }, shot))
  const files = new Map<string, Buffer>([
    ['pointer/a.jsonl', long], ['screens/shots/1.png', shot], ['screens/shots/2.png', shot], ['mail/letter', letter],
    ['mail/attached.png', shot], ['mail/empty', Buffer.alloc(0)], ['screens/shots/3.png', shot],
  ])
  return { log, files }
}

async function expectFiles(log: LogMaker, files: ReadonlyMap<string, Buffer>, zstd = zstdNative): Promise<void> {
  const content = await readAll(log.destination, zstd)
  expect(problemsOf(content)).toEqual([])
  const found = await filesOf(content)
  expect([...found.keys()].sort()).toEqual([...files.keys()].sort())
  for (const [name, bytes] of files) expect(Buffer.compare(found.get(name) ?? Buffer.of(0), bytes), name).toBe(0)
}

describe('what is built is read', () => {
  test.each([
    ['native', 'native', zstdNative, zstdNative], ['native', 'portable', zstdNative, zstdPortable()],
    ['portable', 'native', zstdPortable(), zstdNative], ['portable', 'portable', zstdPortable(), zstdPortable()],
  ] as const)('written by the %s codec, read by the %s one: every file, from packs, streams and epochs', async (_, __, writer, reader) => {
    const { log, files } = await fullLog({ zstd: writer })
    await expectFiles(log, files, reader)
  })

  test('each chunk is stored once in an epoch, whatever file, pack or stream it comes in again, and anew in the next epoch', async () => {
    const { log } = await fullLog()
    const packs = await packsOf(log)
    const stored = (from: ReadPack[]) => from.flatMap(({ manifest }) => manifest.blocks.flatMap(({ chunks }) => chunks.map(({ hash }) => toHex(hash))))
    const [monday, tuesday] = [stored(packs.slice(0, 3)), stored(packs.slice(3))]
    expect(new Set(monday).size).toBe(monday.length)
    expect(new Set(tuesday).size).toBe(tuesday.length)
    expect(tuesday.every((hash) => monday.includes(hash))).toBe(true)
    expect(packs[1]?.manifest.external.length).toBe(tuesday.length)
    expect(packs[3]?.manifest.external).toEqual([])
    expect(log.built.map(({ rawBytes, newBytes }) => rawBytes - newBytes)).toEqual([400_000, 400_000, 0, 0])
  })

  test('a dropped file leaves no entry, and its chunks serve the next one with the same content', async () => {
    const log = new LogMaker()
    const shot = noise('torn', 200_000)
    await log.pack('monday', async (builder) => {
      builder.beginEntry(screens, { path: Buffer.from('torn'), fileId: new Uint8Array(8), mode: 0, modifiedUs: 0, offset: 0 })
      await builder.addChunk(screens, shot.subarray(0, 100_000), sha256(shot.subarray(0, 100_000)))
      builder.dropEntry()
    })
    await log.pack('monday', async (builder) => {
      builder.beginEntry(screens, { path: Buffer.from('right'), fileId: new Uint8Array(8), mode: 0, modifiedUs: 0, offset: 0 })
      await builder.addChunk(screens, shot.subarray(0, 100_000), sha256(shot.subarray(0, 100_000)))
      builder.endEntry(true)
    })
    expect(log.built[1]?.newBytes).toBe(0)
    await expectFiles(log, new Map([['screens/right', shot.subarray(0, 100_000)]]))
  })

  test('small packs that continue each other cost about what one large one does', async () => {
    const size = 40_000
    const all = lines('many', 20 * size)
    const [one, many] = [new LogMaker(), new LogMaker()]
    await one.pack('monday', (builder) => addSegment(builder, pointer, { path: 'a' }, all))
    for (let part = 0; part < 20; part++) {
      await many.pack('monday', (builder) => addSegment(builder, pointer, { path: String(part) }, all.subarray(part * size, (part + 1) * size)))
    }
    const stored = async (log: LogMaker) => (await blocksOf(log)).reduce((sum, { storedBytes }) => sum + storedBytes, 0)
    expect(await stored(many)).toBeLessThan(1.5 * await stored(one))
    expect((await blocksOf(many)).map(({ referenceDistance }) => referenceDistance)).toEqual([0, ...Array<number>(19).fill(1)])
  })

  test('any sequence of appends over any cuts into packs gives the files back', async () => {
    const append = fc.record({ file: fc.nat(2), sizeBytes: fc.constantFrom(0, 1, 100, 20_000, 150_000), kind: fc.constantFrom('noise', 'lines'), seed: fc.nat(3) })
    await fc.assert(fc.asyncProperty(fc.array(fc.array(append, { maxLength: 4 }), { maxLength: 6 }), fc.nat(5), async (packs, epochAt) => {
      const log = new LogMaker({ level: 1 })
      const files = new Map<string, { bytes: Buffer; state: ChunkerState }>()
      for (const [number, appends] of packs.entries()) {
        await log.pack(number < epochAt ? 'monday' : 'tuesday', async (builder) => {
          for (const { file, sizeBytes, kind, seed } of appends) {
            const stream = file === 0 ? pointer : streamOf('other')
            const name = `${stream.name}/${file}`
            const known = files.get(name) ?? { bytes: Buffer.alloc(0), state: chunkerStart }
            const added = (kind === 'noise' ? noise : lines)(String(seed), sizeBytes)
            const facts = { path: String(file), offset: known.bytes.length, chunker: known.state }
            files.set(name, { bytes: Buffer.concat([known.bytes, added]), state: await addSegment(builder, stream, facts, added) })
          }
        })
      }
      await expectFiles(log, new Map([...files].map(([name, { bytes }]) => [name, bytes])))
    }), { numRuns: 40 })
  })

  test('an empty pack is part of the log', async () => {
    const log = new LogMaker()
    await log.append(await bodyOf(emptyManifest, []))
    await log.pack('monday', (builder) => addSegment(builder, pointer, { path: 'a' }, lines('a', 10)))
    await expectFiles(log, new Map([['pointer/a', lines('a', 10)]]))
  })

  test('what is kept of a pack does not keep its bytes in memory', async () => {
    const { log } = await fullLog()
    for (const { header, manifest } of [...await packsOf(log), ...await packsOf(await smallRawLog())]) {
      expect(header.previous.buffer.byteLength).toBeLessThanOrEqual(Buffer.poolSize)
      expect(manifest.epoch.buffer.byteLength).toBeLessThanOrEqual(Buffer.poolSize)
    }
  })
})

/** A log whose manifest does not compress and whose pack is large. */
async function smallRawLog(): Promise<LogMaker> {
  const log = new LogMaker()
  await log.pack('monday', (builder) => addSegment(builder, screens, { path: 'a' }, noise('a', 100_000)))
  return log
}

describe('chains of blocks', () => {
  test('lineage: the last 2 MiB of what a block continues and of itself', () => {
    const history = Buffer.concat(Array.from({ length: 5 }, (_, index) => noise(String(index), 700_000 + index)))
    let content: Uint8Array | undefined
    for (let at = 0; at < history.length; at += 500_000) {
      content = extend(content, history.subarray(at, at + 500_000))
      const end = Math.min(at + 500_000, history.length)
      expect(Buffer.compare(content, history.subarray(Math.max(0, end - maxReferenceBytes), end))).toBe(0)
    }
    for (const before of [undefined, history]) expect(extend(before, Buffer.alloc(maxReferenceBytes + 1)).length).toBe(maxReferenceBytes)
  })

  test('the writer begins anew behind 512 steps, and the reader follows 512', async () => {
    const log = new LogMaker({ level: 1 })
    const files = new Map<string, Buffer>()
    for (let part = 0; part < maxLineageDepth + 4; part++) {
      files.set(`pointer/${part}`, lines(String(part), 300))
      await log.pack('monday', (builder) => addSegment(builder, pointer, { path: String(part) }, lines(String(part), 300)))
    }
    const distances = (await blocksOf(log)).map(({ referenceDistance }) => referenceDistance)
    expect(distances).toEqual([0, ...Array<number>(maxLineageDepth).fill(1), 0, 1, 1])
    await expectFiles(log, files)
  })

  test('the reader refuses a chain of 513 steps', async () => {
    const log = new LogMaker()
    const chunks = Array.from({ length: maxLineageDepth + 2 }, (_, ordinal) => Buffer.from(`block ${ordinal}`))
    const blocks = chunks.map((raw, ordinal) => ({
      stream: 0, ordinal, referenceDistance: ordinal === 0 ? 0 : 1, codec: codecIds.raw, storedBytes: raw.length,
      chunks: [{ hash: sha256(raw), bytes: raw.length }],
    }))
    const streams = [{ name: 'pointer', purpose: '', files: 'append', fidelity: 'bytes' }] as const
    await log.append(await bodyOf({ ...emptyManifest, streams, blocks }, chunks))
    expect(problemsOf(await readAll(log.destination))).toEqual([expect.stringMatching(/^1: pack-invalid: .*chain that is too long/)])
  })

  test('a lineage that looks like a trained dictionary is plain content, for both codecs', async () => {
    const first = Buffer.concat([Buffer.from('37a430ec', 'hex'), lines('first', 5000)])
    for (const [writer, reader] of [[zstdNative, zstdPortable()], [zstdPortable(), zstdNative]] as const) {
      const log = new LogMaker({ zstd: writer })
      await log.pack('monday', (builder) => addSegment(builder, pointer, { path: 'a' }, first))
      await log.pack('monday', (builder) => addSegment(builder, pointer, { path: 'b' }, first.subarray(1)))
      await expectFiles(log, new Map([['pointer/a', first], ['pointer/b', first.subarray(1)]]), reader)
      expect((await blocksOf(log))[1]?.storedBytes).toBeLessThan(100)
    }
  })

  test('reading one late block decodes what it continues once, not again for each step', async () => {
    const log = new LogMaker({ level: 1 })
    for (let part = 0; part <= 40; part++) {
      await log.pack('monday', (builder) => addSegment(builder, pointer, { path: String(part) }, lines(String(part), 2000)))
    }
    let decoded = 0
    const counting = { ...zstdNative, decompress: (...args: Parameters<typeof zstdNative.decompress>) => (decoded++, zstdNative.decompress(...args)) }
    const reader = new DeviceLog((name) => log.destination.open(name), counting)
    const segments = []
    for (const name of log.names) segments.push(...(await reader.add(name)).segments)
    decoded = 0
    for await (const bytes of reader.content(segments.at(-1)!)) expect(Buffer.compare(bytes, lines('40', 2000))).toBe(0)
    expect(decoded).toBe(41)
  })
})
