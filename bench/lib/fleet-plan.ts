import { encodeHeader, headerHash, noPrevious } from '../../src/pack/header.ts'
import { sha256, toHex } from '../../src/pack/sha256.ts'
import type { PackName } from '../../src/transfer/destination.ts'
import { incompressible, seededRandom } from './random.ts'

/** Which fleet it is. */
export interface FleetSize {
  readonly devices: number
  /** No device has more packs. */
  readonly mostPacks: number
  /** Draws each device's packs: 3 to 10 of them, 64 KiB to 4 MiB, each power of two as likely as the next. */
  readonly seed: number
}

const [fewestPacks, mostPacks] = [3, 10]
const [leastBytes, mostBytes] = [64 << 10, 4 << 20]

const deviceName = (index: number): string => `laptop-${String(index).padStart(4, '0')}`

/** The body sizes of a device's packs. */
export function bodySizes({ seed, mostPacks: most }: FleetSize, device: number): number[] {
  const random = seededRandom(seed * 100_003 + device)
  const count = fewestPacks + Math.floor(random() * (mostPacks - fewestPacks + 1))
  return Array.from({ length: Math.min(count, most) }, () => Math.round(leastBytes * (mostBytes / leastBytes) ** random()))
}

/** A pack to send: its header in front of bytes that nothing compresses. */
export interface FleetPack {
  readonly name: PackName
  readonly sizeBytes: number
  readonly bytes: () => Buffer
}

/** The logs of devices `from` to before `to`, real by header and chain. Bodies are cut from one piece of memory. */
export function fleetLogs(size: FleetSize, from: number, to: number): FleetPack[][] {
  const random = seededRandom(size.seed)
  const content = Buffer.alloc(2 * mostBytes)
  incompressible(size.seed)(content)
  return Array.from({ length: to - from }, (_, index) => {
    let previous: Uint8Array = noPrevious
    const device = deviceName(from + index)
    return bodySizes(size, from + index).map((bodyBytes, at) => {
      const start = Math.floor(random() * mostBytes)
      const body = content.subarray(start, start + bodyBytes)
      const seq = at + 1
      const header = encodeHeader({ device, seq, previous, bodyBytes, bodyHash: sha256(body) })
      previous = headerHash(header)
      return {
        name: { device, seq, hash: toHex(previous) },
        sizeBytes: header.length + bodyBytes,
        bytes: () => Buffer.concat([header, body]),
      }
    })
  })
}
