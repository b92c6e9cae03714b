import type { InputOf, JobName, OutputOf } from './jobs.ts'

/** Whoever does the jobs of `jobs.ts`. */
export interface Workers {
  /** How many are worth having under way at a time. */
  readonly width: number
  /**
   * Throws what the job throws. `moved`: memory of the input that changes hands instead of being copied; until it comes
   * back with the output it is empty here. It is gone when the thread is: `codec-failed`.
   */
  run<Name extends JobName>(name: Name, input: InputOf<Name>, moved?: readonly ArrayBuffer[]): Promise<OutputOf<Name>>
}

/** Does every job at once where it is asked for. */
export const inline: Workers = {
  width: 1,
  async run(name, input) {
    const { jobs } = await import('./jobs.ts')
    const job = jobs[name] as (input: unknown) => unknown
    const { output } = await job(input) as { readonly output: unknown }
    return output as OutputOf<typeof name>
  },
}
