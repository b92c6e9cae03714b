import type { NetworkCost, NetworkState, PowerState } from '../conditions.ts'
import type { TraceEvent } from './trace.ts'

/** Everything that happened at one time, in whatever order it was told. */
export interface Moment extends Omit<TraceEvent, 'captured'> {
  readonly captured: ReadonlyMap<string, number>
}

/**
 * Adds an event to the moment it belongs to. Of two that contradict each other the stricter counts, so that their order
 * never shows.
 */
export function join(moment: Moment | undefined, event: TraceEvent): Moment {
  const { captured, ...rest } = event
  const bytes = new Map(moment?.captured)
  if (captured) bytes.set(captured.stream, (bytes.get(captured.stream) ?? 0) + captured.bytes)
  if (!moment) return { ...rest, captured: bytes }
  return {
    ...moment,
    ...rest,
    captured: bytes,
    ...both(moment.power, event.power, (a, b) => ({ power: stricter(a, b, powerRank) })),
    ...both(moment.network, event.network, (a, b) => ({ network: stricter(a, b, networkRank) })),
    ...both(moment.pause, event.pause, (a, b) => ({ pause: stricter(a, b, pauseRank) })),
    ...both(moment.sendNow, event.sendNow, (a, b) => ({ sendNow: stricter(a, b, ({ forMs }) => [-forMs]) })),
    ...both(moment.clockAheadMs, event.clockAheadMs, (a, b) => ({ clockAheadMs: Math.min(a, b) })),
    ...both(moment.userBytes, event.userBytes, (a, b) => ({ userBytes: a + b })),
  }
}

function both<T, R extends object>(a: T | undefined, b: T | undefined, choose: (a: T, b: T) => R): R | undefined {
  return a === undefined || b === undefined ? undefined : choose(a, b)
}

/** The one with the higher rank, compared figure by figure; of equal ranks, one that does not depend on their order. */
function stricter<T extends object>(a: T, b: T, rank: (value: T) => readonly number[]): T {
  const [first, second] = [rank(a), rank(b)]
  for (const [index, figure] of first.entries()) {
    if (figure !== second[index]) return figure > (second[index] ?? 0) ? a : b
  }
  return JSON.stringify(a) < JSON.stringify(b) ? a : b
}

function pauseRank({ forMs, captures }: NonNullable<TraceEvent['pause']>): number[] {
  return [forMs ?? Infinity, Number(captures === 'drop')]
}

function powerRank({ supply, percent, weakCharger, saver }: PowerState): number[] {
  const supplyRank = ['mains', 'unknown', 'battery'].indexOf(supply)
  return [supplyRank, -(percent ?? 0), Number(weakCharger ?? false), ['off', 'unknown', 'on'].indexOf(saver)]
}

const costs: readonly NetworkCost[] = ['free', 'unknown', 'metered', 'near-limit', 'over-limit', 'roaming', 'offline']

function networkRank({ cost, reach }: NetworkState): number[] {
  return [costs.indexOf(cost), ['full', 'unknown', 'limited', 'portal'].indexOf(reach ?? 'unknown')]
}
