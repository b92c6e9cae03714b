import { describe, expect, test } from 'vitest'
import { measureFleet } from '../../bench/fleet.ts'
import { whyNoNginx } from '../../bench/lib/nginx.ts'

const why = whyNoNginx()

describe.skipIf(why)(`a fleet of devices (${why ?? 'nginx beside the collector'})`, () => {
  test('sends the same packs to every contender, and each keeps them all', { timeout: 120_000 }, async () => {
    const { runs } = await measureFleet({ devices: 6, mostPacks: 10, rounds: 1, generators: 2, store: undefined, only: 'collector,nginx', keep: false })
    expect(runs.map(({ contender, failedDevices, errors }) => ({ contender, failedDevices, errors }))).toEqual([
      { contender: 'collector', failedDevices: 0, errors: [] }, { contender: 'nginx', failedDevices: 0, errors: [] },
    ])
    const [ours, theirs] = runs
    expect(ours?.packs).toBeGreaterThan(6 * 3)
    expect(theirs?.bytes).toBe(ours?.bytes)
    expect(ours?.peakRssBytes).toBeGreaterThan(20 << 20)
  })
})
