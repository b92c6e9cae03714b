import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Cursor } from '../../src/capture/take.ts'
import { arrivedBefore, Journal, type SealCommit } from '../../src/journal/journal.ts'
import { chunkerStart } from '../../src/pack/chunker.ts'
import { sha256 } from '../../src/pack/sha256.ts'
import { plain } from '../plain.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const hashOf = (text: string) => sha256(Buffer.from(text))

function open(path: string, mode?: 'write' | 'read'): Journal {
  const journal = new Journal(path, mode)
  onTestFinished(() => {
    if (journal.db.isOpen) journal[Symbol.dispose]()
  })
  return journal
}

const newJournal = async () => open(join(await temporaryFolder(), 'journal.sqlite'))

function cursor(id: string, rest: Partial<Omit<Cursor, 'facts'>> & { path?: Uint8Array; inode?: bigint; device?: bigint } = {}): Cursor {
  const { inode = BigInt(`0x${hashOf(id).toString('hex', 0, 8)}`), device = 7n, ...fields } = rest
  return {
    stream: 'pointer', path: Buffer.from(id), fileId: hashOf(id).subarray(0, 8), offset: 10, complete: false,
    fingerprint: { head: hashOf('head'), tail: hashOf('tail') }, chunker: { hash: 0xffff_ffff, sinceBoundary: 262_143 },
    facts: { device, inode, sizeBytes: 2 ** 43, modifiedUs: -1, changedUs: 1_790_000_000_123_456, mode: 0o7777 }, ...fields,
  }
}

/** Sets cursors whose packs have arrived. */
const set = (journal: Journal, ...cursors: Cursor[]) => journal.putCursors(cursors.map((each) => [each, arrivedBefore]))

const same = (found: unknown, expected: unknown) => expect(plain(found)).toEqual(plain(expected))

function seal(id: number, rest: Partial<SealCommit> = {}, queue = 'any'): SealCommit {
  return {
    pack: { id, queue, streams: ['pointer'], bodyHash: hashOf(`body ${id}`), bodyBytes: 100 * id, rawBytes: 1000 * id, newBytes: 10 * id, sealedAt: 5_000 + id },
    epoch: hashOf('epoch').subarray(0, 8), chunks: [], ordinals: new Map(), cursors: [], ...rest,
  }
}

