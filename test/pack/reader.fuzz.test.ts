/**
 * Claims: whatever bytes a destination holds, reading them ends, in bounded memory and work, with `pack-invalid`, `log-gap` or
 * `log-forked`, thrown or listed; every chunk handed out is content that was put in under that hash; and a log that was
 * accepted whole can be read whole.
 *
 * Method: a small log with streams, epochs, references, repeats, pictures and JSON lines is damaged in three ways. (a) Bytes of a pack, under
 * its old name. (b) Bytes of blocks, manifest (also before it is compressed), trailer or header, with all hashes made to
 * fit again, the packs behind it included. (c) Fields of a decoded manifest. Then packs, chain, references and content are read.
 * (d) The same log encrypted: bytes of age files, header and payload, with all hashes made to fit, and encrypted anew what
 * (b) and (c) make of a body.
 *
 * The seed is printed; FUZZ_SEED repeats a run. Work is counted, not timed.
 */
import { beforeAll, expect, test } from 'vitest'
import type { Codec } from '../../src/compress/codec.ts'
import { frameBytes } from '../../src/compress/frames/canonical.ts'
import type { FrameShape } from '../../src/compress/frames/frame.ts'
import { readPng } from '../../src/compress/frames/png.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { zstdPortable } from '../../src/compress/zstd-portable.ts'
import type { Disk } from '../../src/journal/disk.ts'
import { Lineages } from '../../src/journal/lineages.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { decodeTrailer, trailerBytes } from '../../src/pack/body.ts'
import { ByteWriter, FormatError } from '../../src/pack/bytes.ts'
import { chunkerStart } from '../../src/pack/chunker.ts'
import { segmentChunks } from '../../src/pack/device-log.ts'
import { encryptBody, openSealer, type Sealer } from '../../src/pack/encryption.ts'
import { openIdentities, type Unlock } from '../../src/pack/identities.ts'
import { decodeHeader, encodeHeader, headerHash, type PackHeader } from '../../src/pack/header.ts'
import { decodeManifest, encodeManifest, type Manifest } from '../../src/pack/manifest.ts'
import { readLog } from '../../src/pack/read-log.ts'
import { readPack, sourceOf } from '../../src/pack/read-pack.ts'
import { keyOf, sha256, toHex } from '../../src/pack/sha256.ts'
import type { Destination, PackName } from '../../src/transfer/destination.ts'
import { memoryDestination } from '../../src/transfer/memory.ts'
import { changePixels, drawPixels, makePng } from '../compress/frames/make-png.ts'
import { addPicture, addSegment, bodyOf, device, idOf, lines, LogMaker, noise, streamOf, type StampedPack } from './make-log.ts'
import { mutateBytes, mutateManifest, Random } from './mutate.ts'
import { sized } from '../size.ts'

const cases = sized({ quick: 3_000, ci: 100_000, long: 100_000 })
const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const isTold = `${cases} cases, FUZZ_SEED=${seed}`

/** Drawn for this test alone. */
const identity = 'AGE-SECRET-KEY-15440KKLJRNL52628KKPQUTUNRJYXECLQUUM2CJ6HAZAKYEJGPTCQXAVNNV'
const recipient = 'age1m8qftn6f5v5pnvcczrgj5825rpwvz05cpe0wqgy4cz3pcx2e0dds64vkq9'
let sealer: Sealer
let unlock: Unlock
/** Every body of the log as an age file. */
let files: readonly Buffer[]

/** What one damaged log may cost at most; hostile entries name more content than anybody wants to read. */
const maxChunksRead = 300
const maxDecoded = 1000
const maxRssBytes = 512 << 20

/** A pack taken apart. */
interface Parts {
  readonly header: PackHeader
  readonly blocks: readonly Uint8Array[]
  readonly manifest: Manifest
  /** The manifest as its fields are written. */
  readonly raw: Uint8Array
}

let packs: readonly StampedPack[]
let parts: readonly Parts[]
/** By name of a chunk: its bytes, and of a frame also the file that is made of it. */
const originals = new Map<string, Buffer[]>()

