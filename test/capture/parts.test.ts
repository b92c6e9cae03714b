import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RollingFingerprint, edges } from '../../src/capture/fingerprint.ts'
import { looked, Marks, plainMark } from '../../src/capture/marks.ts'
import { bytesOf, keyOf } from '../../src/capture/path-key.ts'
import { readyAt } from '../../src/capture/ready.ts'
import type { FileFacts } from '../../src/capture/take.ts'
import { EventMeter } from '../../src/capture/watcher.ts'

test('a path survives as a key whatever its bytes', () => {
  fc.assert(fc.property(fc.uint8Array(), (path) => {
    expect(new Uint8Array(bytesOf(keyOf(path)))).toEqual(path)
  }))
})

test('a fingerprint does not depend on how the bytes came, and can be continued from its edges', () => {
  const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()
  const size = fc.oneof(fc.nat(20_000), fc.constantFrom(0, 1, 4095, 4096, 4097, 8192))
  fc.assert(
    fc.property(size, size, fc.integer({ min: 1, max: 9_000 }), (before, after, step) => {
      const file = Uint8Array.from({ length: before + after }, (_, index) => (index * index) >> 3)
      const { length, tailStart } = edges(before)
      const rolling = new RollingFingerprint(file.subarray(0, length), file.subarray(tailStart, tailStart + length))
      for (let at = before; at < file.length; at += step) rolling.push(file.subarray(at, at + step))
      const whole = edges(file.length)
      expect(rolling.value()).toEqual({
        head: sha256(file.subarray(0, whole.length)),
        tail: sha256(file.subarray(whole.tailStart)),
      })
    }),
  )
})

describe('marks', () => {
  test('more of them than the limit become one scan that keeps the oldest since', () => {
    const marks = new Marks(3)
    for (let n = 0; n < 4; n++) marks.note(`f${n}`, 'change', 10 + n, 5)
    expect(marks.paths.size).toBe(0)
    expect(marks.scan).toEqual({ since: 10, readyAt: 15 })
  })

  test('a rotation is looked at from the oldest file to the newest', () => {
    const marks = new Marks()
    for (const key of ['log', 'log.1', 'log.2', 'log', 'log.1', 'log']) marks.note(key, 'rename', 1, 5)
    marks.note('log', 'change', 1, 5)
    expect([...marks.paths.keys()]).toEqual(['log.2', 'log.1', 'log'])
  })

  test('only the first event of a path, or a rename, asks for a look', () => {
    const marks = new Marks()
    expect(['rename', 'change', 'change', 'rename'].map((event) => marks.note('a', event as 'rename', 1, 5))).toEqual([true, false, false, true])
  })

  test('a clock that is set back makes all due that was noted later, once', () => {
    const marks = new Marks()
    const facts = { device: 1n, inode: 1n, sizeBytes: 1, modifiedUs: 1, changedUs: 1, mode: 0 }
    marks.note('told', 'change', 9_000, 500)
    marks.note('looked-at', 'change', 100, 500)
    marks.keep('looked-at', { ...looked(marks.get('looked-at') ?? plainMark(0), facts, 1, 9_000), readyAt: 9_500 })
    marks.keep('old', plainMark(200, 60_200))
    marks.needScan(9_000, 69_000)
    marks.noticeClock(1_000)
    const dueNow = { since: 1_000, readyAt: 1_000 }
    expect(marks.scan).toEqual(dueNow)
    expect(marks.get('told')).toMatchObject({ ...dueNow, eventAt: 1_000 })
    expect(marks.get('looked-at')).toMatchObject({ since: 100, eventAt: 100, readyAt: 1_000, seen: { at: 1_000 } })
    expect(marks.get('old')).toMatchObject({ since: 200, readyAt: 60_200 })
    const before = new Map(marks.paths)
    marks.noticeClock(1_001)
    expect(marks.paths).toEqual(before)
  })

  test('what happened during a look outlives its result', () => {
    const marks = new Marks()
    marks.note('a', 'rename', 1, 5)
    const { paths } = marks.drain()
    marks.note('a', 'change', 3, 5)
    marks.keep('a', { ...(paths.get('a') ?? plainMark(0)), readyAt: 100 })
    expect(marks.get('a')).toMatchObject({ since: 1, lastEvent: 'change', eventAt: 3, readyAt: 8 })
  })
})

describe('a whole file is ready', () => {
  const facts: FileFacts = { device: 1n, inode: 1n, sizeBytes: 1, modifiedUs: 1_000_000, changedUs: 1_000_000, mode: 0 }
  const seen = (at: number, mark = plainMark(at), of = facts): ReturnType<typeof plainMark> => looked(mark, of, 1, at)
  const base = { facts, quietMs: 500, movedIntoPlace: false, closed: false }

  test('when quiet since its last change', () => {
    expect(readyAt({ ...base, mark: seen(1_200) })).toBe(1_500)
  })
  test('when quiet since the last event, which may come after the times of the file', () => {
    expect(readyAt({ ...base, mark: seen(1_300, { ...plainMark(1_300), lastEvent: 'change' }) })).toBe(1_800)
  })
  test('one step of the file clock after it was moved into place or closed', () => {
    expect(readyAt({ ...base, mark: seen(1_200), movedIntoPlace: true })).toBe(1_020)
    expect(readyAt({ ...base, mark: seen(1_200), closed: true })).toBe(1_020)
  })
  test('when its name is newer than its content, unless something was told since', () => {
    const renamed = { ...facts, changedUs: 1_100_000 }
    expect(readyAt({ ...base, facts: renamed, mark: seen(1_200, undefined, renamed) })).toBe(1_120)
    const touched = { ...plainMark(1_100), lastEvent: 'change' as const }
    expect(readyAt({ ...base, facts: renamed, mark: seen(1_200, touched, renamed) })).toBe(1_600)
  })
  test('also when its times lie in the future, or the clock was set back', () => {
    const future = { ...facts, modifiedUs: 9e12, changedUs: 9e12 }
    expect(readyAt({ ...base, facts: future, mark: seen(1_200, undefined, future) })).toBe(1_700)
    const later = looked({ ...plainMark(5_000), lastEvent: 'change' }, future, 1, 5_000)
    expect(readyAt({ ...base, facts: future, mark: looked(later, future, 1, 1_000) })).toBe(1_500)
  })
})

test('half a queue of events within one turn is an overflow, told once', async () => {
  let told = 0
  const meter = new EventMeter(() => (told += 1), 10)
  for (let n = 0; n < 4; n++) meter.count()
  await new Promise(setImmediate)
  for (let n = 0; n < 4; n++) meter.count()
  expect(told).toBe(0)
  for (let n = 0; n < 4; n++) meter.count()
  expect(told).toBe(1)
})
