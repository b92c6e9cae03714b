import type { Manifest } from '../../src/pack/manifest.ts'

/** Random numbers that a seed repeats (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 0 … below - 1 */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }
}

/** Bytes that mean something at many places of the format. */
const telling = [0, 1, 2, 0x1f, 0x20, 0x2f, 0x7f, 0x80, 0xff]

/** `bytes` with up to four changes: flipped bits, other bytes, pieces cut out, put in, doubled, moved. */
export function mutateBytes(random: Random, bytes: Uint8Array): Buffer {
  let result = Buffer.from(bytes)
  for (let left = 1 + random.below(4); left > 0; left--) {
    const at = random.below(result.length + 1)
    const to = Math.min(result.length, at + 1 + random.below(random.pick([2, 8, 40])))
    const [front, piece, back] = [result.subarray(0, at), result.subarray(at, to), result.subarray(to)]
    const changes: (() => Buffer[])[] = [
      () => [front, Buffer.from(piece.map((byte) => byte ^ (1 << random.below(8)))), back],
      () => [front, Buffer.from(piece.map(() => random.pick(telling))), back],
      () => [front, random.bytes(piece.length), back],
      () => [front, back],
      () => [front, random.bytes(1 + random.below(9)), piece, back],
      () => [front, piece, piece, back],
      () => [piece, front, back],
      () => [front],
    ]
    result = Buffer.concat(random.pick(changes)())
  }
  return result
}

const tellingNumbers = [0, 1, 2, 3, 7, 64, 65, 127, 128, 255, 4096, 65_535, 1 << 20, (1 << 20) + 1, 2 ** 31, 2 ** 32, 2 ** 49, Number.MAX_SAFE_INTEGER]

/** A copy of a decoded manifest in which some fields, at any depth, are others, or lists have items less, more, doubled or moved. */
export function mutateManifest(random: Random, manifest: Manifest): Manifest {
  const copy = structuredClone(manifest)
  for (let left = 1 + random.below(3); left > 0; left--) mutateSomewhere(random, copy)
  return copy
}

type Fields = Record<string, unknown>

function mutateSomewhere(random: Random, holder: object): void {
  const keys = Object.keys(holder)
  if (keys.length === 0) return
  if (Array.isArray(holder) && random.below(4) === 0) return mutateList(random, holder)
  const key = random.pick(keys)
  const value = (holder as Fields)[key]
  const set = (changed: unknown): void => void ((holder as Fields)[key] = changed)
  if (value instanceof Uint8Array) set(random.below(4) === 0 ? random.bytes(value.length) : sameLength(random, value))
  else if (typeof value === 'number') set(random.below(2) === 0 ? random.pick(tellingNumbers) : Math.max(0, value + random.below(7) - 3))
  else if (typeof value === 'boolean') set(!value)
  else if (typeof value === 'string') set(random.pick(['append', 'whole', 'bytes', 'pixels', '..', 'pointer', 'screens', '']))
  else mutateSomewhere(random, value as object)
}

function sameLength(random: Random, bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes)
  if (copy.length > 0) copy[random.below(copy.length)] = random.pick(telling)
  return copy
}

function mutateList(random: Random, list: unknown[]): void {
  const [from, to] = [random.below(list.length), random.below(list.length)]
  const changes: (() => unknown)[] = [
    () => list.splice(from, 1),
    () => list.splice(to, 0, structuredClone(list[from])),
    () => list.splice(to, 0, ...list.splice(from, 1)),
    () => list.reverse(),
  ]
  random.pick(changes)()
}