beforeAll(async () => {
  process.stdout.write(`reader.fuzz.test.ts: ${isTold}\n`)
  const log = await smallLog()
  packs = log.packs
  const destination = log.destination
  const content = await readLog({ destination, device, zstd: zstdNative, content: true })
  for (const version of content.versions.newestFirst()) {
    for (const segment of version.segments) {
      const names = nextOf(segmentChunks(segment))
      for await (const bytes of content.log.content(segment)) {
        const picture = segment.entry.isFrame ? readPng(bytes) : undefined
        originals.set(keyOf(names().hash), [Buffer.from(bytes), ...(picture ? [Buffer.from(frameBytes(picture))] : [])])
      }
    }
  }
  parts = await Promise.all(packs.map(async ({ name, bytes }) => {
    const { header, manifest, blockOffsets } = await readPack(await destination.open(name), name, zstdNative)
    const blocks = manifest.blocks.map(({ storedBytes }, index) => bytes.subarray(blockOffsets[index], blockOffsets[index]! + storedBytes))
    return { header, manifest, blocks, raw: encodeManifest(manifest) }
  }))
  sealer = await openSealer([recipient], noise('secret', 32))
  unlock = await openIdentities([['test', identity]])
  files = await Promise.all(packs.map(({ bytes }) => encrypted(bytes.subarray(decodeHeader(bytes).headerBytes))))
})

async function encrypted(body: Uint8Array): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  await encryptBody(sealer, sourceOf(body), async (bytes) => void pieces.push(Uint8Array.from(bytes)))
  return Buffer.concat(pieces)
}

/** Three screens, each made of the last one. */
function pictures(shape: FrameShape): Buffer[] {
  const random = new Random(1)
  let pixels = drawPixels(random, shape)
  return Array.from({ length: 3 }, () => makePng(shape, pixels = changePixels(random, shape, pixels), () => 1))
}

async function smallLog(): Promise<LogMaker> {
  const [pointer, screens, shots] = [streamOf('pointer'), streamOf('screens', 'whole'), streamOf('shots', 'whole', { fidelity: 'pixels' })]
  const shape = { width: 140, height: 90, colorType: 2, bitDepth: 8 } as const
  const [first, second, third] = pictures(shape)
  const [raw, text] = [streamOf('raw'), streamOf('text')]
  const log = new LogMaker()
  const history = lines('text', 6000)
  let state = chunkerStart
  await log.pack('monday', async (builder) => {
    state = await addSegment(builder, pointer, { path: 'a.log' }, history.subarray(0, 1500))
    await addSegment(builder, screens, { path: 'raw' }, noise('raw', 300))
    await addSegment(builder, screens, { path: 'mixed' }, lines('mixed', 900))
    await addSegment(builder, raw, { path: 'raw' }, noise('incompressible', 250))
    await addSegment(builder, text, { path: 'text' }, Buffer.from('no JSON at all\n'.repeat(30)))
    await addPicture(builder, shots, '1.png', first!)
  })
  await log.pack('monday', async (builder) => {
    await addSegment(builder, pointer, { path: 'a.log', offset: 1500, chunker: state }, history.subarray(1500, 3000))
    await addSegment(builder, screens, { path: 'again' }, noise('raw', 300))
    await addPicture(builder, shots, '2.png', second!)
    await addPicture(builder, shots, 'again.png', first!)
  })
  await log.pack('monday', async (builder) => {
    await addPicture(builder, shots, '3.png', third!)
    for (let file = 0; file < 12; file++) await addSegment(builder, screens, { path: `many/${file}` }, lines(`many ${file % 4}`, 200))
    await addSegment(builder, pointer, { path: 'renamed.log', id: 'a.log', offset: 3000 }, Buffer.alloc(0))
  })
  await log.pack('tuesday', (builder) => addSegment(builder, pointer, { path: 'b.log', modifiedUs: -5 }, history))
  return log
}

