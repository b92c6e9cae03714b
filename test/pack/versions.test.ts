import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chunkerStart } from '../../src/pack/chunker.ts'
import { Placement } from '../../src/pack/versions.ts'
import { addSegment, LogMaker, streamOf, type SegmentFacts } from './make-log.ts'
import { bytesOfVersion, problemsOf, readAll } from './read-content.ts'

const append = streamOf('pointer')
const whole = streamOf('screens', 'whole')
type Segment = SegmentFacts & { readonly text: string; readonly stream?: typeof append }

/** Versions of a log with one pack per segment: `stream/path: content`, newest first; `…` when its end never arrived. */
async function versionsOf(segments: readonly Segment[]): Promise<string[]> {
  const log = new LogMaker()
  for (const { text, stream = append, ...facts } of segments) {
    await log.pack('monday', (builder) => addSegment(builder, stream, { chunker: chunkerStart, ...facts }, Buffer.from(text)))
  }
  const content = await readAll(log.destination)
  expect(problemsOf(content)).toEqual([])
  return Promise.all(content.versions.newestFirst().map(async (version) => {
    const text = (await bytesOfVersion(content, version)).toString()
    return `${version.stream}/${Buffer.from(version.path).toString()}: ${text}${version.complete ? '' : '…'}`
  }))
}

describe('versions of capture files', () => {
  test('segments of one id are one file, under its last name', async () => {
    expect(await versionsOf([
      { path: 'log', id: 'a', text: 'one ' },
      { path: 'log', id: 'a', text: 'two ', offset: 4 },
      { path: 'log.1', id: 'a', text: '', offset: 8 },
      { path: 'log', id: 'b', text: 'three' },
      { path: 'log.1', id: 'a', text: 'late', offset: 8 },
    ])).toEqual(['pointer/log.1: one two late', 'pointer/log: three'])
  })

  test('a file that was cut short or replaced is another version of the same path', async () => {
    expect(await versionsOf([{ path: 'log', id: 'a', text: 'long content' }, { path: 'log', id: 'b', text: 'new' }]))
      .toEqual(['pointer/log: new', 'pointer/log: long content'])
  })

  test('a whole file is complete when its last segment says so, and no longer when another follows', async () => {
    expect(await versionsOf([
      { path: 'a', text: 'ab', stream: whole, complete: false },
      { path: 'b', text: 'ab', stream: whole, complete: false },
      { path: 'b', text: 'cd', stream: whole, offset: 2 },
      { path: 'c', text: 'ab', stream: whole },
      { path: 'c', text: 'cd', stream: whole, offset: 2, complete: false },
      { path: 'empty', text: '', stream: whole },
    ])).toEqual(['screens/empty: ', 'screens/c: abcd…', 'screens/b: abcd', 'screens/a: ab…'])
  })

  test('the same id in two streams is two files', async () => {
    expect(await versionsOf([{ path: 'a', id: 'x', text: 'one' }, { path: 'a', id: 'x', text: 'two', stream: whole }]))
      .toEqual(['screens/a: two', 'pointer/a: one'])
  })
})

describe('places', () => {
  test('the newest version gets the name, older ones numbers, 1 the oldest', () => {
    expect(new Placement().place('s/a', 3)).toEqual(['s/a', 's/a.~2~', 's/a.~1~'])
  })

  test('a name that looks like an older version keeps its own', () => {
    const placement = new Placement()
    expect(placement.place('s/a.~1~', 1)).toEqual(['s/a.~1~'])
    expect(placement.place('s/a', 2)).toEqual(['s/a', 's/a.~2~'])
  })

  test('where a newer file stands in the way of a folder, the folder is renamed, and a newer folder renames the file', () => {
    const file = new Placement()
    expect([file.place('s/a', 1), file.place('s/a/b', 1), file.place('s/a/c', 1)]).toEqual([['s/a'], ['s/a.~1~/b'], ['s/a.~1~/c']])
    const folder = new Placement()
    expect([folder.place('s/a/b', 1), folder.place('s/a', 2)]).toEqual([['s/a/b'], ['s/a.~2~', 's/a.~1~']])
  })

  test('a name near the limit of 255 bytes is cut to make room for its number', () => {
    const long = `s/${'x'.repeat(255)}`
    const names = new Placement().place(long, 12)
    expect(names[0]).toBe(long)
    expect(names.every((name) => name.length <= 2 + 255)).toBe(true)
    expect(names.at(-1)).toBe(`s/${'x'.repeat(251)}.~1~`)
  })

  test('no two versions share a place, no file stands in another’s way, every newest free path keeps its name', () => {
    const part = fc.constantFrom('a', 'b', 'a.~1~', 'b.~2~', 'x'.repeat(254), 'x'.repeat(251))
    const paths = fc.uniqueArray(fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')), { maxLength: 12 })
    fc.assert(fc.property(paths, fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 12, maxLength: 12 }), (wanted, counts) => {
      const placement = new Placement()
      const names = wanted.flatMap((path, index) => placement.place(path, counts[index] as number))
      expect(new Set(names).size).toBe(names.length)
      expect(names.filter((name) => names.some((other) => other.startsWith(`${name}/`)))).toEqual([])
      expect(names.every((name) => name.split('/').every((piece) => piece.length <= 255))).toBe(true)
      if (wanted[0] !== undefined) expect(names[0]).toBe(wanted[0])
    }), { numRuns: 1000 })
  })
})
