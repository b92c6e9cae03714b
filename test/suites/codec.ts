import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codecIds, maxBlockBytes, maxReferenceBytes, type Codec } from '../../src/compress/codec.ts'

/** Folder of recorded captures: a folder for each stream. */
const corpus = process.env['SLUICE_CORPUS']
const levels = [1, 3, 6, 9, 19]
const failed = { code: 'codec-failed', transient: false }

/** What every `Codec` promises, and that it reads what the others of its id write. */
export function describeCodec(codec: Codec, others: readonly Codec[]): void {
  const readers = [codec, ...others]

  /** Compresses, and every reader gives the same bytes back. */
  const expectRoundTrip = async (raw: Uint8Array, level: number, reference?: Uint8Array): Promise<Uint8Array> => {
    const against = reference ? { reference } : {}
    const stored = await codec.compress(raw, { level, ...against })
    for (const reader of readers) {
      const back = await reader.decompress(stored, { rawBytes: raw.length, ...against })
      expect(Buffer.compare(back, raw), `${reader.name} reads ${codec.name}, level ${level}`).toBe(0)
    }
    return stored
  }

  describe(`${codec.name} as codec`, () => {
    test.each([0, 1, 2, 255, 256, 257, 65_535, 65_792, 131_072, 131_073, maxBlockBytes - 1, maxBlockBytes])(
      '%i bytes come back, whatever they are', async size => {
        for (const kind of ['random', 'text', 'zeros'] as const) {
          await expectRoundTrip(sample(kind, size), 3)
          await expectRoundTrip(sample(kind, size), 3, sample(kind, 5000))
        }
      })

    test('the largest block comes back against the largest reference, at every level', async () => {
      const reference = sample('text', maxReferenceBytes)
      for (const level of levels) {
        const near = reference.subarray(7, 7 + maxBlockBytes)
        for (const raw of [near, sample('random', maxBlockBytes), sample('text', maxBlockBytes, 1)]) {
          await expectRoundTrip(raw, level, reference)
          await expectRoundTrip(raw, level)
        }
      }
    })

    test('any bytes come back against any reference', async () => {
      const pieces = fc.array(fc.oneof(
        fc.uint8Array({ maxLength: 2000 }),
        fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 30 }), fc.nat(3000)).map(([bytes, n]) => repeat(bytes, n)),
      ), { maxLength: 8 }).map(parts => new Uint8Array(Buffer.concat(parts)))
      await fc.assert(fc.asyncProperty(pieces, pieces, fc.constantFrom(...levels), async (raw, past, level) => {
        await expectRoundTrip(raw, level, past)
        await expectRoundTrip(new Uint8Array(Buffer.concat([past, raw])), level, raw)
      }), { numRuns: 60 })
    })

    test('recorded captures come back', async ctx => {
      if (corpus === undefined) return ctx.skip('SLUICE_CORPUS names no folder of recorded captures')
      for (const stream of readdirSync(corpus).filter(name => !name.includes('.'))) {
        for (const file of readdirSync(join(corpus, stream)).slice(0, 4)) {
          const bytes = readFileSync(join(corpus, stream, file))
          const reference = bytes.subarray(0, bytes.length >> 1).subarray(-maxReferenceBytes)
          await expectRoundTrip(bytes.subarray(bytes.length >> 1).subarray(0, maxBlockBytes), 6, reference)
        }
      }
    })

    test('blocks compressed and decompressed at the same time do not mix', async () => {
      const blocks = Array.from({ length: 8 }, (_, seed) => sample('text', 300_000 + seed, seed))
      await Promise.all(blocks.map((raw, at) => {
        const reference = at % 2 ? blocks[at - 1] : undefined
        return expectRoundTrip(raw, levels[at % levels.length] ?? 1, reference)
      }))
    })

    test('input and reference are left as they were', async () => {
      const [raw, reference] = [sample('text', 50_000), sample('text', 60_000, 1)]
      const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
      const before = [hash(raw), hash(reference)]
      await expectRoundTrip(raw, 6, reference)
      expect([hash(raw), hash(reference)]).toEqual(before)
    })

    test('a stored block is not read as another size', async () => {
      const raw = sample('text', 5000)
      const stored = await codec.compress(raw, { level: 3 })
      for (const rawBytes of [0, 1, 4999, 5001, maxBlockBytes, maxBlockBytes + 1, -1, NaN, 2 ** 40]) {
        await expect(codec.decompress(stored, { rawBytes })).rejects.toMatchObject(failed)
      }
    })
  })

  if (codec.id === codecIds.zstd) describeZstd(codec)
}