describe('cursors', () => {
  test('come back with every field, to the largest inode and device', async () => {
    const journal = await newJournal()
    const number = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    const edges = fc.constantFrom(0n, 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n)
    fc.assert(fc.property(fc.oneof(number, edges), fc.oneof(number, edges), fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.maxSafeNat(), fc.boolean(), (inode, device, path, offset, complete) => {
      const written = cursor('a', { inode, device, path, offset, complete })
      set(journal, written)
      same(journal.byInode('pointer', device, inode), written)
      same(journal.byPath('pointer', path), written)
    }), { numRuns: 60 })
  })

  test('are found by path and inode of their own stream only', async () => {
    const journal = await newJournal()
    set(journal, cursor('a', { inode: 5n }))
    expect(journal.byPath('screens', Buffer.from('a'))).toBeUndefined()
    expect(journal.byInode('screens', 7n, 5n)).toBeUndefined()
    expect(journal.byInode('pointer', 8n, 5n)).toBeUndefined()
    expect(journal.byInode('pointer', 7n, 5n)).toBeDefined()
  })

  test('of two generations that share a path the later is the path’s, and dropping it gives it back', async () => {
    const journal = await newJournal()
    const [old, next] = ['old', 'new'].map((id) => cursor(id, { path: Buffer.from('log') }))
    set(journal, old!)
    set(journal, next!)
    same(journal.byPath('pointer', Buffer.from('log')), next)
    same(journal.byInode('pointer', 7n, old!.facts.inode), old)
    journal.dropCursors([next!])
    same(journal.byPath('pointer', Buffer.from('log')), old)
    set(journal, { ...old!, offset: 20 })
    expect(journal.byPath('pointer', Buffer.from('log'))?.offset).toBe(20)
    expect([...journal.inodes('pointer')].length).toBe(1)
  })

  test('what takes the inode of another replaces its cursor', async () => {
    const journal = await newJournal()
    set(journal, cursor('a', { inode: 5n }), cursor('b', { inode: 5n }), cursor('c', { inode: 5n, stream: 'screens' }))
    expect(journal.byPath('pointer', Buffer.from('a'))).toBeUndefined()
    same(journal.byInode('pointer', 7n, 5n), cursor('b', { inode: 5n }))
    expect([...journal.inodes('screens')].length).toBe(1)
  })

  test('a file keeps one cursor when its device is numbered anew', async () => {
    const journal = await newJournal()
    set(journal, cursor('a', { inode: 5n }))
    set(journal, cursor('a', { inode: 5n, device: 8n }))
    expect([...journal.inodes('pointer')]).toEqual([{ device: 8n, inode: 5n }])
  })

  test('from a path on they come in the order of the paths’ bytes, of one path the latest last', async () => {
    const journal = await newJournal()
    const paths = ['b', 'a/b', 'a', '\xff', 'a.b', 'b'].map((path) => Buffer.from(path, 'latin1'))
    set(journal, ...paths.map((path, index) => cursor(String(index), { path, base: index })), cursor('else', { stream: 'screens' }))
    const seen = (from: string, limit: number) => journal.fromPath('pointer', Buffer.from(from), limit).map(({ path, base }) => [Buffer.from(path).toString('latin1'), base])
    expect(seen('', 10)).toEqual([['a', 2], ['a.b', 4], ['a/b', 1], ['b', 0], ['b', 5], ['\xff', 3]])
    expect(seen('a.', 2)).toEqual([['a.b', 4], ['a/b', 1]])
    const [first] = journal.fromPath('pointer', Buffer.from('a'), 1)
    expect(plain(journal.byPath('pointer', Buffer.from('a')))).toMatchObject(plain({ ...first, facts: first?.facts }) as object)
  })

  test('paging hands out each once while cursors change, go and come', async () => {
    const journal = await newJournal()
    const ids = Array.from({ length: 2500 }, (_, index) => `file ${index}`)
    set(journal, ...ids.map((id) => cursor(id)))
    const seen = new Map<string, number>()
    for (const { device, inode } of journal.inodes('pointer')) {
      const id = Buffer.from(journal.byInode('pointer', device, inode)?.path ?? []).toString()
      seen.set(id, (seen.get(id) ?? 0) + 1)
      if (seen.size % 100 === 0) set(journal, cursor(id, { offset: 99 }))
      if (seen.size === 1200) journal.dropCursors([cursor('gone')])
    }
    expect([...seen.keys()].sort()).toEqual(ids.toSorted())
    expect(Math.max(...seen.values())).toBe(1)
  })

  test('of whole versions have arrived when the pack with their end has, and every pack sealed before it', async () => {
    const journal = await newJournal()
    const arrived = () => [...journal.arrivedVersions('screens')].flat().map(({ path }) => Buffer.from(path).toString()).sort()
    const whole = (id: string, rest: Parameters<typeof cursor>[1] = {}) => cursor(id, { stream: 'screens', complete: true, ...rest })
    set(journal, whole('before'), whole('part', { complete: false }), cursor('other', { complete: true }))
    journal.commitSeal(seal(1, { cursors: [whole('one')] }))
    journal.commitSeal(seal(2, { cursors: [whole('two')] }, 'free'))
    expect(arrived()).toEqual(['before'])
    const send = (id: number, seq: number) => journal.transaction(() => journal.markSent(id, { seq, hash: hashOf('x') }, 1))
    send(2, 1)
    expect(arrived()).toEqual(['before'])
    send(1, 2)
    expect(arrived()).toEqual(['before', 'one', 'two'])
    journal.commitSeal(seal(3, { cursors: [whole('one', { offset: 12 })] }))
    expect(arrived()).toEqual(['before', 'two'])
  })

  test('whole versions that arrived come each once, in pages, while those of a page are dropped', async () => {
    const journal = await newJournal()
    const ids = Array.from({ length: 1200 }, (_, index) => `file ${index}`)
    set(journal, ...ids.map((id) => cursor(id, { complete: true })))
    const pages: string[][] = []
    for (const page of journal.arrivedVersions('pointer')) {
      pages.push(page.map(({ path }) => Buffer.from(path).toString()))
      if (pages.length < 3) journal.dropCursors(page)
    }
    expect(pages.length).toBeGreaterThan(2)
    expect(pages.flat()).toEqual(ids)
    expect([...journal.inodes('pointer')]).toHaveLength(pages.slice(2).flat().length)
  })
})

