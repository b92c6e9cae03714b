import { SluiceError } from '../observe/error.ts'
import type { Codec, CodecId, CompressOptions } from './codec.ts'
import { rawCodec } from './raw.ts'

/** A block as a pack stores it. */
export interface PackedBlock {
  readonly codec: CodecId
  readonly bytes: Uint8Array
}

/** Below this share saved, a reader should not have to decompress. */
const worthwhileSaving = 0.01

/** The block through `codec`, or raw when that saves less than 1 % or fails. `bytes` may be `raw` itself. */
export async function compressBlock(codec: Codec, raw: Uint8Array, options: CompressOptions): Promise<PackedBlock> {
  const bytes = await codec.compress(raw, options).catch(unlessCodecFailed)
  if (bytes && bytes.length <= raw.length * (1 - worthwhileSaving)) return { codec: codec.id, bytes }
  return { codec: rawCodec.id, bytes: await rawCodec.compress(raw, options) }
}

function unlessCodecFailed(error: unknown): undefined {
  if (error instanceof SluiceError && error.code === 'codec-failed') return undefined
  throw error
}
