import type { NetworkClass } from '../conditions.ts'
import type { ReasonCode } from '../reasons.ts'
import type { DayRow } from './day.ts'

/** All days together; sizes as in `DayRow`. */
export interface SimulationTotals {
  readonly capturedBytes: number
  readonly droppedBytes: number
  readonly packedBytes: number
  readonly sentBytes: Readonly<Record<NetworkClass, number>>
  readonly againBytes: number
  /** What has not arrived at the end, and the most at the end of any day. */
  readonly backlogBytes: number
  readonly mostBacklogBytes: number
  readonly heldMs: Readonly<Partial<Record<ReasonCode, number>>>
  readonly batteryMs: number
  readonly meteredMs: number
  readonly offlineMs: number
  readonly asleepMs: number
  /** From capture to arrival, or to the end. */
  readonly longestWaitMs: number
}

export interface SimulationResult {
  readonly days: readonly DayRow[]
  readonly totals: SimulationTotals
}

export function resultOf(days: readonly DayRow[], longestWaitMs: number): SimulationResult {
  const sum = (value: (day: DayRow) => number): number => days.reduce((total, day) => total + value(day), 0)
  const codes = [...new Set(days.flatMap(({ heldMs }) => Object.keys(heldMs) as ReasonCode[]))]
  return {
    days,
    totals: {
      capturedBytes: sum((day) => day.capturedBytes),
      droppedBytes: sum((day) => day.droppedBytes),
      packedBytes: sum((day) => day.packedBytes),
      sentBytes: { free: sum((day) => day.sentBytes.free), metered: sum((day) => day.sentBytes.metered) },
      againBytes: sum((day) => day.againBytes),
      backlogBytes: days.at(-1)?.backlogBytes ?? 0,
      mostBacklogBytes: Math.max(0, ...days.map(({ backlogBytes }) => backlogBytes)),
      heldMs: Object.fromEntries(codes.map((code) => [code, sum(({ heldMs }) => heldMs[code] ?? 0)])),
      batteryMs: sum((day) => day.batteryMs),
      meteredMs: sum((day) => day.meteredMs),
      offlineMs: sum((day) => day.offlineMs),
      asleepMs: sum((day) => day.asleepMs),
      longestWaitMs,
    },
  }
}
