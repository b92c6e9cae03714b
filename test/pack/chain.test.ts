import { beforeAll, describe, expect, test } from 'vitest'
import { codecIds } from '../../src/compress/codec.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { noPrevious } from '../../src/pack/header.ts'
import type { ChunkName, Manifest, ManifestBlock, ManifestEntry } from '../../src/pack/manifest.ts'
import { readPack } from '../../src/pack/read-pack.ts'
import { sha256 } from '../../src/pack/sha256.ts'
import type { PackName } from '../../src/transfer/destination.ts'
import { memoryDestination } from '../../src/transfer/memory.ts'
import { addSegment, bodyOf, device, emptyManifest, idOf, lines, LogMaker, put, stamp, streamOf, type StampedPack } from './make-log.ts'
import { filesOf, problemsOf, readAll } from './read-content.ts'

const pointer = streamOf('pointer')

/** Four packs: each holds a file of its own, and the last also a chunk of the second by reference. */
async function fourPacks(seed = ''): Promise<LogMaker> {
  const log = new LogMaker()
  const bytes = (part: number) => lines(`${seed}${part}`, 2000)
  for (const part of [1, 2, 3]) await log.pack('monday', (builder) => addSegment(builder, pointer, { path: String(part) }, bytes(part)))
  await log.pack('monday', async (builder) => {
    await addSegment(builder, pointer, { path: '4' }, bytes(2))
    await addSegment(builder, pointer, { path: '5' }, bytes(5))
  })
  return log
}

/** What reading a destination with just these packs finds wrong. */
async function problemsIn(packs: readonly StampedPack[]): Promise<string[]> {
  const destination = memoryDestination()
  for (const pack of packs) await put(destination, pack)
  return problemsOf(await readAll(destination))
}

const hashOf = (pack: StampedPack) => Buffer.from(pack.name.hash, 'hex')
const bodyIn = ({ bytes }: StampedPack) => bytes.subarray(91 + device.length)

describe('a device log whose chain', () => {
  let packs: StampedPack[]
  let [one, two, three, four]: StampedPack[] = []
  beforeAll(async () => {
    packs = (await fourPacks()).packs
    ;[one, two, three, four] = packs
  })

  test('is whole has no problem', async () => {
    expect(await problemsIn(packs)).toEqual([])
  })

  test('lacks a pack: the gap is named where it is seen, and every block and chunk that is lost with it', async () => {
    expect(await problemsIn([one!, three!, four!])).toEqual([
      expect.stringMatching(/^3: log-gap: pack 2 is missing/),
      expect.stringMatching(/^3: pack-invalid: .*continues a block that no earlier pack/),
      expect.stringMatching(/^4: pack-invalid: .*chunk that no earlier pack/),
      expect.stringMatching(/^4: pack-invalid: .*continues a block that no earlier pack/),
    ])
  })

  test('lacks several packs, or the first', async () => {
    expect((await problemsIn([one!, four!]))[0]).toMatch(/^4: log-gap: packs 2 to 3 are missing/)
    expect((await problemsIn([two!]))[0]).toMatch(/^2: log-gap: pack 1 is missing/)
  })

  test('has a seq twice', async () => {
    const fork = stamp(bodyIn(three!), { seq: 2, previous: hashOf(one!) })
    const found = await problemsIn([one!, two!, fork])
    expect(found.some((problem) => /^2: log-forked: two packs claim place 2/.test(problem))).toBe(true)
  })

  test('has two packs that changed places', async () => {
    const early = stamp(bodyIn(three!), { seq: 2, previous: hashOf(two!) })
    const late = stamp(bodyIn(two!), { seq: 3, previous: hashOf(one!) })
    const found = await problemsIn([one!, early, late, four!])
    expect(found).toContainEqual(expect.stringMatching(/^2: log-forked: pack 2 does not continue pack 1/))
    expect(found).toContainEqual(expect.stringMatching(/^3: log-forked: pack 3 does not continue pack 2/))
    expect(found).toContainEqual(expect.stringMatching(/^4: log-forked: pack 4 does not continue pack 3/))
    expect(found).toContainEqual(expect.stringMatching(/^2: pack-invalid: .*continues a block/))
  })

  test('has a forged previous hash, or begins with one', async () => {
    const forged = stamp(bodyIn(two!), { seq: 2, previous: sha256(Buffer.from('else')) })
    expect(await problemsIn([one!, forged])).toEqual([expect.stringMatching(/^2: log-forked: pack 2 does not continue pack 1/)])
    const begun = stamp(bodyIn(one!), { seq: 1, previous: sha256(Buffer.from('else')) })
    expect(await problemsIn([begun])).toEqual([expect.stringMatching(/^1: log-forked: pack 1 does not continue pack 0/)])
    expect(await problemsIn([stamp(bodyIn(one!), { seq: 1, previous: noPrevious })])).toEqual([])
  })

  test('has a pack of another device under its name', async () => {
    const other = stamp(bodyIn(two!), { device: 'laptop-18', seq: 2, previous: hashOf(one!) })
    const renamed = { name: { ...other.name, device }, bytes: other.bytes }
    expect(await problemsIn([one!, renamed])).toEqual([expect.stringMatching(/^2: pack-invalid: .*device or seq differ/)])
    const elsewhere = { name: { ...two!.name, seq: 3 }, bytes: two!.bytes }
    expect((await problemsIn([one!, two!, elsewhere]))[0]).toMatch(/^3: pack-invalid: .*device or seq differ/)
  })

  test('has a damaged pack: the packs behind it still continue it, and files that do not need it are there', async () => {
    const damaged = Buffer.from(three!.bytes)
    damaged[damaged.length - 20]! ^= 1
    const destination = memoryDestination()
    for (const pack of [one!, two!, { name: three!.name, bytes: damaged }]) await put(destination, pack)
    const content = await readAll(destination)
    expect(problemsOf(content)).toEqual([expect.stringMatching(/^3: pack-invalid: 0000000003-.*body does not match its hash/)])
    expect([...(await filesOf(content)).keys()].sort()).toEqual(['pointer/1', 'pointer/2'])
  })
})

