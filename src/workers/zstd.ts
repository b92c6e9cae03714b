import type { Codec } from '../compress/codec.ts'
import type { Workers } from './workers.ts'
import { zstdNative } from '../compress/zstd-native.ts'

/** `zstdNative`, whose blocks are compressed by `workers`: handing one to Node's own threads costs the calling one as much. */
export function zstdOn(workers: Workers): Codec {
  return { ...zstdNative, compress: (raw, options) => workers.run('zstd', { raw, ...options }) }
}
