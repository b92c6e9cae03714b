import { SluiceError } from '../../observe/error.ts'

/** PNG's colour types (PNG specification, 11.2.1) with the samples a pixel has. */
const samplesOf = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const
const bitDepthsOf = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] } as const

export type ColorType = keyof typeof samplesOf
export type BitDepth = 1 | 2 | 4 | 8 | 16

/** Size and form of a picture. */
export interface FrameShape {
  /** In pixels. */
  readonly width: number
  readonly height: number
  readonly colorType: ColorType
  readonly bitDepth: BitDepth
}

/** One picture as samples, with everything of its file that is not the compression of them. */
export interface Frame extends FrameShape {
  /** Rows from the top without gaps, each row of whole bytes; samples as PNG stores them (16 bits: big-endian). */
  readonly pixels: Uint8Array
  /** Chunks as they stood in the file, with length, type and CRC: those between IHDR and the first IDAT … */
  readonly head: Uint8Array
  /** … and those between the last IDAT and IEND. */
  readonly tail: Uint8Array
}

/**
 * A screen of 5120×2880 fits. The codec holds some 20 bytes a pixel and takes up to a microsecond for one: a larger
 * frame would push the rest of the service aside, and is stored as bytes instead.
 */
const maxPixels = 16 << 20
/** Reached by 16 bits a sample before `maxPixels` is. */
const maxPixelBytes = 64 << 20

/** So that rows and tables stay small whatever the other side is. */
export const maxSide = 1 << 16

/** Most bytes of `head` and `tail` together: palette, text and a colour profile fit many times over. */
export const maxMetadataBytes = 1 << 20

/** Longest frame as bytes: pixels, metadata, and the numbers before them. */
export const maxFrameBytes = maxPixelBytes + maxMetadataBytes + 32

/** Bytes of one row. */
export function rowBytes({ width, colorType, bitDepth }: FrameShape): number {
  return Math.ceil((width * samplesOf[colorType] * bitDepth) / 8)
}

export function pixelBytes(shape: FrameShape): number {
  return rowBytes(shape) * shape.height
}

/** Distance in bytes to the sample that a PNG filter, or a predictor here, takes for the one to the left. */
export function bytesPerPixel({ colorType, bitDepth }: FrameShape): number {
  return Math.max(1, (samplesOf[colorType] * bitDepth) / 8)
}

/** The shape when PNG allows it and it is within the limits; undefined otherwise. */
export function checkedShape(width: number, height: number, bitDepth: number, colorType: number): FrameShape | undefined {
  const isSide = (side: number): boolean => Number.isInteger(side) && side > 0 && side <= maxSide
  if (!isSide(width) || !isSide(height) || !(colorType in bitDepthsOf)) return undefined
  const shape = { width, height, bitDepth: bitDepth as BitDepth, colorType: colorType as ColorType }
  const isWithin = width * height <= maxPixels && pixelBytes(shape) <= maxPixelBytes
  const isDepth = (bitDepthsOf[shape.colorType] as readonly number[]).includes(bitDepth)
  return isDepth && isWithin ? shape : undefined
}

export function frameFailed(what: string, cause?: unknown): SluiceError {
  return new SluiceError('codec-failed', `frame: ${what}`, { cause })
}
