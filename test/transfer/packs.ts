import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import type { Destination, OutgoingPack, PackName } from '../../src/transfer/destination.ts'

export type TestPack = OutgoingPack & { readonly bytes: Buffer }

/** A pack in memory, named as its content is. */
export function packOf(seq: number, bytes: Buffer, device = 'laptop-1'): TestPack {
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

/** The whole of a pack, as its destination gives it out. */
export async function contentOf(destination: Destination, name: PackName): Promise<Buffer> {
  await using source = await destination.open(name)
  return Buffer.from(await source.read(0, source.sizeBytes))
}
