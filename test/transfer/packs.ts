import { expect } from 'vitest'
import { encodeHeader, headerHash, noPrevious } from '../../src/pack/header.ts'
import { sha256, toHex } from '../../src/pack/sha256.ts'
import type { Destination, OutgoingPack, PackName } from '../../src/transfer/destination.ts'

export type TestPack = OutgoingPack & { readonly bytes: Buffer }

/**
 * A pack in memory with a true header and `bytes` for a body, as the next of the log that ends with `previous`. It is as long
 * as `bytes`, whose beginning gives way to the header; where there is no room for that, the header comes on top.
 */
export function packOf(seq: number, bytes: Buffer, device = 'laptop-1', previous?: TestPack): TestPack {
  const headerOf = (body: Buffer) => encodeHeader({
    device, seq, bodyBytes: body.length, bodyHash: sha256(body),
    previous: previous ? Buffer.from(previous.name.hash, 'hex') : noPrevious,
  })
  const headerBytes = headerOf(Buffer.alloc(0)).length
  const body = bytes.length > headerBytes ? bytes.subarray(headerBytes) : bytes
  const header = headerOf(body)
  const whole = Buffer.concat([header, body])
  return {
    name: { device, seq, hash: toHex(headerHash(header)) },
    bytes: whole,
    sizeBytes: whole.length,
    read: async (offset, length) => whole.subarray(offset, offset + length),
  }
}

/** Packs of these bodies, each the next of the one before. */
export function chainOf(bodies: readonly Buffer[], device = 'laptop-1'): TestPack[] {
  const packs: TestPack[] = []
  for (const [at, body] of bodies.entries()) packs.push(packOf(at + 1, body, device, packs.at(-1)))
  return packs
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
