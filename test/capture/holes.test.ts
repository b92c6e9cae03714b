import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clipped, readableBytes, spanFrom, withHole, type Hole } from '../../src/capture/holes.ts'

const hole = fc.tuple(fc.nat(60), fc.nat(20)).map(([from, length]): Hole => ({ from, to: from + length }))
const holes = fc.array(hole, { maxLength: 6 }).map((list) => list.reduce<readonly Hole[]>(withHole, []))
const isIn = (list: readonly Hole[], at: number): boolean => list.some(({ from, to }) => from <= at && at < to)

describe('holes', () => {
  test('a reader who goes from span to span meets every byte outside them once, in order, and none inside', () => {
    fc.assert(fc.property(holes, fc.nat(100), (list, size) => {
      const cut = clipped(list, size)
      const met: number[] = []
      for (let at = 0; at < size;) {
        const { start, end } = spanFrom(cut, at, size)
        for (let byte = start; byte < end; byte++) met.push(byte)
        at = end
      }
      expect(met).toEqual(Array.from({ length: size }, (_, byte) => byte).filter((byte) => !isIn(cut, byte)))
    }))
  })

  test('joined they hide what each hides, in whatever order they come', () => {
    fc.assert(fc.property(fc.array(hole, { maxLength: 6 }), (list) => {
      const joined = list.reduce<readonly Hole[]>(withHole, [])
      expect([...list].reverse().reduce<readonly Hole[]>(withHole, [])).toEqual(joined)
      for (let at = 0; at < 90; at++) expect(isIn(joined, at)).toBe(isIn(list, at))
      for (const [index, { to }] of joined.entries()) expect((joined[index + 1]?.from ?? Infinity) > to).toBe(true)
    }))
  })

  test('what is counted as readable is what can be read', () => {
    fc.assert(fc.property(holes, fc.nat(80), fc.nat(100), (list, position, size) => {
      const bytes = Array.from({ length: size }, (_, at) => at).filter((at) => at >= position && !isIn(list, at))
      expect(readableBytes(list, position, size)).toBe(bytes.length)
    }))
  })

  test('an empty one parts what is before from what is behind', () => {
    expect(spanFrom([{ from: 5, to: 5 }], 2, 9)).toEqual({ start: 2, end: 5, jumped: false })
    expect(spanFrom([{ from: 5, to: 5 }], 5, 9)).toEqual({ start: 5, end: 9, jumped: true })
    expect(spanFrom([{ from: 5, to: 5 }], 6, 9)).toEqual({ start: 6, end: 9, jumped: false })
  })
})