/** What holds for zstd frames beyond the promises of every codec. */
function describeZstd(codec: Codec): void {
  const read = (stored: Uint8Array, rawBytes: number, reference?: Uint8Array) =>
    codec.decompress(stored, { rawBytes, ...(reference ? { reference } : {}) })

  describe(`${codec.name} and frames that are not right`, () => {
    test('a reference makes related content smaller, however large it is', async () => {
      const reference = sample('random', maxReferenceBytes)
      const raw = reference.subarray(-300_000, -100_000)
      for (const level of [1, 3, 6]) {
        for (const against of [reference, reference.subarray(-400_000)]) {
          const stored = await codec.compress(raw, { level, reference: against })
          expect(stored.length, `level ${level}`).toBeLessThan(20_000)
        }
      }
    })

    test('a reference that looks like a trained dictionary is plain content', async () => {
      const reference = new Uint8Array(Buffer.concat([Buffer.from('37a430ec', 'hex'), sample('random', 40_000)]))
      const raw = reference.slice(100, 30_000)
      const stored = await codec.compress(raw, { level: 3, reference })
      expect(stored.length).toBeLessThan(1000)
      expect(Buffer.compare(await read(stored, raw.length, reference), raw)).toBe(0)
    })

    test('a frame cut at any length is refused', async () => {
      const reference = sample('text', 3000)
      for (const raw of [new Uint8Array(), sample('text', 3000, 1), sample('random', 300), sample('zeros', 200_000)]) {
        for (const against of [undefined, reference]) {
          const stored = await codec.compress(raw, { level: 3, ...(against ? { reference: against } : {}) })
          for (let length = 0; length < stored.length; length++) {
            await expect(read(stored.subarray(0, length), raw.length, against)).rejects.toMatchObject(failed)
          }
        }
      }
    })

    test('bytes behind a frame are refused: garbage, a second frame, a skippable frame', async () => {
      const raw = sample('text', 3000)
      const stored = await codec.compress(raw, { level: 3 })
      for (const tail of [Buffer.of(0), Buffer.from('garbage'), stored, Buffer.from('502a4d1800000000', 'hex')]) {
        await expect(read(new Uint8Array(Buffer.concat([stored, tail])), 3000)).rejects.toMatchObject(failed)
        await expect(read(new Uint8Array(Buffer.concat([stored, tail])), 6000)).rejects.toMatchObject(failed)
        await expect(read(new Uint8Array(Buffer.concat([tail, stored])), 3000)).rejects.toMatchObject(failed)
      }
    })

    test('flipped bits give an error or bytes of the right size, and the codec works on', async () => {
      const [raw, reference] = [sample('text', 20_000, 1), sample('text', 20_000)]
      const stored = await codec.compress(raw, { level: 3, reference })
      const positions = fc.array(fc.nat(stored.length * 8 - 1), { minLength: 1, maxLength: 4 })
      await fc.assert(fc.asyncProperty(positions, async bits => {
        const damaged = stored.slice()
        for (const bit of bits) damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        await expectFailedOrSized(read(damaged, raw.length, reference), raw.length)
      }), { numRuns: 300 })
      expect(Buffer.compare(await read(stored, raw.length, reference), raw)).toBe(0)
    })

    test('bytes that are no frame are refused', async () => {
      const magic = [0x28, 0xb5, 0x2f, 0xfd]
      await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(5000), async (bytes, rawBytes) => {
        await expect(read(bytes, rawBytes)).rejects.toMatchObject(failed)
        await expectFailedOrSized(read(Uint8Array.from([...magic, ...bytes]), rawBytes), rawBytes)
      }), { numRuns: 200 })
    })

    test('with another reference, or none, the result is an error or other bytes', async () => {
      const reference = sample('random', 50_000)
      const raw = reference.slice(1000, 40_000)
      const stored = await codec.compress(raw, { level: 3, reference })
      for (const wrong of [undefined, sample('random', 50_000, 1), reference.subarray(1, 49_000), new Uint8Array(10)]) {
        const result = await read(stored, raw.length, wrong).catch((error: unknown) => error)
        if (result instanceof Uint8Array) expect(Buffer.compare(result, raw)).not.toBe(0)
        else expect(result).toMatchObject(failed)
      }
    })

    test('a bomb does not unfold, whatever it claims', async () => {
      const params = { [constants.ZSTD_c_windowLog]: 22 }
      const sizeless = { ...params, [constants.ZSTD_c_contentSizeFlag]: 0 }
      const gibibyte = zstdCompressSync(Buffer.alloc(1 << 30), { params, pledgedSrcSize: 1 << 30 })
      const liar = Buffer.from(gibibyte)
      liar.writeUInt32LE(maxBlockBytes, liar.indexOf(Buffer.from('00000040', 'hex'))) // its content size
      const silent = zstdCompressSync(Buffer.alloc(8 << 20), { params: sizeless })
      const before = process.memoryUsage().rss
      for (let round = 0; round < 20; round++) {
        for (const bomb of [gibibyte, liar, silent]) {
          await expect(read(bomb, maxBlockBytes)).rejects.toMatchObject(failed)
        }
      }
      await expect(read(gibibyte, maxBlockBytes)).rejects.toThrow('holds 1073741824') // seen before anything is decoded
      expect(process.memoryUsage().rss - before).toBeLessThan(200 << 20)
    })

    test('a frame that asks for a large window is refused', async () => {
      // magic, 4 bytes of content size, window of 2 ** (10 + w), 5 bytes in one raw block
      const frame = (w: number) =>
        Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0x80, w << 3, 5, 0, 0, 0, 0x29, 0, 0, 1, 2, 3, 4, 5])
      expect(Buffer.compare(await read(frame(12), 5), Buffer.of(1, 2, 3, 4, 5))).toBe(0)
      for (const w of [13, 17, 31]) await expect(read(frame(w), 5)).rejects.toThrow(/window/)
    })

    test('more than the limits is refused before any work', async () => {
      const large = new Uint8Array(maxReferenceBytes + 1)
      const stored = await codec.compress(large.subarray(0, 10), { level: 3 })
      for (const [raw, options] of [
        [large.subarray(0, maxBlockBytes + 1), { level: 3 }],
        [large.subarray(0, 10), { level: 3, reference: large }],
        [large.subarray(0, 10), { level: 0 }],
        [large.subarray(0, 10), { level: 20 }],
        [large.subarray(0, 10), { level: 2.5 }],
      ] as const) await expect(codec.compress(raw, options)).rejects.toMatchObject(failed)
      await expect(read(stored, 10, large)).rejects.toMatchObject(failed)
    })
  })
}

async function expectFailedOrSized(result: Promise<Uint8Array>, rawBytes: number): Promise<void> {
  const outcome = await result.catch((error: unknown) => error)
  if (outcome instanceof Uint8Array) expect(outcome.length).toBe(rawBytes)
  else expect(outcome).toMatchObject(failed)
}

const words = ['pointer ', '{"t":', 'screen ', 'mail\n', '},{', 'x', 'y', ':', '17', '"menu"', '     ', 'the ', 'of ']

/** Bytes that look alike for one seed: noise, JSON-like text, zeros. */
export function sample(kind: 'random' | 'text' | 'zeros', sizeBytes: number, seed = 0): Uint8Array {
  const bytes = Buffer.alloc(sizeBytes)
  let state = seed * 7919 + 12345
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 16
  }
  if (kind === 'random') for (let at = 0; at < sizeBytes; at++) bytes[at] = next()
  if (kind === 'text') {
    for (let at = 0; at < sizeBytes;) at += bytes.write(`${words[next() % words.length]}${next() % 9}`, at)
  }
  return new Uint8Array(bytes)
}

function repeat(bytes: Uint8Array, times: number): Uint8Array {
  return new Uint8Array(Buffer.alloc(bytes.length * times, bytes))
}
