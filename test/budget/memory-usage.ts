import type { Scope, UsageSource, Where } from '../../src/budget/usage.ts'

interface Entry {
  readonly at: number
  readonly bytes: number
  readonly where: Where
}

/** A list of what was used: slow and plainly right. */
export class MemoryUsage implements UsageSource {
  readonly #entries: Entry[] = []

  add(at: number, bytes: number, where: Where): void {
    this.#entries.push({ at, bytes, where })
  }

  usedSince(at: number, scope: Scope): number {
    return this.#since(at, scope).reduce((sum, { bytes }) => sum + bytes, 0)
  }

  oldestSince(at: number, scope: Scope): number | undefined {
    return this.#since(at, scope).find(({ bytes }) => bytes > 0)?.at
  }

  #since(at: number, { network, on, stream }: Scope): Entry[] {
    return this.#entries.filter(({ at: time, where }) => time >= at
      && [undefined, where.network ?? network].includes(network)
      && [undefined, where.on].includes(on)
      && (stream === undefined || (where.streams ?? [stream]).includes(stream))).sort((a, b) => a.at - b.at)
  }
}
