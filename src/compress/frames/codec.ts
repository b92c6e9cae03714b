import { ByteReader, ByteWriter, FormatError } from '../../pack/bytes.ts'
import { leastMemoryBits, readHead, writeHead, type CodeHead } from './code-head.ts'
import { frameFailed } from './frame.ts'
import { layoutOf, sameMetadata, samePicture, sameShape, unitColumns, unitsPerRow, type Picture } from './picture.ts'
import { PixelCoder } from './pixel-kernel.ts'
import { ResidualReader, ResidualWriter } from './residuals.ts'
import { fingerprint, plan, units } from './search.ts'
import { walk } from './walk.ts'

/** How hard to try; docs/benchmarks.md has what each costs and saves. */
export type FrameEffort = 'quick' | 'normal' | 'thorough'

interface Settings {
  /** Most pictures that one may be made from; each must be there to decode it. */
  readonly references: number
  readonly memoryBits: number
  /** Let the model see the references first. It must be done again to decode. */
  readonly learns: boolean
  /** Of zstd, for what is not modelled. */
  readonly level: number
}

const settingsOf: Readonly<Record<FrameEffort, Settings>> = {
  quick: { references: 1, memoryBits: 14, learns: false, level: 1 },
  normal: { references: 2, memoryBits: 16, learns: false, level: 1 },
  thorough: { references: 2, memoryBits: 18, learns: true, level: 9 },
}

/** A picture ready to be coded, or to code others against. */
export interface IndexedPicture {
  readonly picture: Picture
  /** A hash for each unit. */
  readonly hashes: Uint32Array
}

export interface EncodedFrame {
  readonly bytes: Uint8Array
  /** Which of the references `decodeFrame` needs, in this order. */
  readonly used: readonly number[]
}

export function indexed(picture: Picture): IndexedPicture {
  return { picture, hashes: fingerprint(picture) }
}

/**
 * A picture in few bytes, made from as few `references` as the effort allows; those of another shape are passed over.
 * Work is bounded by the pixels. Equal hashes are taken for equal content: prove with `decodeFrame` before relying on it.
 */
export function encodeFrame(current: IndexedPicture, references: readonly IndexedPicture[], effort: FrameEffort): EncodedFrame {
  const { picture } = current
  const settings = settingsOf[effort]
  const usable = [...references.keys()].filter((index) => sameShape(references[index]!.picture, picture))
  const { sources, kinds } = plan(current.hashes, usable.map((index) => references[index]!.hashes), unitsPerRow(picture), settings)
  const used = [...new Set(sources.map(({ reference }) => usable[reference]!))]
  const pictures = used.map((index) => references[index]!.picture)
  const { coded, surprising } = survey(picture, kinds)
  const learns = settings.learns && pictures.length > 0 && coded >= worthLearning
  const head: CodeHead = {
    method: surprising > coded * naturalShare ? 'residuals' : 'model',
    // A small change needs no large memories, and clearing them takes longer than coding it.
    memoryBits: learns ? settings.memoryBits : Math.min(settings.memoryBits, Math.max(leastMemoryBits, Math.ceil(Math.log2(coded + 1)) + 1)),
    learns,
    inherits: pictures.length > 0 && sameMetadata(picture, pictures[0]!),
    facts: picture,
    sources: sources.map(({ reference, rows }) => ({ reference: used.indexOf(usable[reference]!), rows })),
  }
  const writer = new ByteWriter()
  writeHead(writer, head)
  const coder = coderFor(head, picture)
  if (head.method === 'model') {
    if (learns) learnAll(coder, pictures)
    coder.pixels.set(picture.pixels)
    walk(coder, picture, kinds, coder)
  } else {
    const residuals = new ResidualWriter(picture.pixels, coded, picture.bytesPerColumn)
    walk(coder, picture, kinds, residuals)
    writer.varint(coded)
    writer.sized(residuals.finish(settings.level))
  }
  writer.bytes(coder.finish())
  return { bytes: writer.finish(), used }
}

/**
 * The picture that `bytes` were made from. `references`: those that `encodeFrame` named, in its order. Throws
 * `codec-failed` for anything that is no code of a picture within the limits; damage may also leave the code of another
 * picture. Memory and time are bounded by the pixels, and what they take is checked before it is taken.
 */
export function decodeFrame(bytes: Uint8Array, references: readonly Picture[]): Picture {
  const picture = decode(bytes, references)
  return { ...picture, pixels: picture.pixels.slice() }
}

