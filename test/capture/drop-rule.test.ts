import { describe, expect, test } from 'vitest'
import { droppedOf, isWrittenIn, judgeVersion, type PausedFile } from '../../src/capture/drop-rule.ts'
import type { LinePoint } from '../../src/capture/drop-store.ts'
import type { Cursor, FileFacts } from '../../src/capture/take.ts'
import { chunkerStart } from '../../src/pack/chunker.ts'

// The pause lasts from 1000 to 2000 ms.
const pause = { since: 1_000, until: 2_000 }
const at = (ms: number, sizeBytes = 100, changedMs = ms): FileFacts =>
  ({ device: 1n, inode: 7n, sizeBytes, modifiedUs: ms * 1000, changedUs: changedMs * 1000, mode: 0o644 })

function cursor(offset: number, facts: FileFacts, complete = false): Cursor {
  const none = new Uint8Array(32)
  return { stream: 's', path: Buffer.from('a'), fileId: new Uint8Array(8), offset, complete, fingerprint: { head: none, tail: none }, chunker: chunkerStart, facts }
}

const point = (sizeBytes: number, modifiedMs: number, keptBytes = sizeBytes): LinePoint =>
  ({ stream: 's', inode: 7n, since: 1_000, sizeBytes, modifiedUs: modifiedMs * 1000, bornUs: 0, keptBytes, isShrunk: false })

const base: PausedFile = { kind: 'append', quietMs: 100, facts: at(500), bornUs: 0, pause, now: 2_600, cursor: undefined, hasLine: false, point: undefined, isShrunk: false }
const hole = (from: number, to: number) => ({ what: 'bytes', holes: [{ from, to }] })

type Case = readonly [claim: string, file: Partial<PausedFile>, dropped: object | undefined]

describe('of an append file', () => {
  const cases: Case[] = [
    ['that was complete before, nothing is dropped', {}, undefined],
    ['written within a step of the file clock before, all is dropped', { facts: at(981) }, hole(0, 100)],
    ['written in it, all that was not read is dropped', { facts: at(1_500), cursor: cursor(40, at(500, 40)) }, hole(40, 100)],
    ['changed in it, all is dropped whatever its times of writing and of birth say', { facts: at(500, 100, 1_500), bornUs: 400_000 }, hole(0, 100)],
    ['dated in whole seconds, all is dropped when its clock may have stood still when it began', { facts: at(0, 100, 0) }, hole(0, 100)],
    ['born after it by a clock that was ahead, all is dropped', { facts: at(2_700), bornUs: 2_700_000 }, hole(0, 100)],
    ['with times from before, all is dropped when it was made in it', { facts: at(500, 100, 1_500), bornUs: 1_500_000 }, hole(0, 100)],
    ['with times from before, all is dropped when nobody knows when it was made', { facts: at(500, 100, 1_500) }, hole(0, 100)],
    ['born after it, nothing is dropped', { facts: at(2_500), bornUs: 2_400_000 }, undefined],
    ['born in its last millisecond, all is dropped', { facts: at(2_500), bornUs: 2_000_900 }, hole(0, 100)],
    ['with a line, what was there is kept', { facts: at(1_500), hasLine: true, point: point(60, 500) }, hole(60, 100)],
    ['with a line drawn late, what was known is kept', { facts: at(1_500), hasLine: true, point: point(60, 990, 50) }, hole(50, 100)],
    ['that is new since the line, all is dropped whatever its times say', { hasLine: true }, hole(0, 100)],
    ['seen shorter, all is dropped', { facts: at(1_500), hasLine: true, point: point(60, 500), isShrunk: true }, hole(0, 100)],
    ['shorter than at the line, all is dropped', { facts: at(1_500, 50), hasLine: true, point: point(60, 500) }, hole(0, 50)],
    ['shorter than what was read, all is dropped', { facts: at(1_500, 30), cursor: cursor(40, at(500, 40)) }, hole(0, 30)],
    ['written without growing, what was unread is dropped', { facts: at(1_500), hasLine: true, point: point(100, 500), cursor: cursor(40, at(400, 40)) }, hole(40, 100)],
    ['all read before it, nothing is dropped', { facts: at(500), cursor: cursor(100, at(500)) }, undefined],
    ['all read before it and changed in it, its end is marked', { facts: at(500, 100, 1_500), cursor: cursor(100, at(500)) }, hole(100, 100)],
    ['with a line, what grew is dropped whatever its times say', { facts: at(500), hasLine: true, point: point(60, 500) }, hole(60, 100)],
    ['with a line and all read, what grew is dropped whatever its times say', { facts: at(500), hasLine: true, cursor: cursor(60, at(500, 60)) }, hole(60, 100)],
    ['all read before it and written since, its end is marked', { facts: at(1_500), cursor: cursor(100, at(500)) }, hole(100, 100)],
  ]
  test.each(cases)('%s', (_, file, dropped) => expect(droppedOf({ ...base, ...file })).toEqual(dropped))
})

