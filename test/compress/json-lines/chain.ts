import { expect } from 'vitest'
import { decodeLines } from '../../../src/compress/json-lines/decode.ts'
import { encodeLines } from '../../../src/compress/json-lines/encode.ts'
import { mutateBytes, Random } from '../../pack/mutate.ts'
import { cutAnywhere, generateLines } from './generate.ts'

/** A block of a chain that columns were made of. */
export interface Link {
  readonly raw: Uint8Array
  readonly code: Uint8Array
  readonly before: Uint8Array | undefined
}

/** What became of the blocks of a chain. */
interface Chain {
  readonly links: readonly Link[]
  /** How many were left alone. */
  readonly left: number
}

/** Encodes blocks one after another and expects each to come back, with the model that the next one needs. */
function encodeChain(blocks: readonly Uint8Array[], seed: number): Chain {
  const links: Link[] = []
  let model: Uint8Array | undefined
  for (const [index, raw] of blocks.entries()) {
    const encoded = encodeLines(raw, model)
    if (!encoded) continue
    const decoded = decodeLines(encoded.code, model)
    const isExact = Buffer.compare(decoded.raw, raw) === 0 && Buffer.compare(decoded.model, encoded.model) === 0
    expect(isExact, `block ${index} of the chain of seed ${seed}`).toBe(true)
    links.push({ raw, code: encoded.code, before: model })
    model = encoded.model
  }
  return { links, left: blocks.length - links.length }
}

/** A generated chain, in half of the cases of damaged lines. */
export function expectChain(seed: number): Chain {
  const random = new Random(seed)
  const lines = generateLines(random, 1 + random.below(random.pick([4, 12, 60])))
  const damaged = random.below(2) === 0 ? mutateBytes(random, lines) : lines
  return encodeChain(cutAnywhere(random, damaged), seed)
}
