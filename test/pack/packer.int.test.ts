import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Capture } from '../../src/capture/collect.ts'
import type { Stream } from '../../src/capture/stream.ts'
import { chunkerStart } from '../../src/pack/chunker.ts'
import { toHex } from '../../src/pack/sha256.ts'
import { faultDisk } from '../fault-disk.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { fakeTake, idOf, lines, noise, streamOf } from './make-log.ts'
import { Desk } from './desk.ts'

const pointer = streamOf('pointer')
const screens = streamOf('screens', 'whole')

const desk = async (options?: ConstructorParameters<typeof Desk>[1]) => new Desk(await temporaryFolder(), options)

function expectSame(files: ReadonlyMap<string, Buffer>, expected: Record<string, Uint8Array>): void {
  expect([...files.keys()].sort()).toEqual(Object.keys(expected).sort())
  for (const [name, bytes] of Object.entries(expected)) expect(Buffer.compare(files.get(name)!, bytes), name).toBe(0)
}

describe('packing', () => {
  test('a file larger than several packs is sealed inside, at chunk boundaries, each pack with a cursor behind it', async () => {
    const at = await desk({ sealBytes: 600_000 })
    const bytes = noise('big', 2_500_000)
    const offsets: (number | undefined)[] = []
    const take = fakeTake(screens, 'big', bytes, { bufferBytes: 300_000 })
    await at.pack([take], { onSealed: async () => void offsets.push(at.journal.byPath('screens', Buffer.from('big'))?.offset) })
    const { packs, files, problems } = await at.send()
    expect(problems).toEqual([])
    expectSame(files, { 'screens/big': bytes })
    expect(packs.length).toBeGreaterThan(3)
    expect(packs.map(({ manifest }) => manifest.entries.map(({ complete }) => complete))).toEqual([...Array<boolean[]>(packs.length - 1).fill([false]), [true]])
    expect(offsets).toEqual([...packs.slice(1).map(({ manifest }) => manifest.entries[0]!.offset), bytes.length])
    expect(at.readBytes).toBe(bytes.length)
    expect(take.closed).toBe(true)
  })

  test('stopped inside such a file, what was sealed stays, and going on at the cursor stores nothing twice', async () => {
    const at = await desk({ sealBytes: 600_000 })
    const bytes = noise('big', 2_500_000)
    const stop = new AbortController()
    let seals = 0
    await expect(at.pack([fakeTake(pointer, 'big', bytes, { bufferBytes: 100_000 })], {
      signal: stop.signal, onSealed: async () => void (++seals === 2 && stop.abort()),
    })).rejects.toMatchObject({ code: 'aborted' })
    // The third was being sealed when the second was.
    expect(at.journal.unsent().length).toBe(3)
    expect(await at.spooled()).toEqual(at.journal.unsent().map(({ bodyHash }) => `${toHex(bodyHash)}.body`).sort())
    const { offset, chunker } = at.journal.byPath('pointer', Buffer.from('big'))!
    await at.pack([fakeTake(pointer, 'big', bytes.subarray(offset), { startOffset: offset, chunker })])
    const { packs, files, problems } = await at.send()
    expect(problems).toEqual([])
    expectSame(files, { 'pointer/big': bytes })
    expect(packs.flatMap(({ manifest }) => manifest.blocks).flatMap(({ chunks }) => chunks).reduce((sum, chunk) => sum + chunk.bytes, 0)).toBe(bytes.length)
  })

  test('a torn file is dropped and told, the others of the pack are there, and its content is not stored again', async () => {
    const at = await desk()
    const [good, bad] = [noise('good', 200_000), noise('bad', 300_000)]
    await at.pack([fakeTake(screens, 'a', good), fakeTake(screens, 'b', bad, { torn: true }), fakeTake(screens, 'c', good.subarray(0, 999))])
    expect(at.torn.map(({ path }) => Buffer.from(path).toString())).toEqual(['b'])
    expect(at.journal.byPath('screens', Buffer.from('b'))).toBeUndefined()
    const newBytes = () => at.journal.unsent().map((pack) => pack.newBytes)
    expect(newBytes()).toEqual([500_999])
    await at.pack([fakeTake(screens, 'b', bad)])
    expect(newBytes()).toEqual([500_999, 0])
    const { files, problems } = await at.send()
    expect(problems).toEqual([])
    expectSame(files, { 'screens/a': good, 'screens/b': bad, 'screens/c': good.subarray(0, 999) })
  })

  test('a torn file alone leaves a pack without entries, or none when it was empty', async () => {
    const at = await desk()
    await at.pack([fakeTake(screens, 'a', Buffer.alloc(0), { torn: true })])
    expect(at.journal.unsent()).toEqual([])
    expect(await at.spooled()).toEqual([])
    await at.pack([fakeTake(screens, 'a', noise('a', 10), { torn: true })])
    expect((await at.send()).problems).toEqual([])
  })

  test('a repeat of a whole file writes no new bytes, in any buffers, also after its pack was sent', async () => {
    const at = await desk()
    const bytes = noise('repeat', 900_000)
    await at.pack([fakeTake(screens, 'a', bytes)])
    await at.send()
    await at.pack([fakeTake(screens, 'b', bytes), fakeTake(screens, 'c', bytes, { bufferBytes: 70_000 })])
    expect(at.journal.unsent().map(({ newBytes, rawBytes }) => [newBytes, rawBytes])).toEqual([[0, 1_800_000]])
    const { packs, files } = await at.send()
    expect(packs[1]!.header.bodyBytes).toBeLessThan(2000)
    expectSame(files, { 'screens/a': bytes, 'screens/b': bytes, 'screens/c': bytes })
  })

  test('a file of the same size with a changed middle stores little more than the change', async () => {
    const at = await desk()
    const bytes = noise('changed', 2_000_000)
    const changed = Buffer.from(bytes)
    noise('change', 1000).copy(changed, 1_000_000)
    await at.pack([fakeTake(screens, 'a', bytes)])
    await at.pack([fakeTake(screens, 'b', changed)])
    expect(at.journal.unsent()[1]!.newBytes).toBeLessThan(600_000)
    expectSame((await at.send()).files, { 'screens/a': bytes, 'screens/b': changed })
  })

  test('an empty file is packed as such', async () => {
    const at = await desk()
    await at.pack([fakeTake(screens, 'empty', Buffer.alloc(0)), fakeTake(pointer, 'empty', Buffer.alloc(0))])
    expectSame((await at.send()).files, { 'screens/empty': Buffer.alloc(0), 'pointer/empty': Buffer.alloc(0) })
    expect(at.journal.byPath('screens', Buffer.from('empty'))).toMatchObject({ offset: 0, complete: true })
  })

  test('no files, no pack', async () => {
    const at = await desk()
    await at.pack([])
    expect([at.journal.unsent(), at.events, await at.spooled()]).toEqual([[], [], []])
  })

  test('a segment far behind 4 GiB keeps its offset in pack and cursor', async () => {
    const at = await desk()
    const startOffset = 5 * 2 ** 40 + 12_345
    await at.pack([fakeTake(pointer, 'long', noise('tail', 100_000), { startOffset, chunker: { hash: 0xfedc_ba98, sinceBoundary: 200_000 } })])
    const { packs, problems } = await at.send()
    expect(packs[0]!.manifest.entries).toMatchObject([{ offset: startOffset }])
    expect(at.journal.byPath('pointer', Buffer.from('long'))!.offset).toBe(startOffset + 100_000)
    expect(problems).toEqual([expect.stringMatching(/^1: log-gap: .*bytes 0 to 5497558151225 of a file/)])
  })

  test('a file dated beyond 2112 or before 1970 is packed', async () => {
    const at = await desk()
    const dated = (path: string, modifiedUs: number) => {
      const take = fakeTake(screens, path, noise(path, 100))
      return { ...take, facts: { ...take.facts, modifiedUs } }
    }
    await at.pack([dated('far', Date.UTC(2400, 0) * 1000), dated('old', Date.UTC(1950, 0) * 1000)])
    const { packs } = await at.send()
    expect(packs[0]!.manifest.entries.map(({ modifiedUs }) => modifiedUs)).toEqual([2 ** 52 - 1, Date.UTC(1950, 0) * 1000])
  })

  test('many small files share a pack and its blocks', async () => {
    const at = await desk()
    const names = Array.from({ length: 1000 }, (_, index) => `f${index}`)
    await at.pack(names.map((name) => fakeTake(screens, name, lines(name, 300))))
    const { packs, files } = await at.send()
    expect(packs.length).toBe(1)
    expect(packs[0]!.manifest.blocks.length).toBe(1)
    expectSame(files, Object.fromEntries(names.map((name) => [`screens/${name}`, lines(name, 300)])))
  })

  test('in bulk, files of any size and content come back, whether their blocks are copied or stand where they were read', async () => {
    const at = await desk({ sealBytes: 500_000 })
    const sizes = [0, 5, 70_000, 300_000, 3_000_000, 1, 250_000, 900_000, 40_000, 2_300_000, 400_000, 400_000]
    const contents = sizes.map((size, index) => (index % 2 ? noise(`bulk ${index}`, size) : lines(`bulk ${index}`, size >> 6)))
    const known = Buffer.concat([noise('before', 200_000), contents[9]!.subarray(0, 600_000), noise('behind', 200_000)])
    const all = [...contents, contents[4]!, known]
    const effort = () => ({ level: 1, isBulk: true })
    await at.pack(all.map((bytes, index) => fakeTake(index % 5 === 4 ? pointer : screens, `f${index}`, bytes)), { effort })
    const { packs, files, problems } = await at.send()
    expect(problems).toEqual([])
    expectSame(files, Object.fromEntries(all.map((bytes, index) => [`${index % 5 === 4 ? 'pointer' : 'screens'}/f${index}`, bytes])))
    const blocks = packs.flatMap(({ manifest }) => manifest.blocks)
    expect(blocks.every(({ referenceDistance }) => referenceDistance === 0)).toBe(true)
    expect(blocks.length).toBeLessThan(all.reduce((sum, bytes) => sum + bytes.length, 0) / 100_000)
  })

  test('a pack is sealed before its manifest outgrows its limit', async () => {
    const at = await desk({ sealBytes: 60 << 20 })
    const prefix = `${'d'.repeat(250)}/`.repeat(16)
    const names = Array.from({ length: 600 }, (_, index) => `${prefix}${index}`)
    await at.pack(names.map((name) => fakeTake(screens, name, Buffer.from(name.slice(-3)))))
    const { packs, files, problems } = await at.send()
    expect(problems).toEqual([])
    expect(packs.length).toBeGreaterThan(2)
    expect(files.size).toBe(600)
  })

  test('grown append files cost their tail, whatever pieces they grow in, and share chunks with a copy written at once', async () => {
    const at = await desk()
    const bytes = noise('grown', 1_200_000)
    let [offset, chunker] = [0, chunkerStart]
    for (const end of [1, 20_000, 20_001, 500_000, 777_777, 1_200_000]) {
      await at.pack([fakeTake(pointer, 'log', bytes.subarray(offset, end), { startOffset: offset, chunker })])
      ;({ offset, chunker } = at.journal.byPath('pointer', Buffer.from('log'))!)
    }
    await at.pack([fakeTake(screens, 'copy', bytes)])
    const { files, problems } = await at.send()
    expect(problems).toEqual([])
    expectSame(files, { 'pointer/log': bytes, 'screens/copy': bytes })
  })

  test('what is appended continues the blocks of the packs before it', async () => {
    const at = await desk()
    const bytes = lines('continued', 300_000)
    for (let offset = 0, chunker = chunkerStart; offset < bytes.length;) {
      await at.pack([fakeTake(pointer, 'log', bytes.subarray(offset, offset + 60_000), { startOffset: offset, chunker })])
      ;({ offset, chunker } = at.journal.byPath('pointer', Buffer.from('log'))!)
    }
    const { packs, files } = await at.send()
    expect(packs.map(({ manifest }) => manifest.blocks.map(({ ordinal, referenceDistance }) => [ordinal, referenceDistance])))
      .toEqual([[[0, 0]], [[1, 1]], [[2, 1]], [[3, 1]], [[4, 1]]])
    expectSame(files, { 'pointer/log': bytes })
  })

  test('a queue begins a new epoch when its last one is a day old, in both directions of the clock', async () => {
    const at = await desk()
    const bytes = noise('daily', 100_000)
    for (const [index, day] of [0, 0.9, 1.1, 1.2, -0.5].entries()) {
      at.now = 1_790_000_000_000 + day * 86_400_000
      await at.pack([fakeTake(screens, String(index), bytes)])
    }
    expect(at.journal.unsent().map(({ newBytes }) => newBytes)).toEqual([100_000, 0, 100_000, 0, 100_000])
    expect((await at.send()).problems).toEqual([])
  })

  test('two queues share neither chunks nor references', async () => {
    const at = await desk()
    const bytes = noise('shared', 100_000)
    await at.pack([fakeTake(screens, 'a', bytes)], {}, 'any')
    await at.pack([fakeTake(pointer, 'a', bytes)], {}, 'free')
    expect(at.journal.unsent().map(({ newBytes, queue }) => [queue, newBytes])).toEqual([['any', 100_000], ['free', 100_000]])
    expect((await at.send()).problems).toEqual([])
  })

  test('on a full disk it says so, leaves nothing half done, and goes on once there is room', async () => {
    let isFull = true
    const at = await desk({ disk: faultDisk({ fail: ({ kind }) => (isFull && kind === 'write' ? 'ENOSPC' : undefined) }) })
    const takes = () => [fakeTake(screens, 'a', noise('a', 2_000_000))]
    await expect(at.pack(takes())).rejects.toMatchObject({ code: 'spool-full', transient: true })
    expect([at.journal.unsent(), at.journal.byPath('screens', Buffer.from('a')), await at.spooled()]).toEqual([[], undefined, []])
    isFull = false
    await at.pack(takes())
    expectSame((await at.send()).files, { 'screens/a': noise('a', 2_000_000) })
  })
})