describe('epochs', () => {
  const [monday, tuesday, other] = ['monday', 'tuesday', 'other'].map((name) => hashOf(name).subarray(0, 8)) as [Buffer, Buffer, Buffer]

  test('know their chunks and block counts, and forget them when the queue begins another', async () => {
    const journal = await newJournal()
    journal.beginEpoch('any', monday, 1000)
    journal.beginEpoch('free', other, 1000)
    const knowledge = { chunks: [hashOf('chunk')], ordinals: new Map([['pointer', 4]]) }
    journal.commitSeal(seal(1, { epoch: monday, ...knowledge }))
    journal.commitSeal(seal(2, { epoch: other, ...knowledge }, 'free'))
    const known = (epoch: Uint8Array) => [journal.hasChunk(epoch, hashOf('chunk')), journal.nextOrdinal(epoch, 'pointer')]
    expect(known(monday)).toEqual([true, 4])
    expect(known(tuesday)).toEqual([false, 0])
    journal.beginEpoch('any', tuesday, 2000)
    expect(known(monday)).toEqual([false, 0])
    expect(known(other)).toEqual([true, 4])
    same(journal.epoch('any'), { id: tuesday, startedAt: 2000 })
  })

  test('a chunk that is told twice does no harm', async () => {
    const journal = await newJournal()
    journal.commitSeal(seal(1, { chunks: [hashOf('a'), hashOf('a')] }))
    journal.commitSeal(seal(2, { chunks: [hashOf('a')] }))
    expect(journal.hasChunk(seal(1).epoch, hashOf('a'))).toBe(true)
  })
})

