import type { BitCoder, Probabilities } from './bit-coder.ts'
import { ensureMemory, Kernel, type KernelExports } from '../wasm.ts'
import { frameFailed } from './frame.ts'
import { bytes } from './pixel-model-wasm.ts'

/** What kernels/pixel-model.ts exports; it says what each does. */
interface Exports extends KernelExports {
  outAt(): number
  init(): void
  sizeFor(pixels: number, bits: number, codeBytes: number): number
  begin(pixels: number, bits: number, bytesPerColumn: number, codeBytes: number): number
  beginDecoding(): void
  finish(): void
  isAtEnd(): number
  fixed(probability: number, bit: number): number
  span(columns: number, from: number, to: number): void
  learn(columns: number, from: number, to: number): void
}

export interface PictureSize {
  /** Numbers in the plane; 0 when none is coded by the model. */
  readonly pixels: number
  readonly bytesPerColumn: number
  /** log2 of the contexts that each memory of the model holds; 0 without a model. */
  readonly memoryBits: number
}

/** An instance that grew beyond this, for a screen of 4K and more, is not kept. */
const mostKeptBytes = 24 << 20

const kernel = new Kernel<Exports>(bytes)
let kept: Instance | undefined

/** An instance of the kernel, which codes one picture after another. */
class Instance {
  /** Pieces of the code that is being written. */
  taken: Uint8Array[] = []
  readonly calls: Exports = kernel.start({
    take: (length = 0) => { this.taken.push(this.view(this.calls.outAt(), length).slice()) },
    cutShort: () => { throw frameFailed('the code is cut short') },
  })

  constructor() {
    this.calls.init()
  }

  view(from: number, length: number): Uint8Array {
    return new Uint8Array(this.calls.memory.buffer, from, length)
  }
}

/**
 * Codes one picture: what stands in its plane by the model, and decisions of others besides. One at a time: the next one
 * takes its place.
 */
export class PixelCoder implements BitCoder {
  readonly #instance: Instance
  /** The plane: what is encoded from, and decoded to. Only until the next picture. */
  readonly pixels: Uint32Array

  /** With `code` decodes it. Throws `codec-failed` for a code that is too short to be one. */
  constructor({ pixels, bytesPerColumn, memoryBits }: PictureSize, code?: Uint8Array) {
    this.#instance = kept ?? new Instance()
    const { calls } = this.#instance
    const codeBytes = code?.length ?? 0
    ensureMemory(calls, calls.sizeFor(pixels, memoryBits, codeBytes))
    kept = calls.memory.buffer.byteLength > mostKeptBytes ? undefined : this.#instance
    const plane = calls.begin(pixels, memoryBits, bytesPerColumn, codeBytes)
    this.#instance.taken = []
    this.pixels = new Uint32Array(calls.memory.buffer, plane, pixels)
    if (!code) return
    this.#instance.view(plane + 4 * pixels, codeBytes).set(code)
    calls.beginDecoding()
  }

  fixed(probability: number, bit: number): number {
    return this.#instance.calls.fixed(probability, bit)
  }

  bit(table: Probabilities, at: number, bit: number): number {
    const coded = this.#instance.calls.fixed(table.values[at]!, bit)
    table.adapt(at, coded)
    return coded
  }

  /** Codes numbers of the plane, `from` to `to` of one row. */
  span(columns: number, from: number, to: number): void {
    this.#instance.calls.span(columns, from, to)
  }

  /** Shows the model a run of the plane, which is another picture's then. */
  learn(columns: number, from: number, to: number): void {
    this.#instance.calls.learn(columns, from, to)
  }

  /** The code. */
  finish(): Uint8Array {
    this.#instance.calls.finish()
    const code = Buffer.concat(this.#instance.taken)
    this.#instance.taken = []
    return code
  }

  /** Throws `codec-failed` unless every byte of the code was needed. */
  end(): void {
    if (this.#instance.calls.isAtEnd() === 0) throw frameFailed('something follows the code')
  }
}
