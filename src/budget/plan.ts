import type { PlanUse } from '../scheduler/gate.ts'
import { periodAt } from './cap.ts'
import { dateAfter } from './clock-back.ts'
import type { NetworkIds } from './usage.ts'

/** The person's data plan, for everything on the machine; as in the config. */
export interface Plan {
  readonly limitBytes: number
  readonly per: 'day' | 'week' | 'month'
  readonly resetDay?: number
  /** What of it is kept for the person. */
  readonly keepPercent: number
  /** Name of the network that it pays for; missing: all. */
  readonly network?: string
}

/** Counters of one network device. */
export interface DeviceCounters {
  /** Another one when the device is made anew, as far as the system tells; its counters began at 0 then. */
  readonly key: string
  readonly receivedBytes: number
  readonly sentBytes: number
  /** Whether what it moves goes to the internet, and is counted by no other device. */
  readonly isUplink: boolean
}

export interface PlanReading {
  /** Id of the current network. */
  readonly network?: string
  readonly devices: readonly DeviceCounters[]
}

/** What was counted so far. A JSON value. */
export interface PlanState {
  /** Of the last reading. */
  readonly at: number
  readonly periodStart: number
  readonly usedBytes: number
  readonly network?: string
  readonly devices: readonly DeviceCounters[]
}

/** Devices that are gone stay known, for they may come back with the same counters: so many of them. */
const maxGone = 64

/** Between readings that are further apart a machine may have been on any network. */
const closeMs = 15 * 60_000

/**
 * Adds what the machine moved since the last reading; the first one only tells where counting begins. What spans the
 * start of a period is shared by time. With a network in the plan, traffic counts when either reading was made on it,
 * and of readings far apart, when both were. Pure; nothing becomes free when the clock goes back.
 */
export function countPlan(
  plan: Plan, state: PlanState | undefined, reading: PlanReading, now: number, timeZone: string, networkIds: NetworkIds,
): PlanState {
  const at = state ? dateAfter(state.at, now) : now
  const { start } = periodAt(plan, at, timeZone)
  const { network } = reading
  const devices = mergeDevices(state?.devices ?? [], reading.devices)
  const seen = { at, devices, ...(network !== undefined && { network }) }
  if (!state) return { ...seen, periodStart: start, usedBytes: 0 }
  const wasOn = isOn(plan, state.network, networkIds)
  const isNowOn = isOn(plan, network, networkIds)
  const counts = at - state.at <= closeMs ? wasOn || isNowOn : wasOn && isNowOn
  const moved = counts ? movedBetween(state.devices, reading.devices) : 0
  if (start > state.periodStart) {
    const sinceStart = (at - start) / Math.max(1, at - Math.min(state.at, start))
    return { ...seen, periodStart: start, usedBytes: Math.ceil(moved * sinceStart) }
  }
  return { ...seen, periodStart: at < state.at ? start : state.periodStart, usedBytes: state.usedBytes + moved }
}

/** What is left of the plan; undefined on a network that it does not pay for. */
export function planUse(
  plan: Plan, state: PlanState, network: string | undefined, now: number, timeZone: string, networkIds: NetworkIds,
): PlanUse | undefined {
  if (!isOn(plan, network, networkIds)) return undefined
  const { start, end } = periodAt(plan, dateAfter(state.at, now), timeZone)
  return {
    limitBytes: plan.limitBytes,
    usedBytes: start > state.periodStart ? 0 : state.usedBytes,
    keepBytes: Math.ceil((plan.limitBytes * plan.keepPercent) / 100),
    end,
  }
}

/** Whether the plan pays for a network; for one that cannot be told it may. */
function isOn(plan: Plan, network: string | undefined, networkIds: NetworkIds): boolean {
  return plan.network === undefined || network === undefined || networkIds.get(plan.network) === network
}

function mergeDevices(known: readonly DeviceCounters[], found: readonly DeviceCounters[]): DeviceCounters[] {
  const keys = new Set(found.map(({ key }) => key))
  const gone = known.filter(({ key }) => !keys.has(key)).map((device) => ({ ...device, isUplink: false }))
  return [...gone.slice(-maxGone), ...found]
}

/** A device that is new since the last reading began to count at 0. */
function movedBetween(before: readonly DeviceCounters[], found: readonly DeviceCounters[]): number {
  const known = new Map(before.map((device) => [device.key, device]))
  return found.reduce((sum, device) => {
    const last = known.get(device.key)
    return device.isUplink || last?.isUplink ? sum + moved(last ?? { receivedBytes: 0, sentBytes: 0 }, device) : sum
  }, 0)
}

type Counters = Pick<DeviceCounters, 'receivedBytes' | 'sentBytes'>

function moved(last: Counters, found: Counters): number {
  const received = found.receivedBytes - last.receivedBytes
  const sent = found.sentBytes - last.sentBytes
  if (received >= 0 && sent >= 0) return received + sent
  // Counters of a device that begins anew go back together; one that wraps goes back alone.
  if (sent >= 0 && mayWrap(last.receivedBytes)) return received + wrapBytes + sent
  if (received >= 0 && mayWrap(last.sentBytes)) return received + sent + wrapBytes
  return found.receivedBytes + found.sentBytes
}

/** Where a counter of 32 bits begins anew. */
const wrapBytes = 2 ** 32

function mayWrap(last: number): boolean {
  return last > wrapBytes / 2 && last < wrapBytes
}
