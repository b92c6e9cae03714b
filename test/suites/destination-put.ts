import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { chainOf, packOf, putAborting, putCounting, type TestPack } from '../transfer/packs.ts'
import { sliceBytes, type Destination, type OutgoingPack, type PackName } from '../../src/transfer/destination.ts'
import type { Meter } from '../../src/transfer/meter.ts'

/** An empty destination, how to look into it by a way of one's own, and how to be rid of it. */
export interface PutUnderTest {
  readonly destination: Destination
  /** The same destination again without anything remembered in this process, where there is more than this process. */
  readonly reopen?: () => Destination
  /** The complete packs of a device. */
  readonly list: (device: string) => Promise<PackName[]>
  readonly content: (name: PackName) => Promise<Buffer>
  /** How much of what was there or sent of a pack is there after a cut; all of it by default. */
  readonly kept?: (bytes: number) => number
  readonly remove: () => Promise<void>
}

/** What every `Destination` promises to those who send. */
export function describePutting(name: string, factory: () => Promise<PutUnderTest>): void {
  describe(`${name} as destination`, () => {
    const removals: (() => Promise<void>)[] = []
    const create = async () => {
      const made = await factory()
      removals.push(made.remove)
      return { kept: (bytes: number) => bytes, ...made }
    }
    afterEach(async () => {
      for (const remove of removals.splice(0)) await remove()
    })

    test('an empty log has no head', async () => {
      const { destination } = await create()
      expect(await destination.head('laptop-1')).toBeUndefined()
    })

    const sizes = [0, 1, 200, sliceBytes - 1, sliceBytes, sliceBytes + 1, 10 << 20]
    test.each(sizes)('a pack of %i bytes, or the least there can be, comes back exactly', async size => {
      const { destination, content } = await create()
      const pack = packOf(1, randomBytes(size))
      expect(await putCounting(destination, pack)).toBe(pack.sizeBytes)
      expect(await destination.head('laptop-1')).toEqual(pack.name)
      await expectContent(content, pack)
    })

    test('no slice is larger than sliceBytes', async () => {
      const { destination } = await create()
      const slices: number[] = []
      await destination.put(packOf(1, randomBytes(3 * sliceBytes + 5)), { onSent: bytes => slices.push(bytes) })
      expect(Math.max(...slices)).toBeLessThanOrEqual(sliceBytes)
    })

    test('sending a pack that is there moves no byte', async () => {
      const { destination, reopen, list } = await create()
      const pack = packOf(1, randomBytes(100_000))
      await destination.put(pack)
      expect(await putCounting(destination, pack)).toBe(0)
      if (reopen) expect(await putCounting(reopen(), pack)).toBe(0)
      expect(await list('laptop-1')).toEqual([pack.name])
    })

    test('a pack stopped before any slice is resumed with no byte sent twice that was kept', async () => {
      const { destination, reopen, content, kept } = await create()
      const slices = 5
      const packs = chainOf(Array.from({ length: slices }, () => randomBytes((slices - 1) * sliceBytes + 7)))
      for (const [stopAfter, pack] of packs.entries()) {
        const sent = await putAborting(destination, pack, stopAfter)
        expect(sent).toBe(stopAfter * sliceBytes)
        const rest = await putCounting(reopen?.() ?? destination, pack)
        expect(kept(sent) + rest).toBe(pack.sizeBytes)
        await expectContent(content, pack)
      }
    })

    test('a pack stopped again and again arrives with no byte sent twice that was kept', async () => {
      const { destination, reopen, content, kept } = await create()
      const pack = packOf(1, randomBytes(4 * sliceBytes + 1))
      let there = 0
      for (let round = 0; round < 4; round++) there = kept(there + await putAborting(reopen?.() ?? destination, pack, 1))
      expect(there).toBe(kept(4 * sliceBytes))
      expect(await putCounting(destination, pack)).toBe(pack.sizeBytes - there)
      await expectContent(content, pack)
    })

    test('a pack that is not complete is not the head', async () => {
      const { destination, list } = await create()
      const first = packOf(1, randomBytes(100))
      const second = packOf(2, randomBytes(200_000), 'laptop-1', first)
      await destination.put(first)
      await putAborting(destination, second, 2)
      await putAborting(destination, packOf(1, randomBytes(200_000), 'laptop-2'), 1)
      expect(await destination.head('laptop-1')).toEqual(first.name)
      expect(await destination.head('laptop-2')).toBeUndefined()
      expect(await list('laptop-1')).toEqual([first.name])
    })

    test('a signal that was aborted before lets no byte out', async () => {
      const { destination } = await create()
      let sent = 0
      const options = { signal: AbortSignal.abort(), onSent: (bytes: number) => { sent += bytes } }
      const put = destination.put(packOf(1, randomBytes(10)), options)
      await expect(put).rejects.toMatchObject({ code: 'aborted', transient: true })
      expect(sent).toBe(0)
    })

    test('every byte is charged to the meter, and its estimate is no less', async () => {
      const { destination } = await create()
      const pack = packOf(1, randomBytes(3 * sliceBytes + 5))
      const { meter, charged } = meterOf(Infinity)
      await destination.put(pack, { meter })
      expect(charged()).toBeGreaterThanOrEqual(pack.sizeBytes)
      expect(destination.wireBytes(pack.sizeBytes)).toBeGreaterThanOrEqual(charged())
    })

    test('a meter that refuses ends the transfer as an abort does, and the pack goes on from there', async () => {
      const { destination, list, content, kept } = await create()
      const pack = packOf(1, randomBytes(20 * sliceBytes))
      const { meter, charged } = meterOf(10 * sliceBytes)
      await expect(destination.put(pack, { meter })).rejects.toMatchObject({ code: 'aborted', transient: true })
      expect(await list('laptop-1')).toEqual([])
      const missing = await putCounting(destination, pack)
      if (kept(sliceBytes) > 0) expect(missing).toBeLessThan(pack.sizeBytes)
      expect(pack.sizeBytes - missing, 'what arrived was paid for').toBeLessThanOrEqual(charged())
      await expectContent(content, pack)
    })

    test('a pack that is given up leaves nothing to resume', async () => {
      const { destination } = await create()
      const pack = packOf(1, randomBytes(200_000))
      await putAborting(destination, pack, 2)
      expect(await destination.abandon(pack.name)).toBe(false)
      expect(await putCounting(destination, pack)).toBe(pack.sizeBytes)
    })

    test('giving up a complete pack, or one that never began, changes nothing, and tells which it is', async () => {
      const { destination, content } = await create()
      const pack = packOf(1, randomBytes(1000))
      expect(await destination.abandon(pack.name)).toBe(false)
      await destination.put(pack)
      expect(await destination.abandon(pack.name)).toBe(true)
      await expectContent(content, pack)
    })

    test('giving up one pack leaves the partial bytes of another', async () => {
      const { destination, kept } = await create()
      const [first, second] = [packOf(1, randomBytes(200_000)), packOf(1, randomBytes(200_000))]
      await putAborting(destination, first, 1)
      await putAborting(destination, second, 2)
      await destination.abandon(first.name)
      expect(await putCounting(destination, second)).toBe(200_000 - kept(2 * sliceBytes))
    })

    test.each(['', '.', '..', '../other', 'a/b', 'a\\b', '/etc', '.hidden', 'UPPER', 'a\0', 'x'.repeat(65), 'ä', '-a'])(
      'the device name %j is refused everywhere', async device => {
        const { destination } = await create()
        const pack = { ...packOf(1, randomBytes(10)), name: { device, seq: 1, hash: 'a'.repeat(64) } }
        const refusal = { code: 'destination-refused', transient: false }
        await expect(destination.put(pack)).rejects.toMatchObject(refusal)
        await expect(destination.head(device)).rejects.toMatchObject(refusal)
        await expect(destination.list(device)).rejects.toMatchObject(refusal)
        await expect(destination.abandon(pack.name)).rejects.toMatchObject(refusal)
        await expect(destination.open(pack.name)).rejects.toMatchObject(refusal)
      })

    test('the same pack sent twice at once is there once and right', async () => {
      const { destination, reopen, list, content } = await create()
      const pack = packOf(1, randomBytes(20 * sliceBytes + 3))
      const senders = Array.from({ length: 4 }, (_, at) => (at % 2 ? reopen?.() ?? destination : destination).put(pack))
      await Promise.all(senders)
      expect(await list('laptop-1')).toEqual([pack.name])
      await expectContent(content, pack)
      expect(await putCounting(destination, pack)).toBe(0)
    })

    test('packs of several devices sent at once do not disturb each other', async () => {
      const { destination, content } = await create()
      const packs = ['a', 'b', 'c'].map(device => packOf(1, randomBytes(5 * sliceBytes), device))
      await Promise.all(packs.map(pack => destination.put(pack)))
      for (const pack of packs) await expectContent(content, pack)
    })

    test('a source that fails midway is reported as it is, and leaves nothing but a pack to resume', async () => {
      const { destination, content, kept } = await create()
      const pack = packOf(1, randomBytes(4 * sliceBytes))
      const broken: OutgoingPack = {
        ...pack,
        async read(offset, length) {
          if (offset + length > 2 * sliceBytes) throw new Error('spool is gone')
          return pack.read(offset, length)
        },
      }
      let sent = 0
      await expect(destination.put(broken, { onSent: bytes => { sent += bytes } })).rejects.toThrow('spool is gone')
      expect(await destination.head('laptop-1')).toBeUndefined()
      expect(kept(sent) + await putCounting(destination, pack)).toBe(pack.sizeBytes)
      await expectContent(content, pack)
    })
  })
}

/** A meter that grants so many bytes, and what it was charged and granted. */
function meterOf(limitBytes: number): { readonly meter: Meter, readonly charged: () => number } {
  let charged = 0
  const charge = (bytes: number) => {
    if (charged + bytes > limitBytes) return false
    charged += bytes
    return true
  }
  const correct = (delta: number) => {
    charged += delta
    return charged <= limitBytes
  }
  return { meter: { charge, correct }, charged: () => charged }
}

async function expectContent(content: (name: PackName) => Promise<Buffer>, pack: TestPack): Promise<void> {
  expect((await content(pack.name)).equals(pack.bytes)).toBe(true) // toEqual takes seconds on 10 MiB
}
