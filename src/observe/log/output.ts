import type { Level } from '../fields.ts'

/** Where lines of a log go. None of these throws: a log must not stop the service. */
export interface LogOutput {
  /** Takes one line with its end. What is `fatal` is written before this returns. */
  readonly write: (line: string, level: Level) => void
  /** How many lines were lost, once lines can be written again; then counts anew. */
  takeLost(): number
  close(): void
}