test('real files through capture: growth, rotation, rename, replacement, truncation, all come back', async () => {
  const captures = await temporaryFolder()
  const at = await desk()
  const stream: Stream = { ...pointer, folder: captures }
  const capture = new Capture({
    streams: [stream], cursors: at.journal, drops: at.journal.drops, emit: () => {}, now: () => Date.now() + 60_000, onPending: () => {},
    randomBytes: (length) => idOf(String(Math.random())).subarray(0, length),
  })
  onTestFinished(() => capture.stop())
  const collect = () => at.packer.pack('any', capture.takes({ asItStands: true }), { onTorn: (take) => void at.torn.push(take) })
  const file = (name: string) => join(captures, name)
  await writeFile(file('log'), lines('one', 200_000))
  await collect()
  await writeFile(file('log'), lines('two', 100_000), { flag: 'a' })
  await collect()
  await rename(file('log'), file('log.1'))
  await writeFile(file('log'), lines('three', 50_000))
  await collect()
  await writeFile(file('log.1'), 'cut')
  await collect()
  const { files, problems } = await at.send()
  expect(problems).toEqual([])
  expect(at.torn).toEqual([])
  expectSame(files, { 'pointer/log': await readFile(file('log')), 'pointer/log.1': Buffer.from('cut') })
})
