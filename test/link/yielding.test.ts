import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { leastBytesPerSecond, yieldingStart, yieldTo, type DelaySample, type Yielding } from '../../src/transfer/link/yielding.ts'

/** Feeds samples 250 ms apart; a link that takes what it is given, up to 1 MB/s. */
function after(samples: readonly Partial<DelaySample>[], from: Yielding = yieldingStart, start = 0): Yielding {
  return samples.reduce<Yielding>((state, sample, index) => yieldTo(state, {
    delayMs: 20, deliveredBytesPerSecond: Math.min(state.bytesPerSecond ?? Infinity, 1_000_000), lossShare: 0, ...sample,
  }, start + index * 250), from)
}

const calm = (count: number) => Array.from({ length: count }, () => ({}))

describe('yielding', () => {
  test('leaves the rate alone while the delay stays near its base', () => {
    expect(after([...calm(10), { delayMs: 79 }, ...calm(10)]).bytesPerSecond).toBeUndefined()
  })

  test('halves what is delivered when the delay rises by 60 ms', () => {
    expect(after([...calm(4), { delayMs: 80 }]).bytesPerSecond).toBe(500_000)
  })

  test('halves again only once the queue had time to empty', () => {
    const once = after([...calm(4), { delayMs: 300 }])
    expect(after([{ delayMs: 300 }], once, 1250).bytesPerSecond).toBe(500_000)
    expect(after([{ delayMs: 300 }], once, 1501).bytesPerSecond).toBe(250_000)
  })

  test('goes down to the least rate beside a queue that stays, and no further', () => {
    const queued = Array.from({ length: 200 }, () => ({ delayMs: 150 }))
    expect(after([...calm(1), ...queued]).bytesPerSecond).toBe(leastBytesPerSecond)
  })

  test('recovers slowly: half a minute from the least rate to half a megabyte a second', () => {
    const slow = after([...calm(1), ...Array.from({ length: 200 }, () => ({ delayMs: 150 }))])
    const at = (seconds: number) => after(calm(seconds * 4), slow, 60_000).bytesPerSecond ?? Infinity
    expect(at(5)).toBeLessThan(40_000)
    expect(at(40)).toBeGreaterThan(500_000)
  })

  test('takes loss for a full queue only where there is a queue', () => {
    expect(after([...calm(4), { lossShare: 0.05 }]).bytesPerSecond).toBeUndefined()
    expect(after([...calm(4), { delayMs: 45, lossShare: 0.05 }]).bytesPerSecond).toBe(500_000)
  })

  test('does not grow a rate that is not used', () => {
    const halved = after([...calm(4), { delayMs: 100 }])
    const idle = Array.from({ length: 40 }, () => ({ deliveredBytesPerSecond: 1000 }))
    expect(after(idle, halved, 10_000).bytesPerSecond).toBe(500_000)
  })

  test('finds a new base within ten minutes of sending when the route became longer', () => {
    const moved = after(Array.from({ length: 11 * 240 }, () => ({ delayMs: 120 })), after(calm(4)), 1000)
    expect(moved.bytesPerSecond).toBeGreaterThan(leastBytesPerSecond)
  })

  test('keeps a finite rate above the least, and a short history, whatever it is told', () => {
    const sample = fc.record({
      delayMs: fc.double({ min: 0, max: 1e5, noNaN: true }),
      deliveredBytesPerSecond: fc.double({ min: 0, max: 1e9, noNaN: true }), lossShare: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(fc.property(fc.array(fc.tuple(sample, fc.integer({ min: 0, max: 100_000 }))), (steps) => {
      let [state, now] = [yieldingStart, 0]
      for (const [each, elapsedMs] of steps) {
        now += elapsedMs
        state = yieldTo(state, each, now)
        expect(state.bytesPerSecond ?? leastBytesPerSecond).toBeGreaterThanOrEqual(leastBytesPerSecond)
        expect(Number.isFinite(state.bytesPerSecond ?? 0) && state.minutes.length <= 10).toBe(true)
      }
    }))
  })
})
