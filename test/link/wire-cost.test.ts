import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SocketFigures } from '../../src/transfer/link/socket-figures.ts'
import {
  afterRead, afterSlice, likelyBytes, looksDue, mostBytes, newAccount, type WireAccount,
} from '../../src/transfer/link/wire-cost.ts'

const figures: SocketFigures = {
  sentBytes: 0, retransmittedBytes: 0, retransmittedSegments: 0, receivedBytes: 0, segmentsOut: 2, segmentsIn: 1,
  unackedSegments: 0, queuedBytes: 0, segmentBytes: 1448, timestamps: true, leastRttMs: 1,
}

function seen(account: WireAccount, more: Partial<SocketFigures>): WireAccount {
  return { ...account, sample: { figures: { ...figures, ...more }, traffic: account.traffic } }
}

describe('what a connection costs on the wire', () => {
  test('is what a packet capture shows, from the kernel\'s figures: a plain PUT of 1 KiB', () => {
    // 74 74 66 · 1182 66 · 191 66 · 66 for the reset, as captured.
    const account = afterRead(afterSlice(newAccount, 1116), 125)
    const counted = seen(account, { sentBytes: 1116, receivedBytes: 125, segmentsOut: 4, segmentsIn: 3 })
    expect(likelyBytes(counted)).toBe(74 + 74 + 66 + 1182 + 66 + 191 + 66 + 66)
  })

  test('grows by 20 bytes a packet over IPv6, and shrinks by 12 without timestamps', () => {
    const known = seen(newAccount, { segmentsOut: 10, segmentsIn: 5 })
    const packets = 10 + 5 + 1
    expect(likelyBytes({ ...known, ipVersion: 6 }) - likelyBytes(known)).toBe(20 * packets)
    expect(likelyBytes(known) - likelyBytes(seen(newAccount, { segmentsOut: 10, segmentsIn: 5, timestamps: false }))).toBe(12 * packets)
  })

  test('holds packets under way: their acknowledgements, and the resets that answer these', () => {
    const rest = seen(newAccount, {})
    expect(likelyBytes(seen(newAccount, { unackedSegments: 10 })) - likelyBytes(rest)).toBe(5 * (66 + 54))
  })

  test('leaves out what the kernel had not sent when it was reset, but not what was handed over since', () => {
    const handed = afterSlice(afterSlice(newAccount, 14_480), 14_480)
    const half = seen(handed, { sentBytes: 14_480, segmentsOut: 12 })
    expect(likelyBytes(half) - likelyBytes(seen(handed, { sentBytes: 28_960, segmentsOut: 12 }))).toBeGreaterThan(0)
    expect(likelyBytes(afterSlice(half, 1448)) - likelyBytes(half)).toBeGreaterThan(1448)
  })

  test('is charged beforehand for more than it turns out to be', () => {
    const bytes = fc.nat(1 << 20)
    fc.assert(fc.property(
      fc.array(fc.oneof(bytes.map((each) => ['slice', each] as const), bytes.map((each) => ['read', each] as const))), fc.double({ min: 0, max: 0.3, noNaN: true }),
      (steps, loss) => {
        const account = steps.reduce((state, [what, each]) => what === 'slice' ? afterSlice(state, each) : afterRead(state, each), afterSlice(newAccount, 1448))
        expect(mostBytes(account)).toBeGreaterThanOrEqual(likelyBytes(account))
        const { handedBytes, receivedBytes } = account.traffic
        const retransmittedBytes = Math.round(handedBytes * loss)
        const counted = seen(account, { sentBytes: handedBytes + retransmittedBytes, retransmittedBytes, receivedBytes })
        expect(mostBytes(counted)).toBeGreaterThanOrEqual(likelyBytes(counted))
        expect(mostBytes(afterSlice(counted, 65_160)) - mostBytes(counted)).toBeGreaterThan(65_160 * (1 + loss))
      },
    ))
  })

  test('is looked at after 64 KiB, and every 4 MiB of a long transfer', () => {
    expect(looksDue(afterSlice(newAccount, 65_535))).toBeLessThan(1)
    expect(looksDue(afterSlice(newAccount, 65_536))).toBe(1)
    const long = seen(afterSlice(newAccount, 100 << 20), {})
    expect(looksDue(afterSlice(long, 4 << 20))).toBe(1)
  })
})