/** Rebuilds the log from pack `index` on, with that pack's body replaced and every hash fitting. */
function restamped(index: number, body: Uint8Array, change: (header: PackHeader) => PackHeader = (header) => header): StampedPack[] {
  const result = packs.slice(0, index)
  for (const [offset, { name, bytes }] of packs.slice(index).entries()) {
    const old = decodeHeader(bytes)
    const content = offset === 0 ? body : bytes.subarray(old.headerBytes)
    const last = result.at(-1)
    const previous = last ? Buffer.from(last.name.hash, 'hex') : old.previous
    const fitting = { ...old, previous, bodyBytes: content.length, bodyHash: sha256(content) }
    const header = encodeHeader(offset === 0 ? change(fitting) : fitting)
    result.push({ name: { ...name, hash: toHex(headerHash(header)) }, bytes: Buffer.concat([header, content]) })
  }
  return result
}

async function tailOf(random: Random, raw: Uint8Array): Promise<Buffer> {
  const isCompressed = random.below(2) === 0
  const stored = isCompressed ? await zstdNative.compress(raw, { level: 1 }) : raw
  const trailer = new ByteWriter()
  trailer.uint32(stored.length)
  trailer.uint32(raw.length)
  trailer.byte(isCompressed ? 1 : 0)
  trailer.bytes(Buffer.from('SLM1'))
  return Buffer.concat([stored, trailer.finish()])
}

/** (b) */
async function structured(random: Random): Promise<StampedPack[]> {
  const index = random.below(packs.length)
  const { blocks, raw } = parts[index]!
  const body = packs[index]!.bytes.subarray(decodeHeader(packs[index]!.bytes).headerBytes)
  switch (random.below(5)) {
    case 0: return restamped(index, Buffer.concat([...blocks, await tailOf(random, mutateBytes(random, raw))]))
    case 1: {
      const damaged = random.below(blocks.length || 1)
      const changed = blocks.map((block, at) => (at === damaged ? mutateBytes(random, block).subarray(0, block.length) : block))
      return restamped(index, Buffer.concat([...changed.map((block, at) => Buffer.concat([block], blocks[at]!.length)), await tailOf(random, raw)]))
    }
    case 2: return restamped(index, Buffer.concat([body.subarray(0, -trailerBytes), mutateBytes(random, body.subarray(-trailerBytes))]))
    case 3: return restamped(index, mutateBytes(random, body))
    default: return restamped(index, body, (header) => ({
      ...header,
      ...random.pick([
        { seq: random.pick([1, 2, 3, 4, 5, 2 ** 40]) }, { previous: random.bytes(32) }, { bodyBytes: random.below(3000) }, { bodyHash: random.bytes(32) },
      ]),
    }))
  }
}

/** (c) */
async function refielded(random: Random): Promise<StampedPack[]> {
  for (;;) {
    const index = random.below(packs.length)
    const { manifest, blocks } = parts[index]!
    try {
      return restamped(index, await bodyOf(mutateManifest(random, manifest), blocks))
    } catch (error) {
      // Some values have no form in a manifest at all.
      if (!(error instanceof RangeError) && !(error instanceof SluiceError)) throw error
    }
  }
}

/** (d) Some packs of the log are encrypted; one of them is damaged inside, or the age file itself is. */
async function encryptedLog(random: Random): Promise<StampedPack[]> {
  const kind = random.below(3)
  const from = kind === 0 ? packs : kind === 1 ? await structured(random) : await refielded(random)
  const chosen = random.below(from.length)
  const result: StampedPack[] = []
  for (const [index, { name, bytes }] of from.entries()) {
    const { headerBytes, ...old } = decodeHeader(bytes)
    const file = kind === 0 ? files[index]! : index === chosen ? await encrypted(bytes.subarray(headerBytes)) : undefined
    const changed = file && kind === 0 && index === chosen ? mutateBytes(random, file) : file
    const body = changed ?? bytes.subarray(headerBytes)
    const last = result.at(-1)
    const previous = last ? Buffer.from(last.name.hash, 'hex') : old.previous
    const header = encodeHeader({ ...old, previous, bodyBytes: body.length, bodyHash: sha256(body), ...(changed && { encryption: 'age' }) })
    result.push({ name: { ...name, hash: toHex(headerHash(header)) }, bytes: Buffer.concat([header, body]) })
  }
  return result
}

