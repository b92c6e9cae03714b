/**
 * Claims: whatever a capture file holds, `readPng` ends with a frame that `writePng` restores exactly, or with undefined;
 * whatever a code holds, `decodeFrame` ends with a picture within the limits or with `codec-failed`; both in bounded memory.
 *
 * Method: (a) PNGs of every form with text and filters at random, whole, mutated as they are, or mutated in the bytes of
 * a chunk with its CRC made to fit; what is read is also coded against the pictures before it and decoded. (b) Codes of small pictures,
 * mutated, with the right references, others, or none.
 *
 * 600 cases of each, 2,000 when CI is set. The seed is printed; FUZZ_SEED repeats a run.
 */
import { expect, test } from 'vitest'
import { decodeFrame, encodeFrame, indexed, type IndexedPicture } from '../../../src/compress/frames/codec.ts'
import { SluiceError } from '../../../src/observe/error.ts'
import { readPng, writePng } from '../../../src/compress/frames/png.ts'
import { frameBytes } from '../../../src/compress/frames/canonical.ts'
import { frameOf, pictureOf } from '../../../src/compress/frames/picture.ts'
import { mutateBytes, Random } from '../../pack/mutate.ts'
import { changePixels, chunkOf, drawPixels, forms, makePng, signature } from './make-png.ts'

const cases = process.env['CI'] ? 2_000 : 600
const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const maxRssBytes = 768 << 20
const limitMs = 20 * 60_000
const efforts = ['quick', 'normal', 'thorough'] as const

process.stdout.write(`frames.fuzz.test.ts: ${cases} cases of each, FUZZ_SEED=${seed}\n`)

function run(kind: number, each: (random: Random) => void): void {
  for (let number = 0; number < cases; number++) {
    try {
      each(new Random(seed + kind * cases + number))
    } catch (error) {
      throw new Error(`case ${number} of FUZZ_SEED=${seed}`, { cause: error })
    }
  }
  expect(process.memoryUsage().rss).toBeLessThan(maxRssBytes)
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

test('(a) a PNG is exact or left alone', { timeout: limitMs }, () => {
  const counts = { whole: 0, read: 0, left: 0 }
  let past: IndexedPicture[] = []
  run(0, (random) => {
    const shape = { ...random.pick(forms), width: 1 + random.below(150), height: 1 + random.below(40) }
    const isSequel = past.length > 0 && random.below(2) === 0
    const last = isSequel ? frameOf(past.at(-1)!.picture) : undefined
    const drawn = last ? changePixels(random, last, last.pixels) : drawPixels(random, shape)
    const file = makePng(last ?? shape, drawn, () => random.below(5), [chunkOf('tEXt', random.bytes(random.below(30)))])
    const damage = random.below(3)
    const bytes = damage === 0 ? file : damage === 1 ? mutateBytes(random, file) : mutateChunk(random, file)
    const frame = readPng(bytes)
    counts[frame ? (damage === 0 ? 'whole' : 'read') : 'left']++
    if (damage === 0) expect(Buffer.compare(frame!.pixels, drawn)).toBe(0)
    if (!frame) return
    const current = indexed(pictureOf(frame))
    const { bytes: code, used } = encodeFrame(current, past, random.pick(efforts))
    const decoded = frameOf(decodeFrame(code, used.map((index) => past[index]!.picture)))
    const restored = readPng(writePng(decoded))!
    expect(Buffer.from(frameBytes(restored)).equals(frameBytes(frame))).toBe(true)
    past = [...past.slice(-3), current]
  })
  expect(Math.min(counts.whole, counts.read, counts.left)).toBeGreaterThan(0)
})

test('(b) a mutated code gives a picture within the limits, or fails as codes do', { timeout: limitMs }, () => {
  const counts = { decoded: 0, failed: 0 }
  run(1, (random) => {
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
  expect(Math.min(counts.decoded, counts.failed)).toBeGreaterThan(0)
})
