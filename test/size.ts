/** How many cases a test runs: few while writing code, more before a change lands (CI), most with `npm run test:long`. */
export interface Sizes {
  readonly quick: number
  readonly ci: number
  readonly long: number
}

/** The size for this run: `long` with SLUICE_TESTS=long, else `ci` where CI is set, else `quick`. */
export function sized(sizes: Sizes): number {
  if (process.env['SLUICE_TESTS'] === 'long') return sizes.long
  return process.env['CI'] ? sizes.ci : sizes.quick
}
