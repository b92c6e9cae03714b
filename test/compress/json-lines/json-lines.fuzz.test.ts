/**
 * Claims: whatever bytes a block has, it comes back to the byte or is left alone; whatever bytes a code has, decoding
 * it ends with a block of at most 1 MiB or with `codec-failed`.
 *
 * Method: chains of generated lines, half of them damaged, cut anywhere, are encoded and decoded. Then codes are
 * damaged, or read with the model of another block.
 *
 * 2,000 chains, 20,000 when CI is set, or FUZZ_CASES. The seed is printed; FUZZ_SEED repeats a run.
 */
import { expect, test } from 'vitest'
import { maxBlockBytes } from '../../../src/compress/codec.ts'
import { decodeLines } from '../../../src/compress/json-lines/decode.ts'
import { SluiceError } from '../../../src/observe/error.ts'
import { mutateBytes, Random } from '../../pack/mutate.ts'
import { expectChain, type Link } from './chain.ts'

const cases = Number(process.env['FUZZ_CASES'] ?? (process.env['CI'] ? 20_000 : 2_000))
const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const timeoutMs = 60_000 + cases * 50

process.stdout.write(`json-lines.fuzz.test.ts: ${cases} cases, FUZZ_SEED=${seed}\n`)

test('any lines come back, and any code ends', () => {
  const told = { links: 0, read: 0, refused: 0 }
  let links: Link[] = []
  for (let round = 0; round < cases; round++) {
    const random = new Random(seed + round)
    const others = links
    links = expectChain((seed + round) >>> 0)
    told.links += links.length
    if (links.length === 0) continue
    const link = random.pick(links)
    const code = random.below(8) === 0 ? link.code : mutateBytes(random, link.code)
    const model = random.below(4) === 0 && others.length > 0 ? random.pick(others).before : link.before
    told[outcome(code, model, seed + round)]++
  }
  expect(told.links).toBeGreaterThan(cases / 4)
  expect(told.refused).toBeGreaterThan(cases / 8)
}, timeoutMs)

function outcome(code: Uint8Array, model: Uint8Array | undefined, round: number): 'read' | 'refused' {
  try {
    const { raw, model: next } = decodeLines(code, model)
    expect(raw.length).toBeLessThanOrEqual(maxBlockBytes)
    expect(next.length).toBeLessThan(2 * maxBlockBytes)
    return 'read'
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'codec-failed') return 'refused'
    throw new Error(`seed ${round}: decoding ended otherwise`, { cause: error })
  }
}
