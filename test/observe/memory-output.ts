import type { LogOutput } from '../../src/observe/log/output.ts'

export interface MemoryOutput extends LogOutput {
  readonly lines: string[]
  isBroken: boolean
}

/** An output that keeps its lines, while it is not broken. */
export function memoryOutput(): MemoryOutput {
  const lines: string[] = []
  let lost = 0
  const output: MemoryOutput = {
    lines,
    isBroken: false,
    write(line) {
      if (output.isBroken) lost++
      else lines.push(line)
    },
    takeLost() {
      if (output.isBroken) return 0
      const count = lost
      lost = 0
      return count
    },
    close: () => undefined,
  }
  return output
}