describe('when the clock was set back in the pause', () => {
  const back = { pause: { since: 9_000, until: 2_000 } }
  const cases: Case[] = [
    ['what was not read is dropped, whatever its times say', { ...back, facts: at(500), cursor: cursor(40, at(400, 40)) }, hole(40, 100)],
    ['also when it seems to be born after the pause', { ...back, facts: at(2_500), bornUs: 2_500_000 }, hole(0, 100)],
    ['with a line, what was there is kept', { ...back, facts: at(1_500), hasLine: true, point: point(60, 500) }, hole(60, 100)],
    ['with a line, what is as it was is kept', { ...back, facts: at(500), hasLine: true, point: point(100, 500) }, undefined],
  ]
  test.each(cases)('%s', (_, file, dropped) => expect(droppedOf({ ...base, ...file })).toEqual(dropped))

  test('a file that turns up later tells by a time that has not come yet', () => {
    expect(isWrittenIn(at(9_500), back.pause, 3_000)).toBe(true)
    expect(isWrittenIn(at(2_500), back.pause, 3_000)).toBe(false)
    expect(isWrittenIn(at(9_500), back.pause, 10_000)).toBe(false)
  })
})

describe('of a whole file', () => {
  const version = (ms: number, isOver: boolean) => ({ what: 'version', sizeBytes: 100, modifiedUs: ms * 1000, isOver })
  const cases: Case[] = [
    ['complete before, nothing is dropped', {}, undefined],
    ['written in it, its version is dropped', { facts: at(1_500) }, version(1_500, true)],
    ['written up to its end, its version is dropped and not over', { facts: at(1_950) }, version(1_950, false)],
    ['written across its end, its version is dropped and not over', { facts: at(2_050) }, version(2_050, false)],
    ['packed before and not touched since, nothing is dropped', { facts: at(500), cursor: cursor(100, at(500), true) }, undefined],
    ['packed before and changed in it, its version is never read again', { facts: at(500, 100, 1_500), cursor: cursor(100, at(500), true) }, version(500, true)],
    ['packed in part before and changed in it, its version is dropped', { facts: at(500, 100, 1_950), cursor: cursor(50, at(500)) }, version(500, false)],
    ['changed in it, its version is dropped whatever its times of writing and of birth say', { facts: at(500, 100, 1_500), bornUs: 400_000 }, version(500, true)],
    ['as it was at the line, nothing is dropped', { facts: at(500, 100, 1_500), hasLine: true, point: point(100, 500) }, undefined],
    ['that is new since the line, its version is dropped', { hasLine: true }, version(500, true)],
  ]
  test.each(cases)('%s', (_, file, dropped) => expect(droppedOf({ ...base, kind: 'whole', ...file })).toEqual(dropped))

  test('a version that is over is hidden until another comes', () => {
    const dropped = { what: 'version', sizeBytes: 100, modifiedUs: 1_500_000, isOver: true } as const
    expect(judgeVersion(dropped, at(1_500), 100, 9_000)).toEqual({ kind: 'skip', until: Infinity })
    expect(judgeVersion(dropped, at(1_500, 100, 8_000), 100, 9_000)).toEqual({ kind: 'skip', until: Infinity })
    expect(judgeVersion(dropped, at(8_000), 100, 9_000)).toEqual({ kind: 'take' })
  })

  test('one that is not over is hidden until it is quiet, and as it is then', () => {
    const dropped = { what: 'version', sizeBytes: 100, modifiedUs: 1_950_000, isOver: false } as const
    expect(judgeVersion(dropped, at(2_050, 120), 100, 2_100)).toEqual({ kind: 'skip', until: 2_150 })
    expect(judgeVersion(dropped, at(2_050, 120), 100, 2_150)).toEqual({ kind: 'over', dropped: { what: 'version', sizeBytes: 120, modifiedUs: 2_050_000, isOver: true } })
  })
})
