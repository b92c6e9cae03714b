/** Codec numbers as the pack format stores them (docs/format.md): `frame` holds one picture, `lines` columns of JSON lines. */
export const codecIds = { raw: 0, zstd: 1, frame: 2, lines: 3 } as const
export type CodecId = (typeof codecIds)[keyof typeof codecIds]

/**
 * Largest block before compression. The portable zstd decodes 1 MiB against 2 MiB of reference inside its fixed
 * 16 MiB heap; larger pairs kill its instance.
 */
export const maxBlockBytes = 1 << 20

/** Most bytes of earlier content a block may be compressed against; see `maxBlockBytes`. */
export const maxReferenceBytes = 2 << 20

export interface CompressOptions {
  /** zstd level 1–19: more is smaller and slower. */
  readonly level: number
  /** Earlier raw content of the stream, at most `maxReferenceBytes`; the same bytes are needed to decompress. */
  readonly reference?: Uint8Array
  /** Memory that the result may be put into, where it fits. */
  readonly room?: Uint8Array
}

export interface DecompressOptions {
  /** Exact size of the result, at most `maxBlockBytes`; anything else is an error, so no bomb can unfold. */
  readonly rawBytes: number
  readonly reference?: Uint8Array
}

/** Turns one block into fewer bytes and back. Pure: the same input and options always decompress to the same bytes. */
export interface Codec {
  readonly id: CodecId
  readonly name: string
  /** One self-contained frame. Throws `codec-failed`. */
  compress(raw: Uint8Array, options: CompressOptions): Promise<Uint8Array>
  /** Exactly `rawBytes` bytes. Throws `codec-failed` on anything that is not a whole valid frame of that size. */
  decompress(stored: Uint8Array, options: DecompressOptions): Promise<Uint8Array>
}
