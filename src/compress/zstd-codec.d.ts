/** The part of zstd-codec 0.1 that is used. Every call may throw when its heap of 16 MiB is exhausted. */
declare module 'zstd-codec' {
  export interface Dictionary {
    close(): void
  }

  export interface Simple {
    /** null: failed. */
    compress(content: Uint8Array, level: number): Uint8Array | null
    compressUsingDict(content: Uint8Array, dictionary: Dictionary): Uint8Array | null
    /** null: failed, or the content is empty. */
    decompress(frame: Uint8Array): Uint8Array | null
    decompressUsingDict(frame: Uint8Array, dictionary: Dictionary): Uint8Array | null
  }

  export interface Binding {
    readonly Simple: new () => Simple
    readonly Dict: {
      readonly Compression: new (content: Uint8Array, level: number) => Dictionary
      readonly Decompression: new (content: Uint8Array) => Dictionary
    }
  }

  const zstdCodec: {
    /** Calls back with a new WebAssembly instance each time. */
    readonly ZstdCodec: { run(ready: (binding: Binding) => void): void }
  }
  export default zstdCodec
}
