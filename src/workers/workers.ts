import type { InputOf, JobName, OutputOf } from './jobs.ts'

/** Whoever does the jobs of `jobs.ts`. */
export interface Workers {
  /** How many are worth having under way at a time. */
  readonly width: number
  /** Throws what the job throws. */
  run<Name extends JobName>(name: Name, input: InputOf<Name>): Promise<OutputOf<Name>>
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
