import { describe, expect, test } from 'vitest'
import { afterLook, lookAgainAfterMs, outstandingBytes, windowStart } from '../../src/transfer/link/window.ts'

interface Line {
  readonly bytesPerMs: number
  readonly rttMs: number
}

/** Fills the window whenever it may, in steps of a millisecond; `queuedBytes`: what had not left yet, at each look. */
function fill({ bytesPerMs, rttMs }: Line, durationMs: number): { queuedBytes: number[], deliveredBytes: number } {
  let [window, handedBytes, delivered] = [windowStart, 0, 0]
  const history: number[] = []
  const queuedBytes: number[] = []
  for (let now = 0, lookAt = 0; now < durationMs; now++) {
    delivered = Math.min(handedBytes, delivered + bytesPerMs)
    history.push(delivered)
    if (now < lookAt) continue
    const ackedBytes = history.at(-1 - rttMs) ?? 0
    const look = { at: now, handedBytes, queuedBytes: handedBytes - ackedBytes, leastRttMs: rttMs, retransmittedSegments: 0 }
    window = afterLook(window, { ...look, rttMs: rttMs + (handedBytes - delivered) / bytesPerMs })
    handedBytes += Math.max(0, window.bytes - outstandingBytes(window, handedBytes))
    queuedBytes.push(handedBytes - delivered)
    lookAt = now + lookAgainAfterMs(window, handedBytes)
  }
  return { queuedBytes, deliveredBytes: delivered }
}

describe('the window of what is handed over', () => {
  test.each([
    { bytesPerMs: 60, rttMs: 40 }, { bytesPerMs: 100, rttMs: 1 }, { bytesPerMs: 1000, rttMs: 10 }, { bytesPerMs: 12_500, rttMs: 5 },
    { bytesPerMs: 1000, rttMs: 40 }, { bytesPerMs: 2500, rttMs: 40 }, { bytesPerMs: 2500, rttMs: 300 },
  ])('keeps a line of $bytesPerMs kB/s with $rttMs ms busy, and holds less than 250 ms or two round trips of it', (line) => {
    const { queuedBytes, deliveredBytes } = fill(line, 20_000)
    expect(Math.max(...queuedBytes.slice(20))).toBeLessThan(Math.max(250, 2 * line.rttMs) * line.bytesPerMs)
    expect(deliveredBytes).toBeGreaterThan(0.7 * 20_000 * line.bytesPerMs)
  })

  test('doubles with each look while everything gets through', () => {
    let window = windowStart
    for (let handedBytes = 0, at = 0; at < 12; at++) {
      handedBytes += window.bytes
      window = afterLook(window, { at, handedBytes, queuedBytes: 0, leastRttMs: 0.1, retransmittedSegments: 0 })
    }
    expect(window.bytes).toBe(16 << 20)
  })

  test('does not grow when it is not used', () => {
    const look = { at: 0, handedBytes: 100, queuedBytes: 0, leastRttMs: 1, retransmittedSegments: 0 }
    expect(afterLook(windowStart, look).bytes).toBe(windowStart.bytes)
  })

  test('does not take the burst that a queue lets through at once for the speed of the line', () => {
    const first = afterLook(windowStart, { at: 0, handedBytes: 0, queuedBytes: 0, leastRttMs: 1, retransmittedSegments: 0 })
    const burst = afterLook(first, { at: 3, handedBytes: 14_480, queuedBytes: 11_584, leastRttMs: 1, rttMs: 90, retransmittedSegments: 0 })
    expect(burst.bytes).toBe(windowStart.bytes)
    const measured = afterLook(burst, { at: 103, handedBytes: 14_480, queuedBytes: 10_000, leastRttMs: 1, rttMs: 90, retransmittedSegments: 0 })
    expect(measured.bytes).toBe(windowStart.bytes)
    const slow = afterLook(measured, { at: 203, handedBytes: 14_480, queuedBytes: 8500, leastRttMs: 1, rttMs: 90, retransmittedSegments: 0 })
    expect(slow.bytes).toBeLessThan(windowStart.bytes)
  })
})
