import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import type { DestinationUnderTest } from './destination.ts'
import { packOf, putAborting } from '../transfer/packs.ts'
import { sliceBytes } from '../../src/transfer/destination.ts'

/** What a `Destination` promises to those who read logs. */
export function describeReading(name: string, factory: () => Promise<DestinationUnderTest>): void {
  describe(`${name} as destination that is read`, () => {
    const removals: (() => Promise<void>)[] = []
    const createOne = async () => {
      const made = await factory()
      removals.push(made.remove)
      return made.destination
    }
    afterEach(async () => {
      for (const remove of removals.splice(0)) await remove()
    })

    test('an empty destination lists no packs and no device', async () => {
      const destination = await createOne()
      expect(await destination.list('laptop-1')).toEqual([])
      expect(await destination.devices()).toEqual([])
    })

    test('a pack that is not complete is in no listing, and cannot be opened', async () => {
      const destination = await createOne()
      const first = packOf(1, randomBytes(100))
      const second = packOf(2, randomBytes(3 * sliceBytes), 'laptop-1', first)
      await destination.put(first)
      await putAborting(destination, second, 2)
      await putAborting(destination, packOf(1, randomBytes(3 * sliceBytes), 'laptop-2'), 1)
      expect(await destination.list('laptop-1')).toEqual([first.name])
      expect(await destination.devices()).toEqual(['laptop-1'])
      await expect(destination.open(second.name)).rejects.toMatchObject({ code: 'destination-behind' })
    })

    test('any range of a pack can be read, and none beyond its end', async () => {
      const destination = await createOne()
      const pack = packOf(1, randomBytes(150_000))
      await destination.put(pack)
      await using source = await destination.open(pack.name)
      expect(source.sizeBytes).toBe(150_000)
      const ranges = [[0, 0], [0, 1], [65_535, 2], [149_999, 1], [10, 140_000], [150_000, 0]] as const
      for (const [offset, length] of ranges) {
        expect(Buffer.from(await source.read(offset, length))).toEqual(pack.bytes.subarray(offset, offset + length))
      }
      await expect(source.read(149_999, 2)).rejects.toMatchObject({ code: 'pack-invalid' })
      await expect(source.read(0, 2 ** 40)).rejects.toMatchObject({ code: 'pack-invalid' })
    })

    test('a pack that is not there cannot be opened', async () => {
      const destination = await createOne()
      await destination.put(packOf(1, randomBytes(10)))
      const missing = packOf(2, randomBytes(10)).name
      await expect(destination.open(missing)).rejects.toMatchObject({ code: 'destination-behind' })
    })

    test('a log is listed in order of seq, also where that is not the order of its text', async () => {
      const destination = await createOne()
      const order = [
        1, 2, 9, 10, 11, 999_999_999, 1_000_000_000, 9_999_999_999, 10_000_000_000, 10_000_000_001, 99_999_999_999,
        Number.MAX_SAFE_INTEGER,
      ]
      const packs = new Map(order.map(seq => [seq, packOf(seq, Buffer.from(`pack ${seq}`))]))
      const shuffled = [...packs.values()].sort((a, b) => (a.name.hash < b.name.hash ? -1 : 1))
      for (const pack of shuffled) await destination.put(pack)
      expect((await destination.list('laptop-1')).map(name => name.seq)).toEqual(order)
      expect(await destination.head('laptop-1')).toEqual(packs.get(Number.MAX_SAFE_INTEGER)?.name)
    })

    test('two packs that claim one place are both listed, by hash', async () => {
      const destination = await createOne()
      const packs = [packOf(1, Buffer.from('a')), packOf(1, Buffer.from('b'))]
      for (const pack of packs) await destination.put(pack)
      const hashes = packs.map(pack => pack.name.hash).sort()
      expect((await destination.list('laptop-1')).map(name => name.hash)).toEqual(hashes)
    })

    test('each device has a log of its own', async () => {
      const destination = await createOne()
      const many = Array.from({ length: 30 }, (_, at) => `laptop-${at + 1}`)
      const names = ['a', 'a.b', 'a_b', '0', 'x'.repeat(64), ...many]
      const packs = names.map((device, at) => packOf(at + 1, Buffer.from(device), device))
      for (const pack of packs) await destination.put(pack)
      expect(await destination.devices()).toEqual([...names].sort())
      for (const pack of packs) expect(await destination.list(pack.name.device)).toEqual([pack.name])
    })
  })
}
