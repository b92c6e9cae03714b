import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inLogOrder } from '../../src/transfer/destination-rules.ts'
import { packFileName, parsePackFileName, type PackName } from '../../src/transfer/destination.ts'
import { findAll, findHead, hasPacks, type PageSource } from '../../src/transfer/s3/listing.ts'

/** A store that holds these names, and what it was asked. */
function folderOf(names: readonly string[]) {
  const sorted = [...new Set(names)].sort()
  const asked = { requests: 0, names: 0 }
  const page: PageSource = async (after, most) => {
    const [from, to] = [firstBehind(sorted, after), firstBehind(sorted, after) + most]
    asked.requests++
    asked.names += Math.min(to, sorted.length) - from
    return { names: sorted.slice(from, to), more: to < sorted.length }
  }
  return { page, asked }
}

function firstBehind(sorted: readonly string[], after: string): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? '') > after) high = middle
    else low = middle + 1
  }
  return low
}

const nameOf = (seq: number, hash = 'a'.repeat(64)): PackName => ({ device: 'laptop-1', seq, hash })
const fileOf = (seq: number): string => packFileName(nameOf(seq))
const upTo = (count: number): string[] => Array.from({ length: count }, (_, at) => fileOf(at + 1))

/** Looking at every name tells the truth. */
function packsIn(names: readonly string[]): PackName[] {
  return [...new Set(names)].flatMap((name) => parsePackFileName('laptop-1', name) ?? []).sort(inLogOrder)
}

const seq = fc.oneof(
  fc.integer({ min: 1, max: 400 }),
  fc.integer({ min: 1, max: 1_000_000 }),
  fc.constantFrom(999_999_999, 1_000_000_000, 9_999_999_999, 10_000_000_000, 99_999_999_999, Number.MAX_SAFE_INTEGER),
)
const hash = fc.constantFrom('a', 'b', 'c').map((digit) => digit.repeat(64))
const foreign = fc.oneof(
  fc.constantFrom('notes.txt', '0', '.hidden', '0000000005', '0000000005-short.pack', '~', 'ä', '1', '99999999999999999999-x'),
  fc.string({ minLength: 1, maxLength: 12 }),
)
const run = fc.tuple(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 0, max: 300 }))
  .map(([first, count]) => Array.from({ length: count }, (_, at) => fileOf(first + at)))
const names = fc.tuple(
  fc.array(fc.tuple(seq, hash).map(([number, digits]) => packFileName(nameOf(number, digits))), { maxLength: 60 }),
  run, fc.array(foreign, { maxLength: 60 }),
).map((parts) => parts.flat())

describe('the log in a folder of a store', () => {
  test('ends where looking at every name says so, whatever else is there and whatever was the end before', async () => {
    await fc.assert(fc.asyncProperty(names, fc.option(seq, { nil: undefined }), async (all, hint) => {
      expect(await findHead(folderOf(all).page, 'laptop-1', hint)).toEqual(packsIn(all).at(-1))
    }), { numRuns: 500 })
  })

  test('is listed whole and in order, and told from an empty one', async () => {
    await fc.assert(fc.asyncProperty(names, async (all) => {
      expect(await findAll(folderOf(all).page, 'laptop-1')).toEqual(packsIn(all))
      expect(await hasPacks(folderOf(all).page, 'laptop-1')).toBe(packsIn(all).length > 0)
    }), { numRuns: 200 })
  })

  test.each([[0, 1], [1, 1], [20, 1], [21, 5], [1000, 14], [10_000, 18], [100_000, 22]])(
    'of %i packs takes at most %i requests to find its end', async (count, most) => {
      const { page, asked } = folderOf(upTo(count))
      expect((await findHead(page, 'laptop-1'))?.seq ?? 0).toBe(count)
      expect(asked.requests).toBeLessThanOrEqual(most)
      expect(asked.names, 'names that were told').toBeLessThan(90)
    })

  test('takes one request when its end was known before, also some packs ago', async () => {
    const { page, asked } = folderOf(upTo(100_000))
    expect((await findHead(page, 'laptop-1', 99_990))?.seq).toBe(100_000)
    expect((await findHead(page, 'laptop-1', 100_000))?.seq).toBe(100_000)
    expect(asked.requests).toBe(2)
  })

  test('is searched anew where its end is gone', async () => {
    expect((await findHead(folderOf(upTo(30)).page, 'laptop-1', 50_000))?.seq).toBe(30)
    expect(await findHead(folderOf([]).page, 'laptop-1', 50_000)).toBeUndefined()
  })

  test.each<[string, (page: PageSource) => Promise<unknown>]>([
    ['its end', (page) => findHead(page, 'laptop-1')],
    ['its end, near one known before', (page) => findHead(page, 'laptop-1', 5)],
    ['all of it', (page) => findAll(page, 'laptop-1')],
    ['any of it', (page) => hasPacks(page, 'laptop-1')],
  ])('is refused when pages never end or come again, where it is asked for %s', async (_, find) => {
    const refusal = { code: 'destination-refused', transient: false }
    let count = 0
    const endless = async (after: string) => {
      if (++count > 3000) throw new Error('endless')
      return { names: [`${after === '' ? '0' : after.slice(0, 10)}x${String(count).padStart(9, '0')}`], more: true }
    }
    await expect(find(endless)).rejects.toMatchObject(refusal)
    count = 0
    const again = async () => {
      if (++count > 3) throw new Error('endless')
      return { names: ['0000000001x'], more: true }
    }
    await expect(find(again)).rejects.toMatchObject(refusal)
  })

  test('may have a million names', async () => {
    const pageOf = (pages: number): PageSource => {
      let told = 0
      return async () => ({ names: Array.from({ length: 1000 }, (__, at) => `x${String(told * 1000 + at).padStart(9, '0')}`), more: ++told < pages })
    }
    expect(await findAll(pageOf(1000), 'laptop-1')).toEqual([])
    await expect(findAll(pageOf(1001), 'laptop-1')).rejects.toMatchObject({ code: 'destination-refused' })
  })
})
