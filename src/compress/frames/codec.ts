import { ByteReader, ByteWriter, FormatError } from '../../pack/bytes.ts'
import { BitDecoder, BitEncoder } from './bit-coder.ts'
import { leastMemoryBits, readHead, writeHead, type CodeHead } from './code-head.ts'
import { frameFailed } from './frame.ts'
import { layoutOf, sameMetadata, sameShape, unitColumns, unitsPerRow, type Picture } from './picture.ts'
import { PixelModel } from './pixel-model.ts'
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
  const coder = new BitEncoder()
  if (head.method === 'model') {
    walk(coder, picture, kinds, modelFor(coder, picture, head, pictures))
  } else {
    const residuals = new ResidualWriter(coded, picture.bytesPerColumn)
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
  try {
    return decode(new ByteReader(bytes), references)
  } catch (error) {
    if (error instanceof FormatError) throw frameFailed(error.message, error)
    throw error
  }
}

function decode(reader: ByteReader, references: readonly Picture[]): Picture {
  const head = readHead(reader, references)
  if (!references.every((reference) => sameShape(reference, head.facts))) reader.fail('a reference has another shape')
  const { width, height, bitDepth, colorType, head: before, tail } = head.facts
  const layout = layoutOf(head.facts)
  const pixels = new Uint32Array(layout.columns * height)
  const picture: Picture = { width, height, bitDepth, colorType, head: before, tail, ...layout, pixels }
  const kinds = new Uint8Array(unitsPerRow(picture) * height)
  const copied = head.sources.map(({ reference, rows }) => ({ pixels: references[reference]!.pixels, rows }))
  let residuals: ResidualReader | undefined
  if (head.method === 'residuals') {
    const count = reader.varint('coded pixels', pixels.length)
    residuals = new ResidualReader(reader.sized('differences', reader.remaining), count, picture.bytesPerColumn)
  }
  const coder = new BitDecoder(reader.bytes(reader.remaining, 'code'))
  walk(coder, picture, kinds, residuals ?? modelFor(coder, picture, head, references), copied)
  residuals?.end()
  coder.end()
  return picture
}

function modelFor(coder: BitEncoder | BitDecoder, picture: Picture, head: CodeHead, references: readonly Picture[]): PixelModel {
  const model = new PixelModel(coder, picture.bytesPerColumn, head.memoryBits)
  // The most similar one last: what is seen last is remembered best.
  if (head.learns) for (const reference of references.toReversed()) learn(model, reference)
  return model
}

/** Shows the model every unit that is no repetition of the row above. */
function learn(model: PixelModel, { pixels, columns, height }: Picture): void {
  for (let row = 2; row < height; row++) {
    const rowEnd = (row + 1) * columns
    for (let from = row * columns; from < rowEnd; from += unitColumns) {
      const to = Math.min(from + unitColumns, rowEnd)
      let at = from
      while (at < to && pixels[at] === pixels[at - columns]) at++
      if (at < to) model.learn(pixels, columns, from, to)
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
