import { FormatError } from '../pack/bytes.ts'
import { decodeHeader, headerHash } from '../pack/header.ts'
import { toHex } from '../pack/sha256.ts'
import type { PackName } from '../transfer/destination.ts'

interface Claimed {
  readonly name: PackName
  /** The hash of the pack before it, in hex. */
  readonly previous: string
}

/** The pack that a claim is, by its beginning; undefined where that is none. */
export function claimedIn(bytes: Uint8Array): Claimed | undefined {
  try {
    const { device, seq, previous, headerBytes } = decodeHeader(bytes)
    return { name: { device, seq, hash: toHex(headerHash(bytes.subarray(0, headerBytes))) }, previous: toHex(previous) }
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}
