import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codecIds } from '../../src/compress/codec.ts'
import { maxFrameBytes } from '../../src/compress/frames/frame.ts'
import { FormatError } from '../../src/pack/bytes.ts'
import { decodeHeader, encodeHeader, maxHeaderBytes, maxPackBytes, type PackHeader } from '../../src/pack/header.ts'
import { decodeManifest, encodeManifest, pathProblem, type Manifest, type ManifestBlock, type ManifestEntry } from '../../src/pack/manifest.ts'
import { plain } from '../plain.ts'
import { emptyManifest, idOf, noise } from './make-log.ts'

const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
const part = fc.uint8Array({ minLength: 1, maxLength: 255 })
  .map((name) => name.map((byte) => (byte === 0 || byte === 0x2f ? 0x0a : byte)))
  .filter((name) => !['.', '..'].includes(Buffer.from(name).toString('latin1')))
const path = fc.array(part, { minLength: 1, maxLength: 16 })
  .map((parts) => Uint8Array.from(parts.flatMap((name, index) => (index > 0 ? [0x2f, ...name] : [...name]))))
const chunk = fc.record({ hash: bytes(32), bytes: fc.integer({ min: 1, max: 1 << 16 }) })
const stream = fc.record({
  name: fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,63}$/),
  purpose: fc.string({ unit: 'grapheme', maxLength: 300 }),
  files: fc.constantFrom('append', 'whole'),
  fidelity: fc.constantFrom('bytes', 'pixels'),
})
const number = fc.maxSafeNat()
/** What a varint with a sign holds. */
const time = fc.oneof(fc.integer({ min: -(2 ** 52 - 1), max: 2 ** 52 - 1 }), fc.constantFrom(0, -1, 1, 2 ** 52 - 1, 1 - 2 ** 52))

const block = (streams: number) => fc.record({
  stream: fc.nat(streams - 1), ordinal: number, back: number, isRaw: fc.boolean(), stored: fc.nat(1 << 20),
  chunks: fc.array(chunk, { minLength: 1, maxLength: 8 }),
}).map(({ back, isRaw, stored, ...rest }) => ({
  ...rest,
  referenceDistance: back % (rest.ordinal + 1),
  codec: isRaw ? codecIds.raw : codecIds.zstd,
  storedBytes: isRaw ? rest.chunks.reduce((sum, { bytes: size }) => sum + size, 0) : stored,
}))

const entry = (streams: number, chunks: number): fc.Arbitrary<ManifestEntry> => fc.record({
  stream: fc.nat(streams - 1), path, fileId: bytes(8), complete: fc.boolean(), isFrame: fc.constant(false), mode: fc.nat(0o7777), modifiedUs: time, offset: number,
  runs: fc.array(fc.tuple(fc.nat(chunks), fc.nat(chunks)).map(([a, b]) => ({ first: Math.min(a, b), count: Math.abs(a - b) }))),
})

const manifest: fc.Arbitrary<Manifest> = fc.array(stream, { minLength: 1, maxLength: 5 }).chain((streams) =>
  fc.tuple(fc.array(block(streams.length), { maxLength: 6 }), fc.array(chunk, { maxLength: 10 })).chain(([blocks, external]) => {
    const chunks = external.length + blocks.reduce((sum, { chunks: own }) => sum + own.length, 0)
    return fc.record({
      epoch: bytes(8), sealNumber: number, sealedAt: number, streams: fc.constant(streams), blocks: fc.constant(blocks),
      external: fc.constant(external), entries: fc.array(entry(streams.length, chunks), { maxLength: 6 }), chunkKey: bytes(32),
    }, { requiredKeys: ['epoch', 'sealNumber', 'sealedAt', 'streams', 'blocks', 'external', 'entries'] })
  }))

const blocksBytes = ({ blocks }: Manifest) => blocks.reduce((sum, { storedBytes }) => sum + storedBytes, 0)

const decoded = (value: Manifest, size = blocksBytes(value)) => decodeManifest(encodeManifest(value), size)

