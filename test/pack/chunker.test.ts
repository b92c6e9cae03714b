import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chunkSizes, chunkerStart, nextCut, type ChunkerState } from '../../src/pack/chunker.ts'
import { noise } from './make-log.ts'
import { plainNextCut } from './twin/chunker.ts'

const KiB = 1024

/** docs/format.md, "Chunking", word for word: boundaries as offsets, without the end of the bytes. */
function plainBoundaries(bytes: Uint8Array): number[] {
  const gear = Array.from({ length: 256 }, (_, b) => createHash('sha256').update(`sluice gear 1 ${b}`).digest().readUInt32LE(0))
  const boundaries: number[] = []
  let start = 0
  let hash = 0n
  for (let at = 0; at < bytes.length; at++) {
    const length = at + 1 - start
    if (length <= 16 * KiB) continue
    hash = ((hash << 1n) + BigInt(gear[bytes[at] as number] as number)) & 0xffffffffn
    const mask = length <= 64 * KiB ? 0xffffc000n : 0xfffc0000n
    if ((hash & mask) !== 0n && length < 256 * KiB) continue
    boundaries.push(at + 1)
    start = at + 1
    hash = 0n
  }
  return boundaries
}

/** Boundaries found when the bytes come in buffers that end at `ends`, each handed to `restart` with the state so far. */
function boundariesIn(bytes: Uint8Array, ends: readonly number[], restart: (state: ChunkerState) => ChunkerState = (state) => state): number[] {
  const boundaries: number[] = []
  let [state, at]: [ChunkerState, number] = [chunkerStart, 0]
  for (const end of [...ends, bytes.length]) {
    while (at < end) {
      const cut = nextCut(bytes.subarray(at, end), state)
      expect(cut.length).toBeGreaterThan(0)
      at += cut.length
      state = cut.state
      if (cut.found) boundaries.push(at)
    }
    state = restart(state)
  }
  return boundaries
}

const boundariesOf = (bytes: Uint8Array) => boundariesIn(bytes, [])
const sizesOf = (boundaries: readonly number[]) => boundaries.map((end, index) => end - (boundaries[index - 1] ?? 0))

/** Content with all that chunkers trip over: noise, long runs of one byte, repeats. */
const content = fc.array(
  fc.tuple(fc.constantFrom('noise', 'zeros', 'repeat'), fc.integer({ min: 1, max: 300_000 }), fc.nat(1000)), { minLength: 1, maxLength: 5 },
).map((pieces) => Buffer.concat(pieces.map(([kind, size, seed]) =>
  kind === 'noise' ? noise(String(seed), size) : Buffer.alloc(size, kind === 'zeros' ? 0 : noise(String(seed), 700)))))

const endsIn = (bytes: Uint8Array) => fc.array(fc.nat(bytes.length), { maxLength: 12 }).map((ends) => ends.sort((a, b) => a - b))

describe('the chunker', () => {
  test('cuts where its twin in plain TypeScript cuts, with the same state', () => {
    fc.assert(fc.property(content, fc.nat(2 ** 32 - 1), fc.nat(200_000), (bytes, hash, sinceBoundary) => {
      const state = { hash: sinceBoundary > 0 ? hash : 0, sinceBoundary }
      expect(nextCut(bytes, state)).toEqual(plainNextCut(bytes, state))
    }))
  })

  test('cuts where a plain implementation of docs/format.md cuts', () => {
    fc.assert(fc.property(content, (bytes) => {
      expect(boundariesOf(bytes)).toEqual(plainBoundaries(bytes))
    }), { numRuns: 25 })
  })

  test('the boundaries of known bytes never change: packs of years share chunks', () => {
    expect(boundariesOf(noise('golden', 400_000))).toEqual([80_000, 118_054, 190_899, 273_794, 329_783])
  })

  test('finds the same boundaries whatever buffers the bytes come in, also when the state went through a journal', () => {
    fc.assert(fc.property(content.chain((bytes) => fc.tuple(fc.constant(bytes), endsIn(bytes))), ([bytes, ends]) => {
      const through = (state: ChunkerState) => JSON.parse(JSON.stringify(state)) as ChunkerState
      expect(boundariesIn(bytes, ends, through)).toEqual(boundariesOf(bytes))
    }), { numRuns: 50 })
    const bytes = noise('bytewise', 200_000)
    expect(boundariesIn(bytes, Array.from({ length: bytes.length }, (_, at) => at))).toEqual(boundariesOf(bytes))
  })

  test('its state is an unsigned hash and a length below the largest chunk', () => {
    fc.assert(fc.property(content, (bytes) => {
      boundariesIn(bytes, Array.from({ length: 40 }, (_, part) => Math.floor((bytes.length * part) / 40)), (state) => {
        expect(state.hash).toBe(state.hash >>> 0)
        expect(state.sinceBoundary).toBeLessThan(chunkSizes.most)
        return state
      })
    }), { numRuns: 10 })
  })

  test('keeps sizes within their bounds', () => {
    fc.assert(fc.property(content, (bytes) => {
      for (const size of sizesOf(boundariesOf(bytes))) {
        expect(size).toBeGreaterThan(chunkSizes.least)
        expect(size).toBeLessThanOrEqual(chunkSizes.most)
      }
    }), { numRuns: 50 })
  })

  test('makes chunks of about 64 KiB of random bytes, few of them the largest', () => {
    const sizes = sizesOf(boundariesOf(noise('average', 24 << 20)))
    const mean = sizes.reduce((sum, size) => sum + size) / sizes.length
    expect(mean).toBeGreaterThan(56 * KiB)
    expect(mean).toBeLessThan(84 * KiB)
    expect(sizes.filter((size) => size === chunkSizes.most).length).toBeLessThan(sizes.length / 50)
  })

  test('after inserted bytes the old boundaries come back within a few chunks', () => {
    const original = noise('insertion', 6 << 20)
    const before = boundariesOf(original)
    fc.assert(fc.property(fc.nat(3 << 20), fc.uint8Array({ minLength: 1, maxLength: 500 }), (at, inserted) => {
      const changed = Buffer.concat([original.subarray(0, at), inserted, original.subarray(at)])
      const after = new Set(boundariesOf(changed))
      const lost = before.filter((boundary) => !after.has(boundary <= at ? boundary : boundary + inserted.length))
      expect(lost.filter((boundary) => boundary <= at)).toEqual([])
      expect(lost.length).toBeLessThan(16)
    }), { numRuns: 20 })
  })
})
