/** What every kernel exports; addresses and sizes in it are bytes. */
export interface KernelExports {
  readonly memory: WebAssembly.Memory
}

const pageBytes = 1 << 16

/** A kernel that kernels/ holds the source of, ready to be instantiated. `bytes`: as `npm run kernels` writes them. */
export class Kernel<Exports extends KernelExports> {
  readonly #bytes: string
  #module: WebAssembly.Module | undefined

  constructor(bytes: string) {
    this.#bytes = bytes
  }

  /** Compiles it the first time. `host`: what the kernel calls. */
  start(host?: Readonly<Record<string, (...parameters: number[]) => void>>): Exports {
    this.#module ??= new WebAssembly.Module(Buffer.from(this.#bytes, 'base64'))
    return new WebAssembly.Instance(this.#module, host && { host }).exports as Exports
  }
}

/** Lets a kernel use so many bytes of memory. Views of it made before end. */
export function ensureMemory({ memory }: KernelExports, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength
  if (missing > 0) memory.grow(Math.ceil(missing / pageBytes))
}
