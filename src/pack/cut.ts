import { nextCut, type ChunkerState } from './chunker.ts'
import { chunkNameOf, hashBytes } from './sha256.ts'

/** A stretch of a file to be cut. */
export interface CutInput {
  /** From the beginning of a chunk on. */
  readonly bytes: Uint8Array
  /** So many of them were gone through before, and end in no chunk. */
  readonly seen: number
  /** The chunker's state behind them. */
  readonly state: ChunkerState
  /** What chunks are named with, as `chunkNameOf` does. */
  readonly chunkKey: Uint8Array | undefined
}

export interface CutOutput {
  /** Of the chunks, in order; what is behind the last one ends in none yet. */
  readonly lengths: readonly number[]
  /** Theirs, `hashBytes` each. */
  readonly names: Uint8Array
  /** Behind the last byte. */
  readonly state: ChunkerState
}

/** Finds the chunks that end in a stretch of a file, and their names. Pure. */
export function cut({ bytes, seen, state, chunkKey }: CutInput): CutOutput {
  const lengths: number[] = []
  const names: Uint8Array[] = []
  let begin = 0
  for (let at = seen; at < bytes.length;) {
    const found = nextCut(bytes.subarray(at), state)
    at += found.length
    state = found.state
    if (!found.found) break
    lengths.push(at - begin)
    names.push(chunkNameOf(bytes.subarray(begin, at), chunkKey))
    begin = at
  }
  return { lengths, names: together(names), state }
}

function together(names: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(names.length * hashBytes)
  names.forEach((name, index) => all.set(name, index * hashBytes))
  return all
}
