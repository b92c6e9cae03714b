import { SluiceError } from '../observe/error.ts'
import { codecIds, type Codec } from './codec.ts'

/** Stores a block as it is: what is already compressed only costs time. Returns its input, not a copy. */
export const rawCodec: Codec = {
  id: codecIds.raw,
  name: 'raw',
  compress: async raw => raw,
  async decompress(stored, { rawBytes }) {
    if (stored.length === rawBytes) return stored
    throw new SluiceError('codec-failed', `raw: ${stored.length} bytes where ${rawBytes} were expected`)
  },
}
