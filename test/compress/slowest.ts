/** The CPU time of the slowest of many cases: told, not judged, for it depends on the machine. */
export class Slowest {
  #ms = 0

  time<T>(each: () => T): T {
    const before = process.cpuUsage()
    try {
      return each()
    } finally {
      const { user, system } = process.cpuUsage(before)
      this.#ms = Math.max(this.#ms, (user + system) / 1000)
    }
  }

  get words(): string {
    return `slowest case ${this.#ms.toFixed(0)} ms of CPU`
  }
}