describe('packs', () => {
  test('go from sealed to stamped and sent, and the head follows', async () => {
    const journal = await newJournal()
    expect([journal.nextSealNumber(), journal.head(), journal.nextOf('any')]).toEqual([1, undefined, undefined])
    journal.commitSeal(seal(1))
    journal.commitSeal(seal(2, {}, 'free'))
    journal.commitSeal(seal(3))
    expect(journal.nextSealNumber()).toBe(4)
    expect([journal.nextOf('any')?.id, journal.nextOf('free')?.id, journal.nextOf('none')]).toEqual([1, 2, undefined])
    journal.transaction(() => journal.stamp(2, 1, Buffer.from('header')))
    same(journal.stamped(), { ...seal(2, {}, 'free').pack, state: 'stamped', seq: 1, header: Buffer.from('header') })
    expect([journal.nextOf('any')?.id, journal.nextOf('free')?.id]).toEqual([1, 2])
    journal.transaction(() => journal.markSent(2, { seq: 1, hash: hashOf('header') }, 9000))
    expect(journal.stamped()).toBeUndefined()
    same(journal.head(), { seq: 1, hash: hashOf('header') })
    expect(journal.unsent().map(({ id }) => id)).toEqual([1, 3])
    expect(journal.backlog()).toEqual([{ queue: 'any', packs: 2, bytes: 400 }])
    expect(journal.totals()).toEqual({ packs: 1, packBytes: 200, rawBytes: 2000, lastSentAt: 9000 })
    expect([journal.nextOf('any')?.id, journal.nextOf('free')]).toEqual([1, undefined])
    expect(journal.nextSealNumber()).toBe(4)
  })

  test('a stamp can be taken back, and its place given to another', async () => {
    const journal = await newJournal()
    journal.commitSeal(seal(1))
    journal.commitSeal(seal(2))
    journal.transaction(() => journal.stamp(1, 7, Buffer.from('one')))
    journal.unstamp(1)
    same(journal.nextOf('any'), { ...seal(1).pack, state: 'sealed' })
    journal.transaction(() => journal.stamp(2, 7, Buffer.from('two')))
    expect(journal.stamped()?.id).toBe(2)
    journal.transaction(() => journal.markSent(2, { seq: 7, hash: hashOf('two') }, 1))
    journal.unstamp(2)
    expect(journal.unsent().map(({ id, state }) => [id, state])).toEqual([[1, 'sealed']])
  })

  test('no two packs get one place, and no body is sealed twice', async () => {
    const journal = await newJournal()
    journal.commitSeal(seal(1))
    journal.commitSeal(seal(2))
    journal.transaction(() => journal.stamp(1, 1, Buffer.from('one')))
    expect(() => journal.transaction(() => journal.stamp(2, 1, Buffer.from('two')))).toThrow()
    expect(() => journal.commitSeal({ ...seal(3), pack: { ...seal(3).pack, bodyHash: seal(1).pack.bodyHash } })).toThrow()
    expect(journal.unsent().length).toBe(2)
  })

  test('that are lost go with all that their queue sealed later, and with every cursor and reference into them', async () => {
    const journal = await newJournal()
    const epochOf = (name: string) => hashOf(name).subarray(0, 8)
    for (const queue of ['any', 'free']) journal.beginEpoch(queue, epochOf(queue), 1)
    const sealOf = (id: number, queue: string, streams: string[], ...cursors: Cursor[]) => {
      const { pack } = seal(id, {}, queue)
      journal.commitSeal(seal(id, { pack: { ...pack, streams }, epoch: epochOf(queue), chunks: [hashOf(`${id}`)], cursors }))
    }
    sealOf(1, 'any', ['pointer'], cursor('arrived'))
    journal.transaction(() => journal.markSent(1, { seq: 1, hash: hashOf('1') }, 1))
    sealOf(2, 'any', ['pointer'], cursor('waits'))
    sealOf(3, 'any', ['pointer'], cursor('lost'), cursor('goes on'), cursor('moved on'))
    sealOf(4, 'free', ['screens'], cursor('of another', { stream: 'screens' }))
    sealOf(5, 'any', ['pointer'], cursor('goes on', { offset: 20 }), cursor('later'))
    // The config has put the stream into another queue.
    sealOf(6, 'pointer', ['pointer'], cursor('moved on', { offset: 30 }))
    expect(journal.dropLost([{ id: 3, queue: 'any' }]).map(({ id }) => id)).toEqual([3, 5])
    expect(journal.unsent().map(({ id }) => id)).toEqual([2, 4, 6])
    expect(journal.fromPath('pointer', Buffer.of(), 10).map(({ path }) => Buffer.from(path).toString())).toEqual(['arrived', 'waits'])
    expect([...journal.inodes('screens')].length).toBe(1)
    expect([journal.epoch('any'), journal.hasChunk(epochOf('any'), hashOf('1'))]).toEqual([undefined, false])
    expect([journal.epoch('free')?.startedAt, journal.hasChunk(epochOf('free'), hashOf('4'))]).toEqual([1, true])
  })

  test('that are stamped are not dropped: only the destination knows whether it has them', async () => {
    const journal = await newJournal()
    journal.commitSeal(seal(1))
    journal.commitSeal(seal(2))
    journal.transaction(() => journal.stamp(1, 1, Buffer.from('one')))
    expect(journal.dropLost([{ id: 1, queue: 'any' }]).map(({ id }) => id)).toEqual([2])
    expect(journal.stamped()?.id).toBe(1)
  })

  test('are found by an index in whatever each tick asks, however many were sent', async () => {
    const journal = await newJournal()
    journal.commitSeal(seal(1))
    const asked = new Set<string>()
    const prepare = journal.db.prepare.bind(journal.db)
    journal.db.prepare = (sql: string) => {
      asked.add(sql)
      return prepare(sql)
    }
    journal.backlog()
    journal.waiting()
    journal.unsent()
    journal.unsentStreams()
    journal.stamped()
    journal.nextOf('any')
    journal.nextSealNumber()
    expect([...journal.arrivedVersions('pointer')]).toEqual([])
    expect(asked.size).toBeGreaterThan(6)
    const plans = [...asked].flatMap((sql) => prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...Array<null>((sql.match(/\?/g) ?? []).length).fill(null)))
    expect(plans.map(({ detail }) => String(detail)).filter((detail) => /^SCAN (pack|cursor)/.test(detail))).toEqual([])
  })

  test('a transaction that throws leaves nothing: neither pack nor cursor nor chunk', async () => {
    const journal = await newJournal()
    expect(() => journal.transaction(() => {
      journal.setMeta('a', 'b')
      throw new Error('stop')
    })).toThrow('stop')
    expect(journal.meta('a')).toBeUndefined()
    const chunks = function* () {
      yield hashOf('a')
      throw new Error('half')
    }
    expect(() => journal.commitSeal(seal(1, { chunks: chunks(), cursors: [cursor('a')] }))).toThrow('half')
    expect([journal.unsent(), journal.hasChunk(seal(1).epoch, hashOf('a')), journal.byPath('pointer', Buffer.from('a'))]).toEqual([[], false, undefined])
    journal.commitSeal(seal(1))
    expect(journal.unsent().length).toBe(1)
  })
})

