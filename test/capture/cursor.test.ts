import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decide, isUnchanged, type Sighting } from '../../src/capture/cursor.ts'
import type { Cursor, FileFacts } from '../../src/capture/take.ts'
import { chunkerStart } from '../../src/pack/chunker.ts'

const facts: FileFacts = { device: 1n, inode: 7n, sizeBytes: 100, modifiedUs: 5, changedUs: 5, mode: 0o644 }

function cursor(changes: Partial<Omit<Cursor, 'facts'>> & { facts?: Partial<FileFacts> } = {}): Cursor {
  return {
    stream: 's', path: Buffer.from('here'), fileId: new Uint8Array(8), offset: 100, complete: false,
    fingerprint: { head: new Uint8Array(32), tail: new Uint8Array(32) }, chunker: chunkerStart,
    ...changes, facts: { ...facts, ...changes.facts },
  }
}

const elsewhere = { path: Buffer.from('elsewhere') }

type Case = readonly [claim: string, seen: Partial<FileFacts>, known: { inode?: Cursor; path?: Cursor }, matches: boolean | undefined, verdict: object]

function check(kind: Sighting['kind'], [, seen, known, matches, verdict]: Case): void {
  const isHere = ({ path }: Cursor): boolean => Buffer.from(path).equals(Buffer.from('here'))
  const sighting = { kind, facts: { ...facts, ...seen }, isHere, byInode: known.inode, byPath: known.path, holes: [] }
  expect(decide(sighting, matches)).toMatchObject(verdict)
}

const other = cursor({ facts: { inode: 8n } })
const renumbered = cursor({ facts: { device: 2n } })

describe('an append file', () => {
  const cases: Case[] = [
    ['nobody knows is new', {}, {}, undefined, { kind: 'begin', because: 'new' }],
    ['as it was is unchanged without a look inside', {}, { inode: cursor() }, undefined, { kind: 'unchanged' }],
    ['touched needs a look', { modifiedUs: 6, changedUs: 6 }, { inode: cursor() }, undefined, { kind: 'check' }],
    ['touched and the same inside is unchanged', { modifiedUs: 6, changedUs: 6 }, { inode: cursor() }, true, { kind: 'unchanged' }],
    ['rewritten to the same size is replaced', { modifiedUs: 6, changedUs: 6 }, { inode: cursor() }, false, { kind: 'begin', because: 'replaced' }],
    ['read while its time was not to be trusted needs a look', {}, { inode: cursor({ facts: { changedUs: 0 } }) }, undefined, { kind: 'check' }],
    ['longer needs a look', { sizeBytes: 101 }, { inode: cursor() }, undefined, { kind: 'check' }],
    ['longer and the same inside goes on', { sizeBytes: 101 }, { inode: cursor() }, true, { kind: 'continue', renamed: false }],
    ['longer and different inside is replaced', { sizeBytes: 101 }, { inode: cursor() }, false, { kind: 'begin', because: 'replaced' }],
    ['shorter is truncated', { sizeBytes: 99 }, { inode: cursor() }, undefined, { kind: 'begin', because: 'truncated' }],
    ['under another name needs a look', {}, { inode: cursor(elsewhere) }, undefined, { kind: 'check' }],
    ['under another name goes on, also without new bytes', {}, { inode: cursor(elsewhere) }, true, { kind: 'continue', renamed: true }],
    ['under another name, different inside, is replaced', {}, { inode: cursor(elsewhere) }, false, { kind: 'begin', because: 'replaced' }],
    ['with another inode is replaced', {}, { path: other }, undefined, { kind: 'begin', because: 'replaced', former: other }],
    ['whose device was numbered anew is unchanged', {}, { path: renumbered }, undefined, { kind: 'unchanged' }],
    ['whose device was numbered anew goes on', { sizeBytes: 101 }, { path: renumbered }, true, { kind: 'continue', renamed: false }],
  ]
  test.each(cases)('%s', (...row) => check('append', row))
})

describe('a whole file', () => {
  const complete = cursor({ complete: true })
  const half = cursor({ offset: 50 })
  const cases: Case[] = [
    ['nobody knows is new', {}, {}, undefined, { kind: 'begin', because: 'new' }],
    ['as it was is unchanged', {}, { inode: complete }, undefined, { kind: 'unchanged' }],
    ['half packed needs a look', {}, { inode: half }, undefined, { kind: 'check' }],
    ['half packed goes on', {}, { inode: half }, true, { kind: 'continue', cursor: half, renamed: false }],
    ['half packed but different inside is a new version', {}, { inode: half }, false, { kind: 'begin', because: 'version' }],
    ['of another size is a new version', { sizeBytes: 101 }, { inode: complete }, undefined, { kind: 'begin', because: 'version' }],
    ['written again is a new version', { modifiedUs: 6, changedUs: 6 }, { inode: complete }, undefined, { kind: 'begin', because: 'version' }],
    ['whose times were set back is a new version', { changedUs: 6 }, { inode: complete }, undefined, { kind: 'begin', because: 'version' }],
    ['half packed and changed is a new version', { changedUs: 6 }, { inode: half }, undefined, { kind: 'begin', because: 'version' }],
    ['renamed needs a look', { changedUs: 6 }, { inode: cursor({ ...elsewhere, complete: true }) }, undefined, { kind: 'check' }],
    ['renamed goes on', { changedUs: 6 }, { inode: cursor({ ...elsewhere, complete: true }) }, true, { kind: 'continue', renamed: true }],
    ['renamed and written is a new version', { modifiedUs: 6 }, { inode: cursor({ ...elsewhere, complete: true }) }, undefined, { kind: 'begin', because: 'version' }],
    ['with another inode is replaced', {}, { path: other }, undefined, { kind: 'begin', because: 'replaced', former: other }],
  ]
  test.each(cases)('%s', (...row) => check('whole', row))
})

test('in short, a file is unchanged exactly when the whole rule says so', () => {
  const number = fc.integer({ min: 0, max: 2 })
  const seenFacts = fc.record({ sizeBytes: number, modifiedUs: number, changedUs: number })
  const known = fc.record({ base: number, offset: number, complete: fc.boolean(), facts: seenFacts })
  fc.assert(fc.property(fc.constantFrom('append', 'whole'), seenFacts, known, (kind, seen, changes) => {
    const byInode = cursor(changes)
    const sighting = { kind, facts: { ...facts, ...seen }, isHere: () => true, byInode, byPath: undefined, holes: [] }
    expect(isUnchanged(kind, sighting.facts, byInode)).toBe(decide(sighting).kind === 'unchanged')
  }), { numRuns: 2_000 })
})
