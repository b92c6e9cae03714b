import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryUsage } from '../../../src/scheduler/simulate/memory-usage.ts'

const times = fc.integer({ min: 0, max: 50 })
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const names = fc.constantFrom('a', 'b')
const classes = fc.constantFrom('free', 'metered')

test('tells what was used, and since when, as a plain list of it would, in whatever order it was added', () => {
  const entries = fc.array(fc.record({ at: times, bytes: fc.nat(1000), network: optional(names), on: classes, streams: optional(fc.subarray(['a', 'b', 'c'])) }))
  const scopes = fc.record({ network: optional(names), on: optional(classes), stream: optional(names) })
  fc.assert(fc.property(entries, times, scopes, (added, at, { network, on, stream }) => {
    const usage = new MemoryUsage()
    for (const each of added) {
      usage.add(each.at, { on: each.on, ...(each.network && { network: each.network }), ...(each.streams && { streams: each.streams }) }, each.bytes)
    }
    const counted = added.filter((each) => each.at >= at && (!network || !each.network || network === each.network)
      && (on ?? each.on) === each.on && (!stream || !each.streams || each.streams.includes(stream)))
    const scope = { ...(network && { network }), ...(on && { on }), ...(stream && { stream }) }
    expect(usage.usedSince(at, scope)).toBe(counted.reduce((sum, { bytes }) => sum + bytes, 0))
    expect(usage.oldestSince(at, scope)).toBe(counted.length === 0 ? undefined : Math.min(...counted.map((each) => each.at)))
  }))
})
