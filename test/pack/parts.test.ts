import { describe, expect, test } from 'vitest'
import type { FileTake } from '../../src/capture/take.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { Parts } from '../../src/pack/parts.ts'
import { FileCutter } from '../../src/pack/pieces.ts'
import { inline } from '../../src/workers/workers.ts'
import { fakeTake, noise, streamOf } from './make-log.ts'

const screens = streamOf('screens', 'whole')

interface Handed {
  readonly takes: AsyncGenerator<FileTake>
  /** How many were handed out. */
  readonly count: () => number
}

/** Hands out takes as capture does. */
function handing(takes: readonly FileTake[]): Handed {
  let count = 0
  async function* hand(): AsyncGenerator<FileTake> {
    for (const take of takes) {
      count++
      yield take
    }
  }
  return { takes: hand(), count: () => count }
}

const partsOf = (signal?: AbortSignal): Parts => new Parts({ cutter: new FileCutter(inline), chunkKey: async () => undefined, signal })
const files = (count: number, rest: Parameters<typeof fakeTake>[3] = {}) =>
  Array.from({ length: count }, (_, index) => fakeTake(screens, `f${index}`, noise(`f${index}`, 100_000 + index), rest))

describe('parts of files', () => {
  test('come file by file with every byte, and each file is closed with its last', async () => {
    const takes = files(9)
    const parts = partsOf()
    const found = new Map<FileTake, Buffer>()
    for await (const { take, piece, end } of parts.of(handing(takes).takes)) {
      const chunks = (await piece)?.chunks ?? []
      found.set(take, Buffer.concat([found.get(take) ?? Buffer.alloc(0), ...chunks.map(({ bytes }) => bytes)]))
      if (end) expect(end).toBe('read')
      if (end) parts.open.delete(take)
    }
    expect([...found.keys()]).toEqual(takes)
    takes.forEach((take, index) => expect(found.get(take)!.equals(noise(`f${index}`, 100_000 + index))).toBe(true))
    expect(takes.every(({ closed }) => closed)).toBe(true)
    expect(parts.open.size).toBe(0)
  })

  test('are read a few files ahead, and no more', async () => {
    const { takes, count } = handing(files(50))
    for await (const { end } of partsOf().of(takes)) {
      expect(end).toBeUndefined()
      break
    }
    expect(count()).toBeGreaterThan(1)
    expect(count()).toBeLessThan(8)
  })

  test('of which nobody wants more leave no file open, and tell which were begun', async () => {
    const takes = files(20)
    const { takes: handed, count } = handing(takes)
    const parts = partsOf()
    const coming = parts.of(handed)
    await coming.next()
    await coming.return(undefined)
    expect(takes.slice(0, count()).every(({ closed }) => closed)).toBe(true)
    expect([...parts.open]).toEqual(takes.slice(0, count()))
  })

  test('of a file that cannot be kept are all read before the next is asked for', async () => {
    const takes = files(5, { keep: () => false, bufferBytes: 30_000 })
    const { takes: handed, count } = handing(takes)
    const before: number[] = []
    for await (const { take } of partsOf().of(handed)) {
      before.push(count())
      expect(takes.indexOf(take as (typeof takes)[number])).toBe(count() - 1)
    }
    expect(before.length).toBeGreaterThan(5)
  })

  test('end with `aborted`, and every file closed', async () => {
    const stop = new AbortController()
    const takes = files(20)
    const { takes: handed, count } = handing(takes)
    const coming = partsOf(stop.signal).of(handed)
    await coming.next()
    stop.abort()
    await expect((async () => { while (!(await coming.next()).done); })()).rejects.toMatchObject({ code: 'aborted' })
    expect(count()).toBeLessThan(10)
    expect(takes.slice(0, count()).every(({ closed }) => closed)).toBe(true)
  })

  test('of a file that the disk does not give end with that, and the next files follow', async () => {
    const takes = files(3)
    takes[1]!.read = async function* () {
      yield Buffer.alloc(10)
      throw new SluiceError('capture-unreadable', 'EIO')
    }
    const ends: unknown[] = []
    for await (const { end } of partsOf().of(handing(takes).takes)) if (end) ends.push(end)
    expect(ends).toEqual(['read', 'unreadable', 'read'])
  })
})
