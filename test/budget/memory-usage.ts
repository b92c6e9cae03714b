import type { Scope, UsageSource } from '../../src/budget/usage.ts'

interface Entry {
  readonly at: number
  readonly bytes: number
  readonly scope: Scope
}

/** A list of what was used: slow and plainly right. */
export class MemoryUsage implements UsageSource {
  readonly #entries: Entry[] = []

  add(at: number, bytes: number, scope: Scope): void {
    this.#entries.push({ at, bytes, scope })
  }

  usedSince(at: number, scope: Scope): number {
    return this.#since(at, scope).reduce((sum, { bytes }) => sum + bytes, 0)
  }

  oldestSince(at: number, scope: Scope): number | undefined {
    return this.#since(at, scope).find(({ bytes }) => bytes > 0)?.at
  }

  #since(at: number, { network, on, stream }: Scope): Entry[] {
    return this.#entries.filter((entry) => entry.at >= at
      && (network === undefined || entry.scope.network === network)
      && (on === undefined || entry.scope.on === on)
      && (stream === undefined || entry.scope.stream === stream)).sort((a, b) => a.at - b.at)
  }
}
