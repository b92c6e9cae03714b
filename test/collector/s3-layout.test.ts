import fc from 'fast-check'
import { expect, test } from 'vitest'
import { folderOf, furthest, incomingIn, offsetName, piecesIn, uploadIn } from '../../src/collector/s3-layout.ts'

const name = { device: 'laptop-1', seq: 7, hash: 'a'.repeat(64) }
const sizeBytes = 40
const folder = folderOf(name, sizeBytes)
const begun = { key: `${folder}begun`, sizeBytes: 0, changedAt: 5 }

/** Pieces as a store lists them: one for each offset, in order. */
const pieces = fc.uniqueArray(fc.record({ offset: fc.nat(sizeBytes - 1), length: fc.integer({ min: 1, max: 12 }) }), { selector: ({ offset }) => offset })
  .map((found) => found.sort((a, b) => a.offset - b.offset)
    .map(({ offset, length }) => ({ key: folder + offsetName(offset), sizeBytes: Math.min(length, sizeBytes - offset), changedAt: offset })))

test('an upload reaches as far as its pieces do without a gap, and can be read so far', () => {
  fc.assert(fc.property(pieces, (found) => {
    const covered = Array.from({ length: sizeBytes + 1 }, (_, at) => piecesIn(found).some((piece) => piece.offset <= at && at < piece.offset + piece.sizeBytes))
    const reach = covered.indexOf(false)
    expect(incomingIn([...found, begun])).toEqual([{ name, sizeBytes, offset: reach, changedAt: Math.max(5, ...found.map(({ changedAt }) => changedAt)) }])
    let at = 0
    for (let piece = furthest(piecesIn(found), at); piece; piece = furthest(piecesIn(found), at)) at = piece.offset + piece.sizeBytes
    expect(at).toBe(reach)
    expect(incomingIn(found)).toEqual([])
  }))
})

test('keys that are none of an upload are none', () => {
  for (const key of [folder, `${folder}x`, `${folder}1`, `${folder}000000001`, folder.replace('.pack.', '.pack.x'), `.collector/incoming/x/y.pack.1/begun`]) {
    expect(uploadIn(key)).toBeUndefined()
  }
  expect(uploadIn(begun.key)).toEqual({ name, sizeBytes })
  expect(uploadIn(`${folder}00000012`)).toEqual({ name, sizeBytes, offset: 12 })
})