/** Whether `decodeFrame` gives this picture, without keeping what it gives. Throws as it does. */
export function isCodeOf(picture: Picture, bytes: Uint8Array, references: readonly Picture[]): boolean {
  return samePicture(decode(bytes, references), picture)
}

/** Its pixels are good until the next picture is coded. */
function decode(bytes: Uint8Array, references: readonly Picture[]): Picture {
  try {
    return read(new ByteReader(bytes), references)
  } catch (error) {
    if (error instanceof FormatError) throw frameFailed(error.message, error)
    throw error
  }
}

function read(reader: ByteReader, references: readonly Picture[]): Picture {
  const head = readHead(reader, references)
  if (!references.every((reference) => sameShape(reference, head.facts))) reader.fail('a reference has another shape')
  const { width, height, bitDepth, colorType, head: before, tail } = head.facts
  const layout = layoutOf(head.facts)
  const shape = { width, height, bitDepth, colorType, head: before, tail, ...layout }
  const copied = head.sources.map(({ reference, rows }) => ({ pixels: references[reference]!.pixels, rows }))
  const kinds = new Uint8Array(unitsPerRow(shape) * height)
  if (head.method === 'model') {
    const coder = coderFor(head, shape, reader.bytes(reader.remaining, 'code'))
    if (head.learns) learnAll(coder, references)
    const { pixels } = coder
    walk(coder, { ...shape, pixels }, kinds, coder, copied)
    coder.end()
    return { ...shape, pixels }
  }
  const pixels = new Uint32Array(layout.columns * height)
  const count = reader.varint('coded pixels', pixels.length)
  const residuals = new ResidualReader(pixels, reader.sized('differences', reader.remaining), count, layout.bytesPerColumn)
  const coder = coderFor(head, shape, reader.bytes(reader.remaining, 'code'))
  walk(coder, { ...shape, pixels }, kinds, residuals, copied)
  residuals.end()
  coder.end()
  return { ...shape, pixels }
}

function coderFor({ method, memoryBits }: CodeHead, { columns, height, bytesPerColumn }: Omit<Picture, 'pixels'>, code?: Uint8Array): PixelCoder {
  return new PixelCoder(method === 'model' ? { pixels: columns * height, memoryBits, bytesPerColumn } : { pixels: 0, memoryBits: 0, bytesPerColumn }, code)
}

/** The most similar picture last: what is seen last is remembered best. */
function learnAll(coder: PixelCoder, references: readonly Picture[]): void {
  for (const reference of references.toReversed()) {
    coder.pixels.set(reference.pixels)
    learn(coder, reference)
  }
}

/** Shows the model every unit that is no repetition of the row above. */
function learn(coder: PixelCoder, { pixels, columns, height }: Picture): void {
  for (let row = 2; row < height; row++) {
    const rowEnd = (row + 1) * columns
    for (let from = row * columns; from < rowEnd; from += unitColumns) {
      const to = Math.min(from + unitColumns, rowEnd)
      let at = from
      while (at < to && pixels[at] === pixels[at - columns]) at++
      if (at < to) coder.learn(columns, from, to)
    }
  }
}

/** Coded pixels below which the references are not worth going through first. */
const worthLearning = 2048

/** A picture is no screen when more of its pixels than this are unlike those left and above. Text has about a tenth. */
const naturalShare = 0.4
/** Every so many coded pixels one is looked at; prime, so that no grid of the picture is met again and again. */
const surveyStep = 7

/** How many pixels are coded, and an estimate of how many of them are unlike their neighbours. */
function survey({ pixels, columns, height }: Picture, kinds: Uint8Array): { readonly coded: number; readonly surprising: number } {
  let coded = 0
  let surprising = 0
  const perRow = Math.ceil(columns / unitColumns)
  for (let unit = 0; unit < perRow * height; unit++) {
    if (kinds[unit] !== units.coded) continue
    const from = Math.floor(unit / perRow) * columns + (unit % perRow) * unitColumns
    const to = Math.min(from + unitColumns, (Math.floor(unit / perRow) + 1) * columns)
    coded += to - from
    for (let at = Math.max(from, columns); at < to; at += surveyStep) {
      if (pixels[at] !== pixels[at - 1] && pixels[at] !== pixels[at - columns]) surprising += surveyStep
    }
  }
  return { coded, surprising }
}
