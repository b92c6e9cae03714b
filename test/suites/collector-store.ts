import { randomBytes } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { checkPack } from '../../src/collector/pack-check.ts'
import { mayFollow } from '../../src/collector/placement.ts'
import type { CollectorStore } from '../../src/collector/store.ts'
import type { PackName } from '../../src/transfer/destination.ts'
import { chainOf, packOf, type TestPack } from '../transfer/packs.ts'

/** An empty store, how another process opens it, and how to look into it by a way of one's own. */
export interface StoreUnderTest {
  readonly store: CollectorStore
  readonly reopen: () => Promise<CollectorStore>
  readonly list: (device: string) => Promise<PackName[]>
  readonly content: (name: PackName) => Promise<Buffer>
  /** Leaves what a collector leaves that dies before it has put the pack it claimed a place for into the log. */
  readonly claim: (pack: TestPack) => Promise<void>
  /** What claims there are, as `<device>-<seq>`. */
  readonly claims: () => Promise<string[]>
  readonly remove: () => Promise<void>
}

/** What every `CollectorStore` promises. */
export function describeCollectorStore(name: string, factory: () => Promise<StoreUnderTest>): void {
  describe(`${name} as store of a collector`, () => {
    const create = async (): Promise<StoreUnderTest> => {
      const made = await factory()
      onTestFinished(made.remove)
      return made
    }

    test('is empty at first, and can be reached', async () => {
      const { store } = await create()
      await store.check()
      expect(await store.head('laptop-1')).toBeUndefined()
      expect(await store.usage('laptop-1')).toEqual({ packs: 0, bytes: 0 })
      expect([await store.incoming(), await store.records.list('devices/')]).toEqual([[], []])
    })

    test('an upload grows piece by piece, wherever it is asked for, and is no pack before it is committed', async () => {
      const { store, reopen, list } = await create()
      const pack = packOf(1, randomBytes(200_000))
      const begun = await store.begin(pack.name, pack.sizeBytes)
      expect(begun).toMatchObject({ name: pack.name, sizeBytes: pack.sizeBytes, offset: 0 })
      expect(await store.append(begun, 0, pieces(pack, 0, 70_000))).toBe(70_000)
      const other = await reopen()
      const found = await other.begin(pack.name, pack.sizeBytes)
      expect(found.offset).toBe(70_000)
      expect(await other.append(found, 70_000, pieces(pack, 70_000))).toBe(pack.sizeBytes)
      expect(await store.find(pack.name)).toMatchObject({ offset: pack.sizeBytes })
      expect([await store.head('laptop-1'), await store.sizeOf(pack.name), await list('laptop-1')]).toEqual([undefined, undefined, []])
    })

    test('what was taken before the bytes failed is kept', async () => {
      const { store, reopen } = await create()
      const pack = packOf(1, randomBytes(100_000))
      const failing = async function *() {
        yield *pieces(pack, 0, 40_000)
        throw new Error('cut')
      }
      await expect(store.append(await store.begin(pack.name, pack.sizeBytes), 0, failing())).rejects.toThrow('cut')
      expect((await (await reopen()).find(pack.name))?.offset).toBe(40_000)
    })

    test('a committed pack is the head, comes back exactly, and its upload is gone', async () => {
      const { store, reopen, list, content } = await create()
      const packs = chainOf([randomBytes(100), randomBytes(3_000_000), randomBytes(65_536)])
      for (const pack of packs) await put(store, pack)
      expect(await list('laptop-1')).toEqual(packs.map((pack) => pack.name))
      for (const pack of packs) {
        expect((await content(pack.name)).equals(pack.bytes)).toBe(true)
        expect(await store.sizeOf(pack.name)).toBe(pack.sizeBytes)
      }
      expect(await (await reopen()).head('laptop-1')).toEqual(packs.at(-1)?.name)
      const bytes = packs.reduce((sum, pack) => sum + pack.sizeBytes, 0)
      expect(await store.usage('laptop-1')).toMatchObject({ packs: 3, bytes })
      expect(await store.incoming()).toEqual([])
    })

    test('a pack that fails its check, or does not follow, leaves the log as it was', async () => {
      const { store, list } = await create()
      const first = packOf(1, randomBytes(1000))
      await put(store, first)
      const damaged = packOf(2, randomBytes(1000), 'laptop-1', first)
      damaged.bytes[500] = (damaged.bytes[500] ?? 0) ^ 1
      await expect(put(store, damaged)).rejects.toMatchObject({ code: 'hash-mismatch' })
      await expect(put(store, packOf(2, randomBytes(1000)))).rejects.toMatchObject({ code: 'log-forked' })
      await expect(put(store, packOf(3, randomBytes(1000), 'laptop-1', first))).rejects.toMatchObject({ code: 'log-gap' })
      expect(await list('laptop-1')).toEqual([first.name])
      await put(store, packOf(2, randomBytes(1000), 'laptop-1', first))
    })

    test('of rivals that are committed at once, one is taken', async () => {
      const { store, reopen, list } = await create()
      let head: TestPack | undefined
      for (let seq = 1; seq <= 5; seq++) {
        const rivals = Array.from({ length: 6 }, () => packOf(seq, randomBytes(1000), 'laptop-1', head))
        const stores = [store, await reopen(), await reopen()]
        const results = await Promise.allSettled(rivals.map((pack, at) => put(stores[at % 3] ?? store, pack)))
        const winners = rivals.filter((_, at) => results[at]?.status === 'fulfilled')
        expect(winners).toHaveLength(1)
        head = winners[0]
        expect((await list('laptop-1')).slice(seq - 1)).toEqual([head?.name])
      }
    })

    test('the same pack committed twice, or at once, is there once', async () => {
      const { store, reopen, list } = await create()
      const pack = packOf(1, randomBytes(1000))
      const other = await reopen()
      await Promise.all([put(store, pack), put(other, pack)].map((work) => work.catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'upload-unknown' }) // the other one has swept it with the commit
      })))
      await put(other, pack)
      expect(await list('laptop-1')).toEqual([pack.name])
    })

    test('sweeping finishes what a collector that died had claimed, unless it does not fit the log', async () => {
      const { store, list, content, claim, claims } = await create()
      const [first, second] = chainOf([randomBytes(1000), randomBytes(100_000)])
      if (!first || !second) throw new Error('a chain of two')
      await put(store, first)
      await store.append(await store.begin(second.name, second.sizeBytes), 0, pieces(second))
      const stray = packOf(1, randomBytes(1000), 'laptop-2', first)
      for (const pack of [first, second, stray]) await claim(pack)
      await claim({ ...first, name: { ...first.name, device: 'laptop-3' }, bytes: randomBytes(1000) })
      await store.sweep()
      expect(await list('laptop-1')).toEqual([first.name, second.name])
      expect((await content(second.name)).equals(second.bytes)).toBe(true)
      expect(await store.head('laptop-1')).toEqual(second.name)
      expect([await claims(), await store.incoming()]).toEqual([['laptop-2-1', 'laptop-3-1'], []])
    })

    test('an upload that is discarded is gone, and of another size begins anew', async () => {
      const { store } = await create()
      const pack = packOf(1, randomBytes(1000))
      const begun = await store.begin(pack.name, pack.sizeBytes)
      await store.append(begun, 0, pieces(pack, 0, 500))
      expect((await store.begin(pack.name, pack.sizeBytes + 1)).offset).toBe(0)
      await store.discard(pack.name)
      await store.discard(pack.name)
      expect(await store.find(pack.name)).toBeUndefined()
      await expect(store.append(begun, 0, pieces(pack))).rejects.toMatchObject({ code: 'upload-unknown' })
    })

    test('uploads are listed for one device, or for all', async () => {
      const { store } = await create()
      const packs = ['a', 'b'].map((device) => packOf(1, randomBytes(1000), device))
      for (const pack of packs) await store.begin(pack.name, pack.sizeBytes)
      expect((await store.incoming('a')).map(({ name }) => name)).toEqual([packs[0]?.name])
      expect((await store.incoming()).map(({ name: { device } }) => device).sort()).toEqual(['a', 'b'])
    })

    test('a record is created once, replaced, listed by its prefix and removed', async () => {
      const { store: { records }, reopen } = await create()
      const other = (await reopen()).records
      const created = await Promise.all([records, other, records, other].map((each, at) => each.create('tokens/x/use-1', String(at))))
      expect(created.filter(Boolean)).toHaveLength(1)
      expect(await other.read('tokens/x/use-1')).toBe(String(created.indexOf(true)))
      await records.replace('tokens/x/use-1', 'new')
      await records.create('tokens/x/token.json', '{}')
      await records.create('devices/laptop-1.json', '{}')
      expect(await other.read('tokens/x/use-1')).toBe('new')
      expect(await other.list('tokens/')).toEqual(['tokens/x/token.json', 'tokens/x/use-1'])
      await records.remove('tokens/x/use-1')
      await records.remove('tokens/x/use-1')
      expect(await other.read('tokens/x/use-1')).toBeUndefined()
      expect(await other.list('tokens/x/')).toEqual(['tokens/x/token.json'])
    })
  })
}

async function *pieces(pack: TestPack, from = 0, to = pack.sizeBytes): AsyncGenerator<Uint8Array> {
  for (let at = from; at < to; at += 30_000) yield pack.bytes.subarray(at, Math.min(at + 30_000, to))
}

/** Sends a pack and commits it as a collector does; one that is refused is discarded. */
export async function put(store: CollectorStore, pack: TestPack): Promise<void> {
  const incoming = await store.begin(pack.name, pack.sizeBytes)
  await store.append(incoming, 0, pieces(pack))
  const check = checkPack(pack.name)
  try {
    await store.commit(incoming, check, (head) => { mayFollow(pack.name, check.header, head) })
  } catch (error) {
    await store.discard(pack.name)
    throw error
  }
}
