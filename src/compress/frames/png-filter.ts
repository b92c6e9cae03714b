import { ensureMemory, Kernel, type KernelExports } from '../wasm.ts'
import { bytes } from './png-filter-wasm.ts'

/** What kernels/png-filter.ts exports. */
interface Exports extends KernelExports {
  sizeFor(rowBytes: number, height: number): number
  filteredAt(): number
  unfilter(rowBytes: number, height: number, distance: number): number
}

/** An instance that grew beyond this, for a large screen, is not kept. */
const mostKeptBytes = 24 << 20

const kernel = new Kernel<Exports>(bytes)
let kept: Exports | undefined

/**
 * Undoes the filters of all rows (PNG specification, 9.2). `filtered` has a filter byte before each row of `rowBytes`;
 * `distance` is the bytes of a pixel. Undefined when a row names a filter that does not exist.
 */
export function unfilter(filtered: Uint8Array, rowBytes: number, height: number, distance: number): Uint8Array | undefined {
  const instance = kept ?? kernel.start()
  ensureMemory(instance, instance.sizeFor(rowBytes, height))
  const { buffer } = instance.memory
  kept = buffer.byteLength > mostKeptBytes ? undefined : instance
  new Uint8Array(buffer, instance.filteredAt(), filtered.length).set(filtered)
  const start = instance.unfilter(rowBytes, height, distance)
  return start === 0 ? undefined : new Uint8Array(buffer, start, rowBytes * height).slice()
}
