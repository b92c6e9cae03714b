import { SluiceError } from '../../observe/error.ts'
import { FormatError } from '../../pack/bytes.ts'

/** Runs `work`; what it finds wrong with bytes that it reads is told as `codec-failed`. */
export function orCodecFailed<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause
    throw new SluiceError('codec-failed', `JSON lines: ${cause.message}`, { cause })
  }
}