function holding(from: readonly StampedPack[]): Destination {
  const byHash = new Map(from.map((pack) => [pack.name.hash, pack.bytes]))
  return {
    ...memoryDestination(),
    list: async () => from.map(({ name }) => name),
    open: async ({ hash }: PackName) => {
      const bytes = byHash.get(hash)!
      return {
        sizeBytes: bytes.length,
        read: async (offset, length) => {
          if (offset + length > bytes.length) throw new Error(`read past the end: ${offset} + ${length}`)
          return Uint8Array.from(bytes.subarray(offset, offset + length))
        },
        [Symbol.asyncDispose]: async () => {},
      }
    },
  }
}

const allowed = new Set(['pack-invalid', 'log-gap', 'log-forked'])

function expectAllowed(error: unknown): void {
  if (!(error instanceof SluiceError) || !allowed.has(error.code)) throw error
}

function nextOf<T>(values: Iterable<T>): () => T {
  const iterator = values[Symbol.iterator]()
  return () => {
    const next = iterator.next()
    if (next.done) throw new Error('more than there is')
    return next.value
  }
}

/** Reads a log to its last byte, within bounds, and checks the claims. Returns how far it was taken for good. */
async function readAndCheck(from: readonly StampedPack[], codec: Codec, content: boolean): Promise<'whole' | 'problems'> {
  let decoded = 0
  const zstd: Codec = { ...codec, decompress: (stored, options) => (decoded++, codec.decompress(stored, options)) }
  const result = await readLog({ destination: holding(from), device, zstd, content, unlock })
  result.problems.forEach(({ error }) => expectAllowed(error))
  const isWhole = result.problems.length === 0 && result.closed.length === 0
  let chunks = 0
  for (const version of result.versions.newestFirst()) {
    for (const segment of version.segments) {
      const names = nextOf(segmentChunks(segment))
      try {
        for await (const bytes of result.log.content(segment)) {
          const name = names()
          const known = originals.get(keyOf(name.hash)) ?? []
          if (!known.some((original) => original.equals(bytes))) throw new Error('content that nobody put in')
          if (++chunks > maxChunksRead) break
        }
      } catch (error) {
        expectAllowed(error)
        if (isWhole && content) throw new Error('accepted whole, and cannot be read', { cause: error })
      }
    }
    if (chunks > maxChunksRead) break
  }
  if (decoded > maxDecoded) throw new Error(`${decoded} blocks decoded`)
  return isWhole ? 'whole' : 'problems'
}

/** Runs a case, telling its number when it fails. */
async function run(kind: number, each: (random: Random, number: number) => Promise<void>, portion = Math.floor(cases / 3)): Promise<void> {
  for (let number = 0; number < portion; number++) {
    await each(new Random(seed + kind * cases + number), number).catch((error: unknown) => {
      throw new Error(`case ${number} of ${isTold}`, { cause: error })
    })
    if (number % 500 === 0) expect(process.memoryUsage().rss).toBeLessThan(maxRssBytes)
  }
  expect(process.memoryUsage().rss).toBeLessThan(maxRssBytes)
}

const portable = zstdPortable()
const codecFor = (number: number) => (number % 8 === 0 ? portable : zstdNative)
const limitMs = 20 * 60_000

test('the log that is damaged here is whole, and has blocks of every codec', async () => {
  const codecs = new Set(parts.flatMap(({ manifest }) => manifest.blocks.map(({ codec }) => codec)))
  expect([...codecs].sort()).toEqual([0, 1, 2, 3])
  expect(parts.some(({ manifest }) => manifest.blocks.some(({ frameDistances = [] }) => frameDistances.length > 0))).toBe(true)
  expect(await readAndCheck(packs, zstdNative, true)).toBe('whole')
  expect(await readAndCheck(restamped(0, packs[0]!.bytes.subarray(decodeHeader(packs[0]!.bytes).headerBytes)), portable, true)).toBe('whole')
})

