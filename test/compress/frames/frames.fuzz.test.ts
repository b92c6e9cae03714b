/**
 * Claims: whatever a capture file holds, `readPng` ends with a frame that `writePng` restores exactly, or with undefined;
 * whatever a code holds, `decodeFrame` ends with a picture within the limits or with `codec-failed`; both in bounded memory.
 *
 * Method: (a) PNGs of every form with text and filters at random, whole, mutated as they are, or mutated in the bytes of
 * a chunk with its CRC made to fit; what is read is also coded against the pictures before it and decoded. (b) Codes of small pictures,
 * mutated, with the right references, others, or none. (c) As (a) with the pictures of PngSuite, of which png-suite.int.test.ts
 * compares the whole ones with another reader. Work is bounded by what comes out; the slowest case is told. The seed is
 * printed; FUZZ_SEED repeats a run.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { decodeFrame, encodeFrame, indexed, type IndexedPicture } from '../../../src/compress/frames/codec.ts'
import { SluiceError } from '../../../src/observe/error.ts'
import { readPng, writePng } from '../../../src/compress/frames/png.ts'
import { frameBytes } from '../../../src/compress/frames/canonical.ts'
import { frameOf, pictureOf } from '../../../src/compress/frames/picture.ts'
import { mutateBytes, Random } from '../../pack/mutate.ts'
import { sized } from '../../size.ts'
import { Slowest } from '../slowest.ts'
import { changePixels, chunkOf, drawPixels, forms, makePng, signature } from './make-png.ts'

const cases = sized({ quick: 400, ci: 1_500, long: 15_000 })
const suiteCases = sized({ quick: 100, ci: 500, long: 5_000 })
const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const maxRssBytes = 768 << 20
const limitMs = 20 * 60_000
const efforts = ['quick', 'normal', 'thorough'] as const

const suite = '/usr/share/go-1.19/src/image/png/testdata/pngsuite'
const suiteFiles = existsSync(suite)
  ? readdirSync(suite).filter((name) => name.endsWith('.png')).map((name) => readFileSync(join(suite, name)))
  : []

/** Runs so many cases, each with numbers of its own, and tells what `counts` holds in the end. */
function run(kind: number, count: number, counts: Readonly<Record<string, number>>, each: (random: Random) => void): void {
  const slowest = new Slowest()
  for (let number = 0; number < count; number++) {
    try {
      slowest.time(() => { each(new Random(seed + kind * cases + number)) })
    } catch (error) {
      throw new Error(`case ${number} of FUZZ_SEED=${seed}`, { cause: error })
    }
    if (number % 100 === 0) expect(process.memoryUsage().rss).toBeLessThan(maxRssBytes)
  }
  const words = Object.entries(counts).map(([what, times]) => `${what} ${times}`).join(', ')
  process.stdout.write(`frames.fuzz.test.ts (${'abc'[kind]}), FUZZ_SEED=${seed}: ${words}; ${slowest.words}\n`)
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(0)
}

/** Codes what was read of a file, and expects it back; returns it as a reference for what comes next. */
function expectExact(random: Random, frame: NonNullable<ReturnType<typeof readPng>>, past: readonly IndexedPicture[]): IndexedPicture {
  const current = indexed(pictureOf(frame))
  const { bytes: code, used } = encodeFrame(current, past, random.pick(efforts))
  const decoded = frameOf(decodeFrame(code, used.map((index) => past[index]!.picture)))
  const restored = readPng(writePng(decoded))!
  expect(Buffer.from(frameBytes(restored)).equals(frameBytes(frame))).toBe(true)
  return current
}

/** One that has as many bytes as before, or fewer, or more, in one place or one chunk. */
function damaged(random: Random, file: Buffer): Buffer {
  return random.below(2) === 0 ? mutateBytes(random, file) : mutateChunk(random, file)
}

/** Changes the data of one chunk and makes its CRC fit again. */
function mutateChunk(random: Random, file: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = signature.length; at < file.length;) {
    const end = at + 12 + file.readUInt32BE(at)
    parts.push(file.subarray(at, end))
    at = end
  }
  const chosen = random.below(parts.length)
  const chunks = parts.map((part, index) =>
    index === chosen ? chunkOf(part.toString('latin1', 4, 8), mutateBytes(random, part.subarray(8, -4))) : part)
  return Buffer.concat([signature, ...chunks])
}

test(`(a) ${cases} PNGs are exact or left alone (FUZZ_SEED=${seed})`, { timeout: limitMs }, () => {
  const counts = { whole: 0, read: 0, left: 0 }
  let past: IndexedPicture[] = []
  run(0, cases, counts, (random) => {
    const shape = { ...random.pick(forms), width: 1 + random.below(150), height: 1 + random.below(40) }
    const isSequel = past.length > 0 && random.below(2) === 0
    const last = isSequel ? frameOf(past.at(-1)!.picture) : undefined
    const drawn = last ? changePixels(random, last, last.pixels) : drawPixels(random, shape)
    const file = makePng(last ?? shape, drawn, () => random.below(5), [chunkOf('tEXt', random.bytes(random.below(30)))])
    const isWhole = random.below(3) === 0
    const frame = readPng(isWhole ? file : damaged(random, file))
    counts[frame ? (isWhole ? 'whole' : 'read') : 'left']++
    if (isWhole) expect(Buffer.compare(frame!.pixels, drawn)).toBe(0)
    if (frame) past = [...past.slice(-3), expectExact(random, frame, past)]
  })
})

test(`(b) ${cases} mutated codes give a picture within the limits, or fail as codes do (FUZZ_SEED=${seed})`, { timeout: limitMs }, () => {
  const counts = { decoded: 0, failed: 0 }
  run(1, cases, counts, (random) => {
    const shape = { ...random.pick(forms), width: 1 + random.below(150), height: 1 + random.below(40) }
    const pixels = drawPixels(random, shape)
    const frame = { ...shape, head: new Uint8Array(), tail: random.bytes(random.below(5)) }
    const reference = indexed(pictureOf({ ...frame, pixels }))
    const sequel = indexed(pictureOf({ ...frame, pixels: changePixels(random, shape, pixels) }))
    const { bytes } = encodeFrame(sequel, random.below(3) === 0 ? [] : [reference], random.pick(efforts))
    const references = [[], [reference.picture], [reference.picture], [sequel.picture, reference.picture]]
    try {
      const picture = decodeFrame(random.below(8) === 0 ? random.bytes(random.below(200)) : mutateBytes(random, bytes), random.pick(references))
      expect(picture.pixels.length).toBeLessThanOrEqual(16 << 20)
      counts.decoded++
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'codec-failed') throw error
      counts.failed++
    }
  })
})

test.skipIf(suiteFiles.length === 0)(`(c) ${suiteCases} mutated pictures of PngSuite are exact or left alone (FUZZ_SEED=${seed}; needs golang-1.19-src)`, { timeout: limitMs }, () => {
  const counts = { read: 0, left: 0 }
  let past: readonly IndexedPicture[] = []
  run(2, suiteCases, counts, (random) => {
    const frame = readPng(damaged(random, random.pick(suiteFiles)))
    counts[frame ? 'read' : 'left']++
    if (frame) past = [...past.slice(-3), expectExact(random, frame, past)]
  })
})
