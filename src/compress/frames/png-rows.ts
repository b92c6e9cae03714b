import { ensureMemory, Kernel, type KernelExports } from '../wasm.ts'
import { bytesPerPixel, rowBytes, type FrameShape } from './frame.ts'
import { layoutOf, unitsPerRow } from './picture.ts'
import { bytes } from './png-rows-wasm.ts'

/** What kernels/png-rows.ts exports; it says what each does. */
interface Exports extends KernelExports {
  bytesAt(): number
  filteredAt(): number
  planeAt(): number
  hashesAt(): number
  begin(rowBytes: number, height: number, bytesPerColumn: number): number
  run(rowBytes: number, height: number, distance: number, bytesPerColumn: number): number
}

/** Rows without their filters, in memory that the next picture takes. */
export interface PngRows {
  /** Samples as they stand in a frame. */
  readonly bytes: Uint8Array
  /** Pixels as they stand in the codec's picture, and the hashes of its units; empty where they are not wanted. */
  readonly pixels: Uint32Array
  readonly hashes: Uint32Array
}

/** An instance that grew beyond this, for a screen of 4K and more, is not kept. */
const mostKeptBytes = 32 << 20

const kernel = new Kernel<Exports>(bytes)
let kept: Exports | undefined

/**
 * Undoes the filters of all rows (PNG specification, 9.2). `filtered` has a filter byte before each. Undefined when one names
 * a filter that does not exist.
 */
export function readRows(filtered: Uint8Array, shape: FrameShape, wantsPicture: boolean): PngRows | undefined {
  const { height } = shape
  const length = rowBytes(shape)
  const { columns, bytesPerColumn } = layoutOf(shape)
  const numberBytes = wantsPicture ? bytesPerColumn : 0
  const instance = kept ?? kernel.start()
  ensureMemory(instance, instance.begin(length, height, numberBytes))
  const { buffer } = instance.memory
  kept = buffer.byteLength > mostKeptBytes ? undefined : instance
  new Uint8Array(buffer, instance.filteredAt(), filtered.length).set(filtered)
  if (instance.run(length, height, bytesPerPixel(shape), numberBytes) === 0) return undefined
  return {
    bytes: new Uint8Array(buffer, instance.bytesAt(), length * height),
    pixels: new Uint32Array(buffer, instance.planeAt(), wantsPicture ? columns * height : 0),
    hashes: new Uint32Array(buffer, instance.hashesAt(), wantsPicture ? unitsPerRow({ columns }) * height : 0),
  }
}
