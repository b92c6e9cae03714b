import { createHash, randomBytes } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import {
  sliceBytes, type Destination, type OutgoingPack, type PackName,
} from '../../src/transfer/destination.ts'

/** An empty destination, and how to be rid of it. `reopen` is what a new process would see of it. */
export interface DestinationUnderTest {
  readonly destination: Destination
  /** The same destination again without anything remembered in this process, where there is more than this process. */
  readonly reopen?: () => Destination
  readonly remove: () => Promise<void>
}

/** What every `Destination` promises. */
export function describeDestination(name: string, factory: () => Promise<DestinationUnderTest>): void {
  describe(`${name} as destination`, () => {
    const removals: (() => Promise<void>)[] = []
    const create = async () => {
      const made = await factory()
      removals.push(made.remove)
      return made
    }
    const createOne = async () => (await create()).destination
    afterEach(async () => {
      for (const remove of removals.splice(0)) await remove()
    })

    test('an empty log has no head, no packs and no device', async () => {
      const destination = await createOne()
      expect(await destination.head('laptop-1')).toBeUndefined()
      expect(await destination.list('laptop-1')).toEqual([])
      expect(await destination.devices()).toEqual([])
    })

    const sizes = [1, 100, sliceBytes - 1, sliceBytes, sliceBytes + 1, 10 << 20]
    test.each(sizes)('a pack of %i bytes comes back exactly', async size => {
      const destination = await createOne()
      const pack = packOf(1, randomBytes(size))
      expect(await putCounting(destination, pack)).toBe(size)
      expect(await destination.head('laptop-1')).toEqual(pack.name)
      await expectContent(destination, pack)
    })

    test('no slice is larger than sliceBytes', async () => {
      const destination = await createOne()
      const slices: number[] = []
      await destination.put(packOf(1, randomBytes(3 * sliceBytes + 5)), { onSent: bytes => slices.push(bytes) })
      expect(Math.max(...slices)).toBeLessThanOrEqual(sliceBytes)
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

    test('sending a pack that is there moves no byte', async () => {
      const { destination, reopen } = await create()
      const pack = packOf(1, randomBytes(100_000))
      await destination.put(pack)
      expect(await putCounting(destination, pack)).toBe(0)
      if (reopen) expect(await putCounting(reopen(), pack)).toBe(0)
      expect(await destination.list('laptop-1')).toEqual([pack.name])
    })

    test('a pack stopped before any slice is resumed with no byte sent twice', async () => {
      const { destination, reopen } = await create()
      const slices = 5
      for (let stopAfter = 0; stopAfter < slices; stopAfter++) {
        const pack = packOf(stopAfter + 1, randomBytes((slices - 1) * sliceBytes + 7))
        const sent = await putAborting(destination, pack, stopAfter)
        expect(sent).toBe(stopAfter * sliceBytes)
        const rest = await putCounting(reopen?.() ?? destination, pack)
        expect(sent + rest).toBe(pack.sizeBytes)
        await expectContent(destination, pack)
      }
    })

    test('a pack stopped again and again arrives with no byte sent twice', async () => {
      const { destination, reopen } = await create()
      const pack = packOf(1, randomBytes(4 * sliceBytes + 1))
      let sent = 0
      for (let round = 0; round < 4; round++) sent += await putAborting(reopen?.() ?? destination, pack, 1)
      expect(sent).toBe(4 * sliceBytes)
      expect(await putCounting(destination, pack)).toBe(1)
      await expectContent(destination, pack)
    })

    test('a pack that is not complete is in no listing and not the head', async () => {
      const destination = await createOne()
      const [first, second] = [packOf(1, randomBytes(100)), packOf(2, randomBytes(200_000))]
      await destination.put(first)
      await putAborting(destination, second, 2)
      await putAborting(destination, packOf(1, randomBytes(200_000), 'laptop-2'), 1)
      expect(await destination.head('laptop-1')).toEqual(first.name)
      expect(await destination.list('laptop-1')).toEqual([first.name])
      expect(await destination.devices()).toEqual(['laptop-1'])
      await expect(destination.open(second.name)).rejects.toMatchObject({ code: 'destination-behind' })
    })

    test('a signal that was aborted before lets no byte out', async () => {
      const destination = await createOne()
      let sent = 0
      const options = { signal: AbortSignal.abort(), onSent: (bytes: number) => { sent += bytes } }
      const put = destination.put(packOf(1, randomBytes(10)), options)
      await expect(put).rejects.toMatchObject({ code: 'aborted', transient: true })
      expect(sent).toBe(0)
    })

    test('a pack that is given up leaves nothing to resume', async () => {
      const destination = await createOne()
      const pack = packOf(1, randomBytes(200_000))
      await putAborting(destination, pack, 2)
      await destination.abandon(pack.name)
      expect(await putCounting(destination, pack)).toBe(pack.sizeBytes)
    })

    test('giving up a complete pack, or one that never began, changes nothing', async () => {
      const destination = await createOne()
      const pack = packOf(1, randomBytes(1000))
      await destination.abandon(pack.name)
      await destination.put(pack)
      await destination.abandon(pack.name)
      await expectContent(destination, pack)
    })

    test('giving up one pack leaves the partial bytes of another', async () => {
      const destination = await createOne()
      const [first, second] = [packOf(1, randomBytes(200_000)), packOf(2, randomBytes(200_000))]
      await putAborting(destination, first, 1)
      await putAborting(destination, second, 2)
      await destination.abandon(first.name)
      expect(await putCounting(destination, second)).toBe(200_000 - 2 * sliceBytes)
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

    test.each(['', '.', '..', '../other', 'a/b', 'a\\b', '/etc', '.hidden', 'UPPER', 'a\0', 'x'.repeat(65), 'ä', '-a'])(
      'the device name %j is refused everywhere', async device => {
        const destination = await createOne()
        const pack = packOf(1, randomBytes(10), device)
        const refusal = { code: 'destination-refused', transient: false }
        await expect(destination.put(pack)).rejects.toMatchObject(refusal)
        await expect(destination.head(device)).rejects.toMatchObject(refusal)
        await expect(destination.list(device)).rejects.toMatchObject(refusal)
        await expect(destination.abandon(pack.name)).rejects.toMatchObject(refusal)
        await expect(destination.open(pack.name)).rejects.toMatchObject(refusal)
        expect(await destination.devices()).toEqual([])
      })

    test('the same pack sent twice at once is there once and right', async () => {
      const { destination, reopen } = await create()
      const pack = packOf(1, randomBytes(20 * sliceBytes + 3))
      const senders = Array.from({ length: 4 }, (_, at) => (at % 2 ? reopen?.() ?? destination : destination).put(pack))
      await Promise.all(senders)
      expect(await destination.list('laptop-1')).toEqual([pack.name])
      await expectContent(destination, pack)
      expect(await putCounting(destination, pack)).toBe(0)
    })

    test('packs of several devices sent at once do not disturb each other', async () => {
      const destination = await createOne()
      const packs = ['a', 'b', 'c'].map(device => packOf(1, randomBytes(5 * sliceBytes), device))
      await Promise.all(packs.map(pack => destination.put(pack)))
      for (const pack of packs) await expectContent(destination, pack)
    })

    test('a source that fails midway is reported as it is, and leaves nothing but a pack to resume', async () => {
      const destination = await createOne()
      const pack = packOf(1, randomBytes(4 * sliceBytes))
      const broken: OutgoingPack = {
        ...pack,
        async read(offset, length) {
          if (offset >= 2 * sliceBytes) throw new Error('spool is gone')
          return pack.read(offset, length)
        },
      }
      let sent = 0
      await expect(destination.put(broken, { onSent: bytes => { sent += bytes } })).rejects.toThrow('spool is gone')
      expect(await destination.head('laptop-1')).toBeUndefined()
      expect(sent + await putCounting(destination, pack)).toBe(pack.sizeBytes)
      await expectContent(destination, pack)
    })
  })
}

/** A pack in memory, named as its content is. */
export function packOf(seq: number, bytes: Buffer, device = 'laptop-1'): OutgoingPack & { readonly bytes: Buffer } {
  return {
    name: { device, seq, hash: createHash('sha256').update(bytes).digest('hex') },
    bytes,
    sizeBytes: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  }
}

/** Sends a pack and returns the bytes that moved. */
export async function putCounting(destination: Destination, pack: OutgoingPack): Promise<number> {
  let sent = 0
  await destination.put(pack, { onSent: bytes => { sent += bytes } })
  return sent
}

/** Sends a pack, stops before slice `slices` + 1, and returns the bytes that moved. */
export async function putAborting(destination: Destination, pack: OutgoingPack, slices: number): Promise<number> {
  const stop = new AbortController()
  let sent = 0
  let count = 0
  const stopping: OutgoingPack = {
    ...pack,
    async read(offset, length) {
      const bytes = await pack.read(offset, length)
      if (slices === 0) stop.abort() // the first slice is read and not yet handed over
      return bytes
    },
  }
  const onSent = (bytes: number) => {
    sent += bytes
    if (++count === slices) stop.abort()
  }
  await expect(destination.put(stopping, { signal: stop.signal, onSent })).rejects.toMatchObject({ code: 'aborted' })
  return sent
}

async function expectContent(destination: Destination, pack: ReturnType<typeof packOf>): Promise<void> {
  const content = await contentOf(destination, pack.name)
  expect(content.equals(pack.bytes)).toBe(true) // toEqual takes seconds on 10 MiB
}

export async function contentOf(destination: Destination, name: PackName): Promise<Buffer> {
  await using source = await destination.open(name)
  return Buffer.from(await source.read(0, source.sizeBytes))
}
