/**
 * Claims: whatever bytes a block has, it comes back to the byte or is left alone; whatever bytes a code has, decoding
 * it ends with a block of at most 1 MiB and a model of at most 2 MiB, or with `codec-failed`; both in bounded memory.
 *
 * Method: chains of generated lines, half of them damaged, cut anywhere, are encoded and decoded. Then a code of each chain is
 * damaged, or read with the model of another block, or is garbage altogether. Work is bounded by what comes out; the slowest
 * case is told. The seed is printed; FUZZ_SEED repeats a run.
 */
import { expect, test } from 'vitest'
import { maxBlockBytes } from '../../../src/compress/codec.ts'
import { decodeLines } from '../../../src/compress/json-lines/decode.ts'
import { SluiceError } from '../../../src/observe/error.ts'
import { mutateBytes, Random } from '../../pack/mutate.ts'
import { sized } from '../../size.ts'
import { Slowest } from '../slowest.ts'
import { expectChain, type Link } from './chain.ts'

const cases = sized({ quick: 3_000, ci: 100_000, long: 1_000_000 })
const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const maxRssBytes = 768 << 20
const slowest = new Slowest()

test(`${cases} blocks of any bytes come back or are left alone, and any code ends (FUZZ_SEED=${seed})`, { timeout: 90 * 60_000 }, () => {
  const told = { exact: 0, left: 0, read: 0, refused: 0 }
  let before: readonly Link[] = []
  for (let round = 0; told.exact + told.left < cases; round++) {
    const random = new Random(seed + round)
    const { links, left } = slowest.time(() => expectChain((seed + round) >>> 0))
    told.exact += links.length
    told.left += left
    if (round % 1000 === 0) expect(process.memoryUsage().rss).toBeLessThan(maxRssBytes)
    if (links.length === 0) continue
    const { code, model } = broken(random, random.pick(links), before)
    told[slowest.time(() => outcome(code, model, seed + round))]++
    before = links
  }
  process.stdout.write(
    `json-lines.fuzz.test.ts, FUZZ_SEED=${seed}: ${told.exact} blocks exact, ${told.left} left alone; `
      + `of broken codes ${told.read} read, ${told.refused} refused; ${slowest.words}\n`,
  )
  expect(process.memoryUsage().rss).toBeLessThan(maxRssBytes)
  expect(told.exact).toBeGreaterThan(cases / 8)
  expect(told.left).toBeGreaterThan(0)
  expect(told.read).toBeGreaterThan(0)
  expect(told.refused).toBeGreaterThan(cases / 50)
})

/** A code and a model to read it with that do not belong together, or are no longer what they were. */
function broken(random: Random, link: Link, others: readonly Link[]): { readonly code: Uint8Array, readonly model: Uint8Array | undefined } {
  const kind = random.below(16)
  const code = kind < 2 ? link.code : kind === 2 ? random.bytes(random.below(300)) : mutateBytes(random, link.code)
  const another = random.below(4) === 0 && others.length > 0 ? random.pick(others).before : link.before
  return { code, model: another && random.below(8) === 0 ? mutateBytes(random, another) : another }
}

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