async function refusal(name: PackName, bytes: Uint8Array): Promise<unknown> {
  return readPack({ sizeBytes: bytes.length, read: async (at, length) => bytes.subarray(at, at + length) }, name, zstdNative)
    .then(() => 'read', (error: unknown) => error)
}

test('a pack cut at any length, or with bytes behind it, is refused and named', async () => {
  const { packs } = await fourPacks()
  const { name, bytes } = packs[3]!
  for (let length = 0; length < bytes.length; length++) {
    expect(await refusal(name, bytes.subarray(0, length))).toMatchObject({ code: 'pack-invalid', message: expect.stringContaining(`0000000004-${name.hash}`) as string })
  }
  expect(await refusal(name, Buffer.concat([bytes, Buffer.of(0)]))).toMatchObject({ code: 'pack-invalid' })
  expect(await refusal(name, bytes)).toBe('read')
})

test('a pack above 64 MiB is refused before it is read', async () => {
  const { packs } = await fourPacks()
  const read = async () => { throw new Error('read') }
  await expect(readPack({ sizeBytes: (64 << 20) + 1, read }, packs[0]!.name, zstdNative)).rejects.toMatchObject({ code: 'pack-invalid' })
})

describe('a pack that is right by itself and wrong in its log', () => {
  const streams = [
    { name: 'pointer', purpose: '', files: 'append', fidelity: 'bytes' }, { name: 'screens', purpose: '', files: 'whole', fidelity: 'bytes' },
  ] as const
  const raw = (text: string) => Buffer.from(text)
  const nameOf = (text: string): ChunkName => ({ hash: sha256(raw(text)), bytes: text.length })
  const block = (text: string, rest: Partial<ManifestBlock> = {}): ManifestBlock => ({
    stream: 0, ordinal: 0, referenceDistance: 0, codec: codecIds.raw, storedBytes: text.length, chunks: [nameOf(text)], ...rest,
  })
  const entry = (rest: Partial<ManifestEntry> = {}): ManifestEntry => ({
    stream: 0, path: raw('a'), fileId: idOf('a'), complete: false, isFrame: false, mode: 0o600, modifiedUs: 0, offset: 0, runs: [{ first: 0, count: 1 }], ...rest,
  })

  /** Writes packs of one raw block each, changed as told, and reads them. */
  async function problemsWith(...packs: (Partial<Manifest> & { text?: string })[]): Promise<string[]> {
    const log = new LogMaker()
    for (const { text, ...change } of packs) {
      const blocks = text === undefined ? [] : [block(text)]
      await log.append(await bodyOf({ ...emptyManifest, streams, blocks, ...change }, text === undefined ? [] : [raw(text)]))
    }
    return problemsOf(await readAll(log.destination))
  }

  test('refers to a chunk of a later pack, of another epoch, of another size, of none', async () => {
    const lost = expect.stringMatching(/pack-invalid: .*refers to a chunk that no earlier pack of its epoch holds/) as string
    const refers = { external: [nameOf('later')], entries: [entry()] }
    expect(await problemsWith(refers, { text: 'later' })).toEqual([lost])
    expect(await problemsWith({ text: 'later', epoch: idOf('other') }, refers)).toEqual([lost])
    expect(await problemsWith({ text: 'later' }, { ...refers, external: [{ ...nameOf('later'), bytes: 4 }] })).toEqual([lost])
    expect(await problemsWith({ text: 'later' }, refers)).toEqual([])
  })

  test('continues a block of a later pack, of another epoch, of another stream', async () => {
    const lost = expect.stringMatching(/pack-invalid: .*continues a block that no earlier pack of its epoch holds/) as string
    const continues = { text: 'next', blocks: [block('next', { ordinal: 1, referenceDistance: 1 })] }
    expect(await problemsWith(continues, { text: 'first' })).toEqual([lost])
    expect(await problemsWith({ text: 'first', epoch: idOf('other') }, continues)).toEqual([lost])
    expect(await problemsWith({ text: 'first' }, { text: 'next', blocks: [block('next', { stream: 1, ordinal: 1, referenceDistance: 1 })] })).toEqual([lost])
    expect(await problemsWith({ text: 'first' }, continues)).toEqual([])
  })

  test('claims the number of an earlier block of its stream', async () => {
    const taken = expect.stringMatching(/^2: pack-invalid: .*claims the number of an earlier block/) as string
    expect(await problemsWith({ text: 'one' }, { text: 'two' })).toEqual([taken])
    expect(await problemsWith({ text: 'one' }, { text: 'two', epoch: idOf('other') })).toEqual([])
    expect(await problemsWith({ text: 'one' }, { text: 'two', blocks: [block('two', { stream: 1 })] })).toEqual([])
  })

  test('names a chunk by a hash that is not its content’s', async () => {
    const lie = { text: 'truth', blocks: [block('truth', { chunks: [{ hash: sha256(raw('fable')), bytes: 5 }] })] }
    expect(await problemsWith(lie)).toEqual([expect.stringMatching(/^1: pack-invalid: .*does not match its hash/)])
  })

  test('leaves bytes of a file out, or tells them twice', async () => {
    expect(await problemsWith({ text: 'abc', entries: [entry({ offset: 7 })] }))
      .toEqual([expect.stringMatching(/^1: log-gap: .*bytes 0 to 7 of a file in stream pointer are missing/)])
    expect(await problemsWith({ text: 'abc', entries: [entry(), entry({ offset: 0 })] }))
      .toEqual([expect.stringMatching(/^1: log-gap: .*bytes 0 to 3 of a file in stream pointer are there twice/)])
    expect(await problemsWith({ text: 'abc', entries: [entry(), entry({ offset: 3 }), entry({ stream: 1 })] })).toEqual([])
  })

  test('lies about its manifest: trailer magic, sizes, codec', async () => {
    const { packs: [pack] } = await fourPacks()
    const body = Buffer.from(bodyIn(pack!))
    const changed = async (at: number, byte: number) => {
      const copy = Buffer.from(body)
      copy[copy.length - at]! ^= byte
      return problemsIn([stamp(copy, { seq: 1 })])
    }
    expect(await changed(1, 1)).toEqual([expect.stringContaining('trailer magic')])
    expect(await changed(5, 2)).toEqual([expect.stringMatching(/manifest codec [23] is unknown/)])
    expect(await changed(6, 1)).toEqual([expect.stringContaining('above the limit')])
    expect(await changed(12, 1)).toEqual([expect.stringMatching(/pack-invalid/)])
    expect(await changed(9, 1)).toEqual([expect.stringMatching(/pack-invalid/)])
    const overlong = Buffer.from('6400000064000000'.concat('00', Buffer.from('SLM1').toString('hex')), 'hex')
    expect(await problemsIn([stamp(overlong, { seq: 1 })])).toEqual([expect.stringContaining('would begin before the body')])
    expect(await problemsIn([stamp(Buffer.alloc(5), { seq: 1 })])).toEqual([expect.stringContaining('too short for a trailer')])
  })
})
