import { SluiceError } from '../../observe/error.ts'
import { decodeLines } from './decode.ts'
import { encodeLines, type EncodedLines } from './encode.ts'

/** JSON has no NUL byte, what is not text nearly always has one this early. */
const glanceBytes = 4096

/** `encodeLines`, with the proof that its code gives back every byte, and the same model; undefined without. */
export function provenLines(raw: Uint8Array, model: Uint8Array | undefined): EncodedLines | undefined {
  if (raw.subarray(0, glanceBytes).includes(0)) return undefined
  try {
    const encoded = encodeLines(raw, model)
    if (!encoded) return undefined
    const decoded = decodeLines(encoded.code, model)
    const isSame = Buffer.compare(decoded.raw, raw) === 0 && Buffer.compare(decoded.model, encoded.model) === 0
    return isSame ? encoded : undefined
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'codec-failed') return undefined
    throw error
  }
}
