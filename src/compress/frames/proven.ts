import { SluiceError } from '../../observe/error.ts'
import { encodeFrame, isCodeOf, type EncodedFrame, type FrameEffort, type IndexedPicture } from './codec.ts'

/** The effort for screenshots that goes with a zstd level (1–19). */
export function frameEffort(level: number): FrameEffort {
  return level <= 3 ? 'quick' : level <= 12 ? 'normal' : 'thorough'
}

/** `encodeFrame`, with the proof that its code gives the same picture; undefined without. It takes up to a microsecond of CPU a pixel. */
export function provenFrame(current: IndexedPicture, references: readonly IndexedPicture[], effort: FrameEffort): EncodedFrame | undefined {
  try {
    const code = encodeFrame(current, references, effort)
    return isCodeOf(current.picture, code.bytes, code.used.map((index) => references[index]!.picture)) ? code : undefined
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'codec-failed') return undefined
    throw error
  }
}