describe('the file', () => {
  /** A journal of some size that was closed. */
  async function closedJournal(): Promise<string> {
    const path = join(await temporaryFolder(), 'journal.sqlite')
    using journal = new Journal(path)
    set(journal, ...Array.from({ length: 500 }, (_, index) => cursor(`file ${index}`, { chunker: chunkerStart })))
    journal.commitSeal(seal(1, { chunks: Array.from({ length: 500 }, (_, index) => hashOf(String(index))) }))
    return path
  }

  const damaged = (path: string) => expect(() => open(path)).toThrow(expect.objectContaining({ code: 'journal-damaged' }))

  test('what was committed is there for the next process, also when this one never closed it', async () => {
    const path = await closedJournal()
    const first = open(path)
    first.setMeta('device', 'laptop')
    first.commitSeal(seal(2))
    const copy = `${path}.copy`
    for (const suffix of ['', '-wal', '-shm']) cpSync(path + suffix, copy + suffix)
    const second = open(copy)
    expect([second.meta('device'), second.unsent().length]).toEqual(['laptop', 2])
  })

  test('of garbage is damaged', async () => {
    const path = join(await temporaryFolder(), 'journal.sqlite')
    writeFileSync(path, 'not a database, '.repeat(1000))
    damaged(path)
  })

  test('cut in half, or at any page of its first half, is damaged', async () => {
    const path = await closedJournal()
    const bytes = readFileSync(path)
    for (const length of [bytes.length >> 1, 4096 * 3, 4096, 1000]) {
      writeFileSync(path, bytes.subarray(0, length))
      damaged(path)
    }
  })

  test('with one page overwritten is damaged, whichever holds something', async () => {
    const path = await closedJournal()
    const bytes = readFileSync(path)
    for (let page = 0; page < bytes.length / 4096; page += 5) {
      const copy = Buffer.from(bytes)
      copy.fill(0x5a, page * 4096, (page + 1) * 4096)
      writeFileSync(path, copy)
      damaged(path)
    }
  })

  test('of a newer version is refused and left as it is', async () => {
    const path = await closedJournal()
    const db = new DatabaseSync(path)
    db.exec('PRAGMA user_version = 1000')
    db.close()
    const before = readFileSync(path)
    for (const mode of ['write', 'read'] as const) expect(() => open(path, mode)).toThrow(expect.objectContaining({ code: 'state-newer' }))
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('is read beside the one that writes it, and not written', async () => {
    const path = await closedJournal()
    const writer = open(path)
    const reader = open(path, 'read')
    expect(reader.unsent().length).toBe(1)
    writer.transaction(() => {
      writer.setMeta('device', 'laptop')
      expect(reader.meta('device')).toBeUndefined()
    })
    expect(reader.meta('device')).toBe('laptop')
    expect(() => reader.setMeta('device', 'other')).toThrow(expect.objectContaining({ code: 'state-unusable' }))
  })

  test('that is not there is not made by a reader', async () => {
    const path = join(await temporaryFolder(), 'journal.sqlite')
    expect(() => open(path, 'read')).toThrow(expect.objectContaining({ code: 'state-unusable' }))
  })
})