describe('a manifest', () => {
  test('comes back with every field as it was written', () => {
    fc.assert(fc.property(manifest, (value) => {
      expect(plain(decoded(value))).toEqual(plain(value))
    }), { numRuns: 300 })
  })

  test('cut short, or with a byte too many, is refused', () => {
    fc.assert(fc.property(manifest, fc.nat(), (value, cut) => {
      const whole = encodeManifest(value)
      expect(() => decodeManifest(whole.subarray(0, cut % whole.length), blocksBytes(value))).toThrow(FormatError)
      expect(() => decodeManifest(Buffer.concat([whole, Buffer.of(0)]), blocksBytes(value))).toThrow(FormatError)
      expect(() => decodeManifest(whole, blocksBytes(value) + 1)).toThrow('blocks do not fill')
    }))
  })

  test('with a key for chunk names that is too short or too long is refused', () => {
    for (const size of [1, 31, 33]) expect(() => decoded({ ...emptyManifest, chunkKey: noise('key', size) })).toThrow(/chunk key/)
  })

  const entryOf = (rest: Partial<ManifestEntry>): ManifestEntry => ({
    stream: 0, path: Buffer.from('a'), fileId: idOf('a'), complete: false, isFrame: false, mode: 0o644, modifiedUs: 0, offset: 0, runs: [], ...rest,
  })
  const streams = [{ name: 'pointer', purpose: 'tests', files: 'append', fidelity: 'bytes' }] as const
  const withEntry = (rest: Partial<ManifestEntry>): Manifest => ({ ...emptyManifest, streams, entries: [entryOf(rest)] })

  test('takes the longest purpose that the config does, in any script', () => {
    const value = { ...emptyManifest, streams: [{ ...streams[0], purpose: '目'.repeat(1000) }] }
    expect(decoded(value).streams).toEqual(value.streams)
  })

  test('tells a modification time outside the years 1827 to 2112 as the nearest inside', () => {
    const far = (modifiedUs: number) => decoded(withEntry({ modifiedUs })).entries[0]?.modifiedUs
    expect(far(Date.UTC(2446, 0) * 1000)).toBe(2 ** 52 - 1)
    expect(far(Date.UTC(1700, 0) * 1000)).toBe(1 - 2 ** 52)
  })

  test('with a stream name that would lead out of the folder is refused', () => {
    for (const name of ['..', '.', '', '/etc', '../../x', 'a/b', 'Größe', 'A', 'a\nb', 'x'.repeat(65), '.pull~']) {
      expect(() => decoded({ ...emptyManifest, streams: [{ ...streams[0], name }] })).toThrow(FormatError)
    }
  })

  test('with a path that would lead out of the stream is refused', () => {
    for (const name of ['', '/', '/a', 'a/', 'a//b', '.', '..', 'a/..', '../a', 'a/./b', 'a\0b', 'x'.repeat(256)]) {
      expect(pathProblem(Buffer.from(name, 'latin1'))).toBeDefined()
      expect(() => decoded(withEntry({ path: Buffer.from(name, 'latin1') }))).toThrow(FormatError)
    }
    for (const name of ['...', 'a/.b', 'a b\n', '\xff\xfe', '~', `${'x'.repeat(255)}/y`]) {
      expect(pathProblem(Buffer.from(name, 'latin1'))).toBeUndefined()
    }
  })

  const chunkOf = (name: string, size: number) => ({ hash: noise(name, 32), bytes: size })
  const rawBlock = { stream: 0, ordinal: 3, referenceDistance: 0, codec: codecIds.raw, storedBytes: 5, chunks: [chunkOf('a', 5)] }
  const frameBlock: ManifestBlock = { ...rawBlock, codec: codecIds.frame, frameDistances: [1, 3] }
  const pictureOf = (rest: Partial<ManifestEntry>): ManifestEntry =>
    entryOf({ complete: true, isFrame: true, runs: [{ first: 0, count: 1 }], ...rest })

  test('tells of frames and of the files that they are', () => {
    const value = { ...emptyManifest, streams, blocks: [frameBlock], entries: [pictureOf({})] }
    expect(plain(decoded(value))).toEqual(plain(value))
  })

  const wrong: [string, Partial<Manifest>][] = [
    ['an entry of no stream', { streams: [], entries: [entryOf({})] }],
    ['a stream index behind the last', { entries: [entryOf({ stream: 1 })] }],
    ['a mode of more than twelve bits', { entries: [entryOf({ mode: 0o10000 })] }],
    ['a run behind the last chunk', { entries: [entryOf({ runs: [{ first: 1, count: 1 }] })] }],
    ['a run beginning behind the last chunk', { entries: [entryOf({ runs: [{ first: 2, count: 0 }] })] }],
    ['a block without chunks', { blocks: [{ ...rawBlock, storedBytes: 0, chunks: [] }] }],
    ['an empty chunk', { blocks: [{ ...rawBlock, chunks: [chunkOf('a', 5), chunkOf('b', 0)] }] }],
    ['a block above 1 MiB', { blocks: [{ ...rawBlock, codec: codecIds.zstd, chunks: [chunkOf('a', 1 << 20), chunkOf('b', 1)] }] }],
    ['a raw block of another size', { blocks: [{ ...rawBlock, storedBytes: 4 }] }],
    ['a stored block above 1 MiB', { blocks: [{ ...rawBlock, codec: codecIds.zstd, storedBytes: (1 << 20) + 1 }] }],
    ['a block that continues one before the first', { blocks: [{ ...rawBlock, referenceDistance: 4 }] }],
    ['an unknown codec', { blocks: [{ ...rawBlock, codec: 4 as never }] }],
    ['an external chunk larger than a frame', { external: [chunkOf('a', maxFrameBytes + 1)] }],
    ['a frame of two chunks', { blocks: [{ ...frameBlock, chunks: [chunkOf('a', 5), chunkOf('b', 5)] }] }],
    ['a frame above the limit', { blocks: [{ ...frameBlock, chunks: [chunkOf('a', maxFrameBytes + 1)] }] }],
    ['a stored frame above 16 MiB', { blocks: [{ ...frameBlock, storedBytes: (16 << 20) + 1 }] }],
    ['a frame that continues a block', { blocks: [{ ...frameBlock, referenceDistance: 1 }] }],
    ['a frame made from three', { blocks: [{ ...frameBlock, frameDistances: [1, 2, 3] }] }],
    ['a frame made from itself', { blocks: [{ ...frameBlock, frameDistances: [0] }] }],
    ['a frame made from one before the first', { blocks: [{ ...frameBlock, frameDistances: [4] }] }],
    ['a frame made from one too far back', { blocks: [{ ...frameBlock, ordinal: 30, frameDistances: [9] }] }],
    ['a picture that is not complete', { entries: [pictureOf({ complete: false })] }],
    ['a picture that begins inside of a file', { entries: [pictureOf({ offset: 5 })] }],
    ['a picture of no chunk', { entries: [pictureOf({ runs: [] })] }],
    ['a picture of two runs', { entries: [pictureOf({ runs: [{ first: 0, count: 1 }, { first: 0, count: 1 }] })] }],
    ['an empty external chunk', { external: [chunkOf('a', 0)] }],
  ]
  test.each(wrong)('with %s is refused', (_, change) => {
    const value = { ...emptyManifest, streams, blocks: [rawBlock], ...change }
    expect(() => decoded({ ...value, external: change.external ?? [] })).toThrow(FormatError)
  })

  test('that claims more than it holds is refused before memory is taken for it', () => {
    const front = encodeManifest(emptyManifest).subarray(0, -4)
    const many = Buffer.from([0xff, 0xff, 0x3f])
    for (const before of [[], [0], [0, 0], [0, 0, 0]]) {
      expect(() => decodeManifest(Buffer.concat([front, Buffer.from(before), many, Buffer.alloc(50)]), 0)).toThrow(/do not fit|more chunks|above the limit/)
    }
  })
})