test('(a) a pack with other bytes under its old name is always refused', async () => {
  await run(0, async (random, number) => {
    const { name, bytes } = random.pick(packs)
    const changed = mutateBytes(random, bytes)
    const source = await holding([{ name, bytes: changed }]).open(name)
    const outcome = await readPack(source, name, codecFor(number)).then(() => 'read', (error: unknown) => error)
    if (changed.equals(bytes)) expect(outcome).toBe('read')
    else expect(outcome).toMatchObject({ code: 'pack-invalid' })
  })
}, limitMs)

test('(b) damage with all hashes made to fit is refused, or harmless', async () => {
  const outcomes = { whole: 0, problems: 0 }
  await run(1, async (random, number) => {
    outcomes[await readAndCheck(await structured(random), codecFor(number), random.below(3) > 0)]++
  })
  expect(Math.min(outcomes.whole, outcomes.problems)).toBeGreaterThan(0)
}, limitMs)

test('(c) manifests with other fields are refused, or harmless', async () => {
  const outcomes = { whole: 0, problems: 0 }
  await run(2, async (random, number) => {
    outcomes[await readAndCheck(await refielded(random), codecFor(number), random.below(3) > 0)]++
  })
  expect(Math.min(outcomes.whole, outcomes.problems)).toBeGreaterThan(0)
}, limitMs)

test('(d) damaged age files, and damage inside of sound ones, are refused, or harmless', async () => {
  const outcomes = { whole: 0, problems: 0 }
  await run(5, async (random, number) => {
    outcomes[await readAndCheck(await encryptedLog(random), codecFor(number), random.below(3) > 0)]++
  }, Math.floor(cases / 15)) // keys cost ten times what the rest of a case does
  expect(Math.min(outcomes.whole, outcomes.problems)).toBeGreaterThan(0)
}, limitMs)

test('headers, trailers and manifests of garbage fail as such and in no other way', async () => {
  await run(3, async (random) => {
    const { bytes } = random.pick(packs)
    const { raw } = random.pick(parts)
    const garbage = random.bytes(random.below(300))
    const trials: (() => unknown)[] = [garbage, mutateBytes(random, bytes), mutateBytes(random, raw)].flatMap((input) => [
      () => decodeHeader(input), () => decodeTrailer(input.subarray(-trailerBytes)), () => decodeManifest(input, random.below(2000)),
    ])
    for (const trial of trials) {
      try {
        trial()
      } catch (error) {
        if (!(error instanceof FormatError)) throw error
      }
    }
  })
}, limitMs)

test('a damaged lineage file in the state folder is as good as none', async () => {
  const epoch = idOf('epoch')
  let file: Uint8Array = new Uint8Array()
  const disk = {
    makeFolder: async () => {}, rename: async () => {}, size: async () => file.length,
    open: async () => ({
      write: async (bytes: Uint8Array) => void (file = Uint8Array.from(bytes)),
      read: async (buffer: Uint8Array) => (buffer.set(file), file.length),
      [Symbol.asyncDispose]: async () => {},
    }),
  } as unknown as Disk
  const saved = new Lineages('/state', disk)
  const lineage = { ordinal: 3, depth: 2, chainBytes: 700_000, content: lines('lineage', 500), model: lines('model', 300) }
  saved.set(epoch, 'pointer', lineage)
  await saved.save()
  const whole = file
  const load = async (bytes: Uint8Array) => {
    file = bytes
    const lineages = new Lineages('/state', disk)
    await lineages.load(epoch, ['pointer'], () => 4)
    return lineages.get(epoch, 'pointer')
  }
  expect(Buffer.compare((await load(whole))!.content, lineage.content)).toBe(0)
  await run(4, async (random) => {
    const changed = mutateBytes(random, whole)
    if (!changed.equals(whole)) expect(await load(changed)).toBeUndefined()
  })
}, limitMs)
