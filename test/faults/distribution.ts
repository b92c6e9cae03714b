/** Sizes in bytes of something that happened often. */
export class Distribution {
  readonly #values: number[] = []

  add(bytes: number): void {
    this.#values.push(bytes)
  }

  get count(): number {
    return this.#values.length
  }

  get max(): number {
    return this.#values.reduce((most, value) => Math.max(most, value), 0)
  }

  get sum(): number {
    return this.#values.reduce((sum, value) => sum + value, 0)
  }

  /** `min 0 · median 12 · p90 2048 · p99 65536 · max 65536` */
  get words(): string {
    const sorted = this.#values.toSorted((a, b) => a - b)
    const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0
    return `min ${at(0)} · median ${at(0.5)} · p90 ${at(0.9)} · p99 ${at(0.99)} · max ${at(1)}`
  }
}