describe('a header', () => {
  const header: fc.Arbitrary<PackHeader> = fc.record({
    device: fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,63}$/), seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    previous: bytes(32), bodyBytes: fc.nat(maxPackBytes - maxHeaderBytes), bodyHash: bytes(32), encryption: fc.constant('age' as const),
  }, { requiredKeys: ['device', 'seq', 'previous', 'bodyBytes', 'bodyHash'] })

  test('comes back as it was written, also in front of a body', () => {
    fc.assert(fc.property(header, fc.uint8Array(), (value, body) => {
      const written = encodeHeader(value)
      expect(written.length).toBeLessThanOrEqual(maxHeaderBytes)
      expect(plain(decodeHeader(Buffer.concat([written, body])))).toEqual(plain({ ...value, headerBytes: written.length }))
    }))
  })

  test('of another magic, version, flags, device form, seq 0 or a body above the limit is refused, and so is a cut one', () => {
    const value: PackHeader = { device: 'laptop', seq: 1, previous: new Uint8Array(32), bodyBytes: 9, bodyHash: new Uint8Array(32) }
    const written = encodeHeader(value)
    const changed = (at: number, byte: number) => {
      const copy = Buffer.from(written)
      copy[at] = byte
      return () => decodeHeader(copy)
    }
    expect(changed(0, 0x88)).toThrow('not a Sluice pack')
    expect(changed(8, 2)).toThrow('format version 2')
    expect(changed(9, 2)).toThrow('unknown flags 2')
    expect(changed(10, 0)).toThrow('device name')
    expect(changed(11, 0x2f)).toThrow('device name')
    expect(() => decodeHeader(encodeHeader({ ...value, seq: 0 }))).toThrow('seq 0')
    expect(() => decodeHeader(encodeHeader({ ...value, bodyBytes: maxPackBytes }))).toThrow('above the limit')
    for (let length = 0; length < written.length; length++) expect(() => decodeHeader(written.subarray(0, length))).toThrow(FormatError)
  })
})
