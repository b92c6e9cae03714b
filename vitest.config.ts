import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Campaigns and fuzz tests take minutes: begun last, one of them would run on alone. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isCampaign = ({ moduleId }: TestSpecification): boolean => /\/test\/faults\/|\/kill\.fault\.|\.fuzz\./.test(moduleId)
    const sorted = await super.sort(files)
    return [...sorted.filter(isCampaign), ...sorted.filter((file) => !isCampaign(file))]
  }
}

/** Tests whose full size is for `npm run test:long`, which is this config in the mode `long`. */
const longTests = ['test/faults/*.fault.test.ts', 'test/**/*.fuzz.test.ts']

export default defineConfig(({ mode }) => ({
  test: {
    include: mode === 'long' ? longTests : ['test/**/*.test.ts'],
    ...(mode === 'long' && { env: { SLUICE_TESTS: 'long' } }),
    // Tests start services and servers of their own; two at a time is what a small machine carries.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    sequence: { sequencer: LongestFirst },
  },
}))
